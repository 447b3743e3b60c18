"""What a pulled release is good for: rows to build on, and replies that need not be asked again."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages import fetch, respond, sequence
from stages import prompts as prompt_files
from stages.config.errors import BuildError
from stages.config.load import load_settings
from stages.config.paths import Paths, ledger_file
from stages.hub.parts import describe_parquet
from stages.hub.pull.pull import ledgers_in, pull
from stages.llm.exchange import import_ledger
from stages.llm.ledger import Ledger
from stages.llm.prompts import FewShot
from stages.methods import seq_instruct
from stages.package import package
from stages.plan.plan import plan
from stages.publish import publish
from stages.quality.summary import as_text
from stages.rows.measure import read_metrics
from stages.rows.parquet import file_hash, read_rows, write_records
from stages.rows.quarantine import reasons
from stages.rows.row import SCHEMA, Exchange, Origin, Row, to_record
from stages.sources.files import find_release
from stages.world.oracle import reply as oracle
from tests.conftest import ROOT
from tests.loopback_hub import loopback_hub
from tests.loopback_llm import LoopbackLLM, digest
from tests.pull_tree import (
    NAME,
    REPO,
    TOKEN,
    Files,
    point_clients_at,
    published_files,
    put,
    with_manifest,
    write_files,
)
from tests.release_tree import files_of, write_audit

MINE = Path("data/sample/sources/mine.parquet")
RELEASE = Path(f"pulled/datasets/{NAME}@v1.0")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return published_files(tmp_path_factory.mktemp("released"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one source more, `mine`, which is the pulled release."""
    return start(tmp_path / "project", monkeypatch)


def start(folder: Path, monkeypatch: pytest.MonkeyPatch, **fields: Any) -> Path:
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SEQSMITH_LEDGER", "ledger.sqlite")
    shutil.copytree(ROOT / "profiles", "profiles")
    build = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    build["sources"]["mine"] = {"path": RELEASE.as_posix()}
    build["sequences"]["mine-1"] = {"reads": "sources/mine"}
    build["packages"] = {"datasets": ["alpaca-sit"], "models": []}
    Path("params.yaml").write_text(yaml.safe_dump(build), "utf-8")
    settle(fields)
    return folder


def settle(fields: dict[str, Any]) -> None:
    """The fields of the source `mine` in the profile."""
    profile = yaml.safe_load((ROOT / "profiles/sample.yaml").read_text("utf-8"))
    profile["sources"]["mine"] = {
        "origin": "file", "shape": "alpaca", "rows": None, "licence": "cc-by-nc-4.0",
        "language": "en", **fields,
    }  # fmt: skip
    Path("profiles/sample.yaml").write_text(yaml.safe_dump(profile), "utf-8")


def record_pull(folder: Path, commit: str = "a" * 40) -> None:
    """What pulling writes beside a release."""
    pulled = {"kind": "dataset", "repo": NAME, "revision": "v1.0", "commit": commit}
    (folder / "pulled.json").write_text(json.dumps(pulled))


def release_of(files: Files, folder: Path, rows: list[Row], shards: int = 1) -> None:
    """A release of other rows, in several shards."""
    write_files(folder, files)
    shutil.rmtree(folder / "data")
    part = -(-len(rows) // shards)
    paths = [folder / f"data/part-{number}.parquet" for number in range(shards)]
    for number, path in enumerate(paths):
        write_records(path, SCHEMA, map(to_record, rows[number * part : (number + 1) * part]))

    def change(manifest: dict[str, Any]) -> None:
        manifest["data"] = [describe_parquet(folder, path).model_dump() for path in paths]
        manifest["rows"] = len(rows)

    (folder / "provenance.json").unlink()
    (folder / "manifest.json").write_bytes(with_manifest(files, change)["manifest.json"])


def row(id: str, **changes: Any) -> Row:
    return replace(
        Row(id, "Say it.", "it", "It.", "theirs", Origin("upstream", "1", 0), tasks=2), **changes
    )


def test_release_as_source_keeps_ids_and_texts_and_starts_anew(
    project: Path, released: Files
) -> None:
    record_pull(write_files(RELEASE, released))
    fetch.main("mine")
    theirs = list(read_rows(next((RELEASE / "data").glob("*.parquet"))))
    ours = list(read_rows(MINE))
    assert [one.id for one in ours] == [one.id for one in theirs]
    assert [one.query for one in ours] == [one.query for one in theirs]
    assert [one.output for one in ours] == [one.output for one in theirs]
    assert {one.tasks for one in theirs} != {1}
    assert {(one.source, one.tasks, one.history) for one in ours} == {("mine", 1, ())}
    assert [one.origin for one in ours] == [Origin(NAME, "a" * 40, n) for n in range(len(theirs))]

    # And it can be built on.
    sequence.sequence("mine-1")
    grown = list(read_rows(Path("data/sample/sequences/mine-1.parquet")))
    assert [one.id for one in grown] == [one.id for one in theirs]


def test_release_as_source_that_was_not_pulled_is_known_by_its_manifest(
    project: Path, released: Files
) -> None:
    write_files(RELEASE, released)
    fetch.main("mine")
    manifest = file_hash(RELEASE / "manifest.json")
    assert {(one.origin.repo, one.origin.revision) for one in read_rows(MINE)} == {
        ("alpaca-sit@v1.0", manifest)
    }


def test_release_as_source_in_several_shards_counts_its_rows_through(
    project: Path, released: Files
) -> None:
    rows = [row(f"theirs:{number:016x}") for number in range(10)]
    release_of(released, RELEASE, rows, shards=3)
    fetch.main("mine")
    assert {one.id: one.origin.row for one in read_rows(MINE)} == {
        one.id: number for number, one in enumerate(rows)
    }


def test_release_as_source_rows_that_differ_are_taken_as_they_are_or_quarantined(
    project: Path, released: Files
) -> None:
    rows = [
        row("a:0", placement="before", input="No input", system="Be brief."),
        row("a:1#02"),
        row("a:2", further=(Exchange("And then?", "Then."),)),
        row("a:3", instruction="\u200b"),
        row("a:4 \x1b[2J"),
        row("a:5", placement="aside"),
    ]
    release_of(released, RELEASE, rows)
    fetch.main("mine")
    before, split, dialogue = read_rows(MINE)
    assert (before.query, before.system) == ("No input\n\nSay it.", "Be brief.")
    assert split.id == "a:1.02"
    assert dialogue.further == ()
    assert read_metrics(MINE.with_suffix(".metrics.json"))["turns_dropped"] == 2
    assert reasons(MINE) == {"empty-instruction": 1, "not-an-id": 1, "unknown-placement": 1}


def test_release_as_source_with_a_changed_byte_stops_and_names_the_file(
    project: Path, released: Files
) -> None:
    write_files(RELEASE, released)
    shard = next((RELEASE / "data").glob("*.parquet"))
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(data)
    with pytest.raises(BuildError, match=f"changed: data/{shard.name}"):
        fetch.main("mine")
    assert not MINE.exists()


def test_release_as_source_that_was_not_pulled_whole_stops(project: Path, released: Files) -> None:
    record_pull(write_files(RELEASE, released))
    (RELEASE / "manifest.json").unlink()
    with pytest.raises(BuildError, match="pulling it was interrupted"):
        fetch.main("mine")


def test_release_as_source_under_another_licence_stops(project: Path, released: Files) -> None:
    write_files(RELEASE, released)
    settle({"licence": "apache-2.0"})
    with pytest.raises(BuildError, match="but the release in .* has the licence 'cc-by-nc-4.0'"):
        fetch.main("mine")


def test_release_is_found_by_path_and_by_name(tmp_path: Path) -> None:
    assert find_release(tmp_path, "mine") is None
    write_files(tmp_path / "mine", {"manifest.json": b"{}"})
    assert find_release(tmp_path, "mine") == tmp_path / "mine"
    assert find_release(tmp_path / "mine", "other") == tmp_path / "mine"
    assert find_release(tmp_path / "mine/manifest.json", "mine") is None


def test_ledgers_of_a_release_with_a_changed_reply_are_not_given(
    tmp_path: Path, released: Files
) -> None:
    folder = write_files(tmp_path / "release", released)
    (ledger,) = ledgers_in(folder)
    assert ledgers_in(ledger) == [ledger]
    data = bytearray(ledger.read_bytes())
    data[100] ^= 1
    ledger.write_bytes(data)
    with pytest.raises(BuildError, match="changed: ledger/"):
        ledgers_in(folder)


# A ledger goes on elsewhere.

ROWS = 24


def model(request: dict) -> str:
    """Chooses and rewrites as the oracle does; answers with a digest of the request."""
    message = request["messages"][-1]["content"]
    if message.startswith(("The instruction is:", "#Original Instruction#")):
        return oracle(message, "", 1)
    return digest(request)


@pytest.fixture
def server() -> Iterator[LoopbackLLM]:
    with LoopbackLLM(model) as running:
        running.bodies = []
        yield running


def start_building(folder: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """A fresh project with its own ledger: a file of rows, and a model behind a server."""
    start(folder, monkeypatch)
    path = Path("profiles/sample.yaml")
    profile = yaml.safe_load(path.read_text("utf-8"))
    profile["generator"] |= {"name": "loopback", "revision": "1"}
    profile["runtime"] |= {
        "engine": "openai",
        "openai": {
            "url": url, "key_variable": "", "concurrency": 8, "requests_per_minute": None,
            "timeout": 10.0, "patience": 30.0,
        },
    }  # fmt: skip
    path.write_text(yaml.safe_dump(profile), "utf-8")
    records = [
        {
            "instruction": f"Name a word that goes with number {number}.",
            "input": "" if number % 2 else f"pear {number}, apple, plum, fig",
            "output": f"Word {number}.",
        }
        for number in range(ROWS)
    ]
    Path("inputs").mkdir()
    Path("inputs/alpaca.json").write_text(json.dumps(records), "utf-8")
    fetch.main("alpaca")


def build() -> None:
    sequence.sequence("alpaca-1")
    sequence.sequence("alpaca-2")
    respond.answer("alpaca-sit")


def edited_prompt(option: str, folder: Path) -> FewShot:
    """The prompt of an option with a word more in its first demonstration."""
    name = f"seq_instruct/{option}"
    texts = yaml.safe_load((Path(prompt_files.__path__[0]) / f"{name}.yaml").read_text("utf-8"))
    texts["demonstrations"][0]["reply"] += " Thanks."
    path = folder / option
    path.with_suffix(".yaml").write_text(yaml.safe_dump(texts), "utf-8")
    return FewShot(str(path))


def asked_of(prompt: FewShot, bodies: list[bytes]) -> list[str]:
    """The questions among the bodies that were put with this prompt, sorted."""
    system = prompt.render(instruction="x", input="").messages[0].content
    found = [json.loads(body)["messages"] for body in bodies]
    return sorted(one[-1]["content"] for one in found if one[0]["content"] == system)


def planned() -> dict[str, int]:
    """Table -> rows that the plan says will be asked about."""
    lines = [line.split() for line in as_text(plan(load_settings(), "alpaca-sit")).splitlines()]
    return {cells[0]: int(cells[3]) for cells in lines if cells and "/" in cells[0]}


@pytest.mark.pipeline
def test_ledger_of_a_pulled_release_serves_all_but_the_rows_whose_request_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: LoopbackLLM
) -> None:
    # One project builds and publishes.
    start_building(tmp_path / "theirs", monkeypatch, server.url)
    build()
    first = list(server.bodies or [])
    dataset = Path("data/sample/datasets/alpaca-sit.parquet")
    before = file_hash(dataset)
    write_audit(Paths("sample"))
    package("datasets/alpaca-sit")
    publish("datasets/alpaca-sit")
    published = files_of(Path("data/sample/published/datasets/alpaca-sit"))

    # Another one, which has nothing but the rows, pulls and imports.
    start_building(tmp_path / "ours", monkeypatch, server.url)
    assert planned()["sequences/alpaca-1"] == ROWS
    with loopback_hub(TOKEN, "tester") as hub:
        put(hub, REPO, published, "v1.0")
        with monkeypatch.context() as patch:
            point_clients_at(hub.url, patch)
            pull(NAME, None)
    with Ledger(ledger_file()) as ledger:
        counts = [import_ledger(path, ledger) for path in ledgers_in(RELEASE)]
    assert counts == [(len(first), len(first))]

    # Nothing is asked, and the same bytes come.
    assert set(planned().values()) == {0}
    server.bodies = []
    build()
    assert server.bodies == []
    assert file_hash(dataset) == before

    # A changed demonstration of one option costs the rewrites of that option, and no others.
    prompt = seq_instruct._REWRITE["suffix"]
    edited = edited_prompt("suffix", tmp_path)
    monkeypatch.setitem(seq_instruct._REWRITE, "suffix", edited)
    rewrites = asked_of(prompt, first)
    assert 0 < len(rewrites) < len(first)
    expected = planned()
    build()
    assert asked_of(edited, server.bodies) == rewrites
    assert len(server.bodies) == len(rewrites)
    in_first = [
        row for row in read_rows(Path("data/sample/sequences/alpaca-1.parquet"))
        if row.history[-1].option == "suffix"
    ]  # fmt: skip
    assert expected["sequences/alpaca-1"] == len(in_first)
    assert set(planned().values()) == {0}
