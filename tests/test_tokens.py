"""Credentials are in no output: planted ones, real commands, a search of all that was written."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.loopback_hub import Hub, Repo, environment_of, loopback_hub
from tests.loopback_llm import LoopbackLLM
from tests.release_tree import CHECK, COMMIT, write_profile
from tests.test_hub_publish import commit_all

TOKEN = "hf_PlantedAndNeverToBeWritten"
KEY = "sk-planted-and-never-to-be-written"
PLANTED = (TOKEN, KEY)
VARIABLE = "PLANTED_API_KEY"
REPO = "datasets/tester/alpaca-it"
ROWS = 12


def traces(root: Path) -> list[str]:
    """The files under `root` that hold a planted credential, compressed or not."""
    return sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and any(one in text for text in texts(path) for one in PLANTED)
    )


def texts(path: Path) -> Iterator[str]:
    """All that can be read from a file: its bytes, and every value of a table in it."""
    content = path.read_bytes()
    yield content.decode("utf-8", "replace")
    if path.suffix == ".parquet":
        yield str(pq.read_table(path).to_pylist())
        yield str(pq.read_metadata(path).metadata)
    if content.startswith(b"SQLite format 3"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as ledger:
            for (table,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
                for row in ledger.execute(f"SELECT * FROM {table}"):
                    yield " ".join(
                        one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one)
                        for one in row
                    )


def test_traces_of_a_credential_are_found_in_every_kind_of_file(tmp_path: Path) -> None:
    (tmp_path / "card.md").write_text(f"Use {TOKEN}.", "utf-8")
    pq.write_table(pa.table({"reply": [f"You sent {KEY}."] * 100}), tmp_path / "shard.parquet")
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as ledger:
        ledger.execute("CREATE TABLE replies (reply BLOB)")
        ledger.execute("INSERT INTO replies VALUES (?)", (KEY.encode(),))
        ledger.commit()
    (tmp_path / "clean.json").write_text("{}", "utf-8")
    assert traces(tmp_path) == ["card.md", "ledger.sqlite", "shard.parquet"]


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A Hub with a private source that only the token opens."""
    sink = pa.BufferOutputStream()
    columns = ("instruction", "input", "output")
    pq.write_table(
        pa.table({one: [f"{one} {row}" for row in range(ROWS)] for one in columns}), sink
    )
    with loopback_hub(TOKEN, "tester") as hub:
        hub.repos["datasets/tester/alpaca"] = Repo(private=True)
        files = {"train.parquet": sink.getvalue().to_pybytes()}
        hub.repos["datasets/tester/alpaca"].commit("Data", files)
        yield hub


@pytest.fixture
def llm() -> Iterator[LoopbackLLM]:
    """A server that asks for the key, and tells it to everybody in its replies and refusals."""
    faults = {"3": "tell-key", "5": "400"}

    def rule(message: str, times: int) -> str:
        row = message.split()[1]
        return "error-200" if row == "7" and times == 1 else faults.get(row, "")

    with LoopbackLLM(rule=rule) as server:
        server.key = KEY
        yield server


def write_project(root: Path, hub: Hub, llm: LoopbackLLM) -> None:
    """One dataset: a source on the Hub, answered by a model behind a server."""
    write_profile(root, releasable=True, target="hub", namespace="tester", tag="v1.0")
    params = yaml.safe_load((root / "params.yaml").read_text("utf-8"))
    params["packages"] = {"datasets": ["alpaca-it"], "models": []}
    profile = yaml.safe_load((root / "profiles/sample.yaml").read_text("utf-8"))
    profile["sources"]["alpaca"] |= {
        "repo": "tester/alpaca",
        "revision": hub.repos["datasets/tester/alpaca"].main,
        "rows": None,
    }
    profile["generator"] |= {"name": "loopback", "revision": COMMIT, "licence": "apache-2.0"}
    profile["runtime"] |= {
        "engine": "openai",
        "openai": {
            "url": llm.url,
            "key_variable": VARIABLE,
            "concurrency": 4,
            "requests_per_minute": None,
            "timeout": 5.0,
            "patience": 10.0,
        },
    }
    (root / "inputs").mkdir()
    (root / "params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    (root / "profiles/sample.yaml").write_text(yaml.safe_dump(profile), "utf-8")


def write_audit(root: Path) -> None:
    rows = pq.read_metadata(root / "data/sample/datasets/alpaca-it.parquet").num_rows
    audit: dict[str, Any] = {"dataset": "alpaca-it", "success": True, "checks": [CHECK]}
    folder = root / "data/sample/audit/alpaca-it"
    folder.mkdir(parents=True)
    found = audit | {"statistics": {"rows": rows, "words_out": 4.25, "tasks": {"1": rows}}}
    (folder / "validation.json").write_text(json.dumps(found), "utf-8")


@pytest.mark.pipeline
def test_credentials_are_in_no_output_of_a_build_that_fails_and_is_mended(
    tmp_path: Path, hub: Hub, llm: LoopbackLLM
) -> None:
    root = tmp_path / "project"
    root.mkdir()
    write_project(root, hub, llm)
    outputs: list[str] = []

    def run(verb: str, name: str, failure: str = "") -> None:
        done = subprocess.run(
            [sys.executable, "-m", f"stages.{verb}", name],
            cwd=root,
            env=environment_of(hub, root, TOKEN, **{VARIABLE: KEY}),
            capture_output=True,
            text=True,
        )
        outputs.append(done.stdout + done.stderr)
        assert done.returncode == (1 if failure else 0), outputs[-1]
        assert failure in outputs[-1]

    hub.refused["(GET|HEAD) .*tester/alpaca"] = 403
    run("fetch", "alpaca", "tester/alpaca at revision")
    hub.refused.clear()
    run("fetch", "alpaca")

    llm.key = "sk-another"
    run("respond", "alpaca-it", "401")
    llm.key = KEY
    run("respond", "alpaca-it")

    run("package", "datasets/alpaca-it", "validation.json: no such file")
    write_audit(root)
    run("package", "datasets/alpaca-it")
    commit_all(root)

    for call in ("/refs$", "/commit/", "GET .*README.md"):
        hub.refused[call] = 403
        run("publish", "datasets/alpaca-it", "for Bearer ***")
        hub.refused.clear()
    run("publish", "datasets/alpaca-it")

    # It was there to be written: both servers were shown it and told it.
    assert any("***" in output or "[key]" in output for output in outputs)
    assert [output for output in outputs if any(one in output for one in PLANTED)] == []
    assert traces(root) == []
    repo = hub.repos[REPO]
    assert repo.tags == {"v1.0": repo.main}
    sent = tmp_path / "sent"
    for path, data in repo.commits[repo.main].files.items():
        (sent / path).parent.mkdir(parents=True, exist_ok=True)
        (sent / path).write_bytes(data)
    assert traces(sent) == []
    replies = pq.read_table(sent / "ledger").column("reply").to_pylist()
    assert any("[key]" in reply for reply in replies)
