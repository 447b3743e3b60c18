"""The stage `fetch`, from a project's settings to the files it writes."""

import io
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from stages import fetch
from stages.config.errors import BuildError
from stages.rows.measure import read_metrics
from stages.rows.parquet import file_hash, read_rows
from stages.rows.quarantine import reasons
from stages.rows.row import Row
from stages.world.revision import world_revision
from tests.loopback_hub import Hub, Repo, loopback_hub

ROOT = Path(__file__).parent.parent
OUTPUT = Path("data/sample/sources/alpaca.parquet")
Configure = Callable[..., None]


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Makes an empty project the working folder; call it to set `path` and the source's fields."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    (tmp_path / "inputs").mkdir()
    monkeypatch.chdir(tmp_path)

    def change(path: str = "inputs", **fields: Any) -> None:
        build = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
        build["profile"] = "sample"
        build["sources"]["alpaca"]["path"] = path
        Path("params.yaml").write_text(yaml.safe_dump(build), "utf-8")
        profile = yaml.safe_load((ROOT / "profiles/sample.yaml").read_text("utf-8"))
        profile["sources"]["alpaca"].update(fields)
        Path("profiles/sample.yaml").write_text(yaml.safe_dump(profile), "utf-8")

    change(rows=200)
    return change


def rows() -> list[Row]:
    return list(read_rows(OUTPUT))


def metrics() -> dict[str, Any]:
    return read_metrics(OUTPUT.with_name("alpaca.metrics.json"))


def write_input(records: list[Any], name: str = "inputs/alpaca.json") -> None:
    Path(name).write_text(json.dumps(records), "utf-8")


def numbered(count: int) -> list[dict[str, str]]:
    return [{"instruction": f"Say {n}.", "input": "", "output": str(n)} for n in range(count)]


def test_fetch_no_file_world_rows_sorted_by_id(configure: Configure) -> None:
    fetch.main("alpaca")
    found = rows()
    assert len(found) == 200
    assert [row.id for row in found] == sorted({row.id for row in found})
    assert {(row.origin.repo, row.origin.revision) for row in found} == {
        ("world", world_revision())
    }
    assert sorted(row.origin.row for row in found) == list(range(200))
    assert {(row.source, row.language) for row in found} == {("alpaca", "en")}
    assert metrics()["rows_in"] == metrics()["rows_out"] == 200
    assert reasons(OUTPUT).total() == 0


def test_fetch_more_world_rows_hold_the_fewer(configure: Configure) -> None:
    fetch.main("alpaca")
    fewer = rows()
    configure(rows=300)
    fetch.main("alpaca")
    assert {row.id for row in fewer} <= {row.id for row in rows()}


def test_fetch_world_without_a_number_of_rows_error(configure: Configure) -> None:
    configure(rows=None)
    with pytest.raises(BuildError, match=r"sources\.alpaca\.rows is null"):
        fetch.main("alpaca")


def test_fetch_source_of_files_without_a_file_error(configure: Configure) -> None:
    configure(origin="file")
    with pytest.raises(BuildError, match=r"`origin: file`, but inputs holds no file named after"):
        fetch.main("alpaca")


@pytest.mark.parametrize(
    ("shape", "refused_for"), [("flan", set()), ("messages", {"empty-message"})]
)
def test_fetch_world_in_other_shapes_all_accounted_for(
    configure: Configure, shape: str, refused_for: set[str]
) -> None:
    configure(shape=shape, rows=300)
    fetch.main("alpaca")
    assert set(reasons(OUTPUT)) == refused_for
    assert len(rows()) == 300 - reasons(OUTPUT).total()
    assert {bool(row.system) for row in rows()} == {True, False}
    assert {row.input for row in rows()} == {""}


def test_fetch_columns_mapped_apply_to_a_file_and_not_to_the_world(configure: Configure) -> None:
    configure(columns={"instruction": "prompt"}, rows=20)
    fetch.main("alpaca")
    assert len(rows()) == 20
    write_input([{"prompt": "Say it.", "input": "", "output": "It."}])
    fetch.main("alpaca")
    assert [row.query for row in rows()] == ["Say it."]


def test_fetch_twice_same_bytes(configure: Configure) -> None:
    write_input([*numbered(500), {"instruction": "", "input": "", "output": "x"}])
    files = [OUTPUT, OUTPUT.with_suffix(".quarantine.parquet"), OUTPUT.with_suffix(".metrics.json")]
    fetch.main("alpaca")
    first = [file_hash(file) for file in files]
    fetch.main("alpaca")
    assert [file_hash(file) for file in files] == first


def test_fetch_file_in_inputs_takes_the_place_of_the_world(configure: Configure) -> None:
    records = [
        *numbered(5),
        {"instruction": "Say 0.", "input": "<noinput>", "output": "0"},
        {"instruction": "Say it.", "input": "", "output": ""},
        ["no object"],
    ]
    write_input(records)
    fetch.main("alpaca")
    revision = file_hash(Path("inputs/alpaca.json"))
    assert {(row.origin.repo, row.origin.revision) for row in rows()} == {("alpaca.json", revision)}
    for row in rows():
        assert records[row.origin.row]["output"] == row.output  # type: ignore[index, call-overload]
    assert reasons(OUTPUT) == {"duplicate": 1, "empty-output": 1, "not-an-object": 1}
    assert metrics()["rows_in"] == 8
    assert metrics()["rows_out"] == 5
    assert metrics()["reasons"] == {"duplicate": 1, "empty-output": 1, "not-an-object": 1}
    kept = pq.read_table(OUTPUT.with_suffix(".quarantine.parquet")).to_pylist()
    assert [json.loads(row["row"]) for row in kept] == records[5:]


def test_fetch_file_larger_than_the_sample_sampled_by_id(configure: Configure) -> None:
    write_input(numbered(1_000), "mine.json")
    configure("mine.json", rows=None)
    fetch.main("alpaca")
    everything = rows()
    configure("mine.json", rows=100)
    fetch.main("alpaca")
    assert [row.id for row in rows()] == [row.id for row in everything[:100]]
    assert metrics()["sampled_out"] == 900
    assert reasons(OUTPUT).total() == 0


def test_fetch_unknown_source_error_with_nearest_name(configure: Configure) -> None:
    with pytest.raises(BuildError, match="No source is called 'alpca'. Did you mean 'alpaca'?"):
        fetch.main("alpca")


def test_fetch_broken_input_error_and_nothing_written(configure: Configure) -> None:
    Path("inputs/alpaca.jsonl").write_text('{"instruction": "a"\n', "utf-8")
    with pytest.raises(BuildError, match=r"alpaca\.jsonl, line 1, column 20: not valid JSON"):
        fetch.main("alpaca")
    assert not Path("data").exists()


def test_fetch_output_folder_cannot_be_made_error(configure: Configure) -> None:
    Path("data").write_text("a file in the way", "utf-8")
    with pytest.raises(BuildError, match=r"alpaca\.parquet: cannot be written"):
        fetch.main("alpaca")


def run_fetch(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *(arguments or ("-m", "stages.fetch", "alpaca"))],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("count", [200, 20_000])
def test_fetch_disk_full_error_and_no_partial_file(configure: Configure, count: int) -> None:
    # A limit of 4 KiB on every file stands for the full disk: writing fails in the same place.
    configure(rows=count)
    limited = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096));"
        "sys.argv = ['fetch', 'alpaca'];"
        "runpy.run_module('stages.fetch', run_name='__main__', alter_sys=True)"
    )
    done = run_fetch("-c", limited, PYTHONDONTWRITEBYTECODE="1")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {OUTPUT}: cannot be written (")
    assert "free some space" in done.stderr
    assert list(OUTPUT.parent.iterdir()) == []


def test_fetch_from_the_command_line_says_what_it_did(configure: Configure) -> None:
    write_input([*numbered(300), {"instruction": "Say it.", "input": "", "output": ""}])
    done = run_fetch()
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("alpaca: 200 rows from alpaca.json (")
    assert done.stdout.endswith("a sample that leaves out 100; 1 quarantined: empty-output 1\n")


def test_fetch_imports_nothing_heavy() -> None:
    heavy = "{'datasets', 'huggingface_hub', 'torch', 'transformers', 'polars', 'pandas'}"
    done = run_fetch("-c", f"import sys, stages.fetch; print({heavy} & set(sys.modules))")
    assert done.stdout == "set()\n", done.stderr


def test_fetch_alpaca_itself_all_accounted_for(configure: Configure, shared_data: Path) -> None:
    file = shared_data / "alpaca/alpaca_data.json"
    configure(str(file), rows=None)
    fetch.main("alpaca")
    assert metrics()["rows_in"] == 48_066
    assert metrics()["rows_out"] == 47_992
    assert reasons(OUTPUT) == {"empty-output": 74}  # 25 empty, 49 "<nooutput>" or "<noinput>"
    assert metrics()["inputs_cleared"] == 614
    expected = [(row.id, row.messages) for row in rows()]

    records = json.loads(file.read_text("utf-8"))
    random.Random(3).shuffle(records)
    with Path("inputs/alpaca.jsonl").open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(record) + "\n" for record in records)
    configure("inputs", rows=None)
    fetch.main("alpaca")
    assert [(row.id, row.messages) for row in rows()] == expected


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A Hub with one dataset of two rows."""
    buffer = io.BytesIO()
    pq.write_table(
        pa.table({c: [f"{c} 1", f"{c} 2"] for c in ("instruction", "input", "output")}), buffer
    )
    with loopback_hub("token", "some") as hub:
        hub.repos["datasets/some/alpaca"] = Repo(private=False)
        hub.repos["datasets/some/alpaca"].commit("Data", {"train.parquet": buffer.getvalue()})
        yield hub


def run_against(hub: Hub, **environment: str) -> subprocess.CompletedProcess[str]:
    return run_fetch(
        HF_ENDPOINT=hub.url,
        HF_HOME=str(Path("cache").absolute()),
        HF_HUB_DISABLE_XET="1",
        HF_HUB_DISABLE_TELEMETRY="1",
        HF_TOKEN="",
        **environment,
    )


@pytest.mark.pipeline
def test_fetch_hub_real_library_rows_with_the_commit(configure: Configure, hub: Hub) -> None:
    commit = hub.repos["datasets/some/alpaca"].main
    for revision in (commit, "main"):
        configure(origin="hub", repo="some/alpaca", revision=revision)
        done = run_against(hub)
        assert done.returncode == 0, done.stderr
        assert {(row.origin.repo, row.origin.revision) for row in rows()} == {
            ("some/alpaca", commit)
        }
        assert sorted(row.query for row in rows()) == [
            "instruction 1\n\ninput 1",
            "instruction 2\n\ninput 2",
        ]


@pytest.mark.pipeline
@pytest.mark.parametrize(
    ("fields", "environment", "said"),
    [
        ({"repo": "gone/away"}, {}, "doesn't exist on the Hub or cannot be accessed. Check repo"),
        ({"revision": "b" * 40}, {}, "Check repo and revision"),
        ({"split": "trian"}, {}, "Unknown split \"trian\". Should be one of ['train']"),
        ({"repo": "never/seen"}, {"HF_HUB_OFFLINE": "1"}, "Check the connection and try again"),
    ],
)
def test_fetch_hub_real_library_failure_is_one_sentence(
    configure: Configure,
    hub: Hub,
    fields: dict[str, str],
    environment: dict[str, str],
    said: str,
) -> None:
    commit = hub.repos["datasets/some/alpaca"].main
    configure(**{"origin": "hub", "repo": "some/alpaca", "revision": commit, **fields})
    done = run_against(hub, **environment)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: sources.alpaca: ")
    assert said in done.stderr
