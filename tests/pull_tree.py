"""A published release as bytes, in a folder or on the stand-in Hub, for tests that pull one."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
from huggingface_hub import HfApi

from stages.hub.provenance import provenance_of, write_provenance
from stages.package import package
from tests.loopback_hub import Hub, Repo
from tests.release_tree import come_from, files_of, write_build

TOKEN = "hf_neverToBeWritten"
NAME = "tester/alpaca-sit"
REPO = f"datasets/{NAME}"
TARGET = {"releasable": True, "target": "hub", "namespace": "tester", "tag": "v1.0"}

Files = dict[str, bytes]
"""path -> content"""


def published_files(root: Path) -> Files:
    """The files of a published release of 12 rows, made in `root`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        come_from(write_build(root, **TARGET), "yahma/alpaca-cleaned", "1" * 40)
        package("datasets/alpaca-sit")
        folder = root / "data/sample/release/datasets/alpaca-sit"
        write_provenance(folder, provenance_of(folder))
    return files_of(folder)


def write_files(folder: Path, files: Files) -> Path:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def with_manifest(files: Files, change: Callable[[dict[str, Any]], None]) -> Files:
    """The release with another manifest, and without the provenance that knows its hash."""
    manifest = json.loads(files["manifest.json"])
    change(manifest)
    others = {path: data for path, data in files.items() if path != "provenance.json"}
    return {**others, "manifest.json": json.dumps(manifest).encode()}


def point_clients_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pulling ask the Hub at `url`, and not wait between its tries."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("stages.hub.pull.from_hub.HfApi", partial(HfApi, endpoint=url))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def put(hub: Hub, id: str, files: Files, *tags: str, private: bool = False) -> str:
    """One more commit of a repository, with tags; its hash."""
    repo = hub.repos.setdefault(id, Repo(private=private))
    commit = repo.commit("release", {".gitattributes": b"", **files})
    repo.tags.update(dict.fromkeys(tags, commit.oid))
    return commit.oid
