"""A finished build of `alpaca-sit` in a folder, audit included, for tests of releases."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from stages.config.paths import Paths
from stages.rows.parquet import count_rows, read_rows
from stages.rows.quarantine import Quarantined
from stages.rows.row import Origin, Row
from tests.conftest import ROOT
from tests.quality_tree import keep_alpaca, rewrite, write_tree

COMMIT = "12567cabf869d7c92e573c7c783905fc160e9639"
LAST = "datasets/alpaca-sit"
CHECK = {
    "name": "blank_output",
    "what": "No output is blank.",
    "severity": "error",
    "success": True,
    "observed": "0 of 12",
    "expected": "none",
    "failing_rows": 0,
    "examples": [],
}


def write_build(root: Path, rows: int = 12, **publish: Any) -> Paths:
    """Tables, ledgers, quarantines, counts, audit and settings; replies of a language model."""
    write_profile(root, **publish)
    paths = write_tree(root, rows)
    counts = {"rows_in": rows, "rows_out": rows, "sampled_out": 0, "quarantined": 0}
    write_counts(paths, counts)
    write_audit(paths)
    return paths


def write_profile(root: Path, releasable: bool = False, **publish: Any) -> None:
    """params.yaml and a profile whose generator is the one of `write_tree`."""
    (root / "profiles").mkdir(parents=True, exist_ok=True)
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    params["packages"] = {"datasets": ["alpaca-sit"], "models": []}
    profile = yaml.safe_load((ROOT / "profiles" / "sample.yaml").read_text("utf-8"))
    keep_alpaca(params, profile)
    profile["releasable"] = releasable
    profile["sources"]["alpaca"] |= {
        "origin": "hub",
        "repo": "yahma/alpaca-cleaned",
        "revision": COMMIT,
        "licence": "cc-by-nc-4.0",
    }
    profile["generator"] |= {"name": "model", "revision": COMMIT}
    profile["runtime"]["engine"] = "replay"
    profile["training"]["revision"] = COMMIT
    for one in profile["trainings"].values():
        one["revision"] = COMMIT
    profile["publish"] |= publish
    (root / "params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    (root / "profiles" / "sample.yaml").write_text(yaml.safe_dump(profile), "utf-8")


def write_counts(paths: Paths, counts: dict[str, int]) -> None:
    paths.metrics("sources/alpaca").write_text(json.dumps(counts), "utf-8")


def write_audit(paths: Paths, name: str = "alpaca-sit", **changes: Any) -> None:
    """The audit of a finished dataset, with one check."""
    rows = count_rows(paths.table(f"datasets/{name}"))
    audit = {
        "dataset": name,
        "success": True,
        "checks": [CHECK],
        "statistics": {
            "rows": rows,
            "words_out": 4.25,
            "tasks": {"1": 3},
            "overlap": [
                {
                    "testset": "mgsm",
                    "items": 250,
                    "items_compared": 249,
                    "items_found": 2,
                    "rows": 3,
                },
                {"testset": "gqa", "items": 0, "items_compared": 0, "items_found": 0, "rows": 0},
            ],
        },
    }
    folder = paths.folder("audit", name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "validation.json").write_text(json.dumps(audit | changes), "utf-8")


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder: path -> content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def card_of(release: Path) -> str:
    return (release / "README.md").read_text("utf-8")


def header_of(release: Path) -> dict[str, Any]:
    """What the Hub reads of a card."""
    return yaml.safe_load(card_of(release).split("---\n")[1])


def come_from(paths: Paths, repo: str, revision: str) -> None:
    """Let all rows of the finished dataset come from there."""
    rewrite(
        paths,
        LAST,
        lambda row: replace(row, origin=Origin(repo, revision, row.origin.row)),
    )


def quarantine_first(paths: Paths, reason: str) -> None:
    """Take the first row out of the finished dataset."""
    first = rows_of(paths)[0]
    lost = Quarantined(first.id, "respond", reason, "No usable response.", "{}")
    rewrite(paths, LAST, lambda row: None if row.id == first.id else row, (lost,))
    write_audit(paths)


def rows_of(paths: Paths) -> list[Row]:
    return list(read_rows(paths.table(LAST)))
