"""The whole build, small: every stage by DVC, twice the same bytes, nothing done when current."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stages.config.lineage import lineage, steps_of
from stages.config.load import load_settings
from stages.rows.measure import read_metrics
from stages.rows.parquet import count_rows, file_hash, read_rows
from stages.rows.quarantine import quarantine_path, reasons
from tests.conftest import ROOT

pytestmark = pytest.mark.pipeline

BUILD = load_settings(ROOT).build

# The sample profile with less of everything: a minute, most of it imports.
SMALLER = {
    "rows: 4000": "rows: 300",
    "rows: 600\n": "rows: 100\n",
    "rows: 3000\n": "rows: 600\n",
    "rows: 100,": "rows: 10,",
    "rows: 150,": "rows: 20,",
    "rows: 50,": "rows: 10,",
    "queries_per_length: 80": "queries_per_length: 5",
    "max_steps: null": "max_steps: 4",
    "max_tokens: 160": "max_tokens: 20",
}
# Models that the small build does without, and the comparisons that need them.
WITHOUT = re.compile(
    r"^  (?:alpaca-(?:it|sit)-(?:tokens|paired|split|multi): (?:\{dataset|[&*]chains)"
    r"|(?:same-tokens|same-lengths|not-split|not-dialogues): ).*\n",
    re.MULTILINE,
)


def copy_of_the_repository(folder: Path) -> Path:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() and name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    profile = folder / "profiles" / "sample.yaml"
    text = profile.read_text("utf-8")
    for old, new in SMALLER.items():
        assert old in text, f"{old!r} is not in the sample profile"
        text = text.replace(old, new)
    profile.write_text(text, "utf-8")
    params = folder / "params.yaml"
    text, removed = WITHOUT.subn("", params.read_text("utf-8"))
    assert removed == 14, "models of the ablations and their comparisons are elsewhere now"
    params.write_text(text, "utf-8")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def run(folder: Path, *command: str) -> str:
    """Run a command of the environment; what it prints, on both streams."""
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}", "COLUMNS": "100"}
    done = subprocess.run(
        command, cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def hashes(folder: Path) -> dict[str, str]:
    """Every file that the build made, by its hash."""
    data = folder / "data"
    return {
        str(path.relative_to(data)): file_hash(path)
        for path in sorted(data.rglob("*"))
        if path.is_file() and path.name != ".gitignore"
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = copy_of_the_repository(tmp_path_factory.mktemp("built"))
    return folder, run(folder, "dvc", "repro")


def test_build_ends_with_the_summary(built: tuple[Path, str]) -> None:
    folder, output = built
    summary = (folder / "data/sample/report/summary.txt").read_text("utf-8")
    for line in summary.splitlines():
        assert line.strip() in output
    assert "alpaca-sit" in summary


def test_build_conserves_rows_from_source_to_release(built: tuple[Path, str]) -> None:
    sample = built[0] / "data/sample"
    source = count_rows(sample / "sources/alpaca.parquet")
    assert source == 300
    for table in (
        "sequences/alpaca-1",
        "sequences/alpaca-2",
        "datasets/alpaca-it",
        "datasets/alpaca-sit",
    ):
        path = sample / f"{table}.parquet"
        assert count_rows(path) + count_rows(quarantine_path(path)) == source
    released = list((sample / "release/datasets/alpaca-sit/data").rglob("*.parquet"))
    assert sum(map(count_rows, released)) == count_rows(sample / "datasets/alpaca-sit.parquet")


@pytest.mark.parametrize("name", BUILD.datasets)
def test_dataset_accounts_for_every_row_and_reply(built: tuple[Path, str], name: str) -> None:
    """Holds for every dataset that params.yaml names, whatever made it."""
    sample = built[0] / "data/sample"
    table = sample / f"datasets/{name}.parquet"
    chain = lineage(BUILD, f"datasets/{name}")
    parent = sample / f"{chain[-2]}.parquet"
    rows = list(read_rows(table))
    ids = [row.id for row in rows]
    assert ids and ids == sorted(set(ids))

    # Rows in = rows out + quarantined, and nothing is made up.
    before, lost = _originals(parent), _originals(quarantine_path(table))
    went_on = {_original(id) for id in ids}
    assert went_on | lost == before
    assert not went_on & lost
    assert not any(reason == "" for reason in reasons(table))

    # Each row says where it comes from, what was done to it, and by which replies.
    source = chain[0].partition("/")[2]
    replies = set().union(
        *(_ids(sample / f"{one}.ledger.parquet", "key") for one in chain[1:]),
    )
    for row in rows:
        assert row.source == source
        assert [(event.step, event.iteration) for event in row.history] == steps_of(BUILD, chain)
        assert all(key in replies for event in row.history for key in event.requests)
        assert row.query.strip() and row.output.strip()

    audit = read_metrics(sample / f"audit/{name}/validation.json")
    assert audit["success"], [check for check in audit["checks"] if not check["success"]]
    assert read_metrics(table.with_suffix(".metrics.json"))["rows"] == len(rows)


def _ids(table: Path, column: str = "id") -> set[str]:
    return set(pq.read_table(table, columns=[column])[column].to_pylist())


def _originals(table: Path) -> set[str]:
    return {_original(id) for id in _ids(table)}


def _original(id: str) -> str:
    """The row of the source that a row was made from: what is made of it has more behind a #."""
    return id.partition("#")[0]


def test_sit_rows_have_more_tasks_and_the_ids_of_it_rows(built: tuple[Path, str]) -> None:
    tables = built[0] / "data/sample/datasets"
    it = {row.id: row for row in read_rows(tables / "alpaca-it.parquet")}
    sit = {row.id: row for row in read_rows(tables / "alpaca-sit.parquet")}
    assert it.keys() == sit.keys()
    assert {row.tasks for row in it.values()} == {1}
    assert {row.tasks for row in sit.values()} == {1, 2, 3}
    for key, row in sit.items():
        assert row.history[0].instruction == it[key].instruction


def test_second_build_does_nothing_and_says_so(built: tuple[Path, str]) -> None:
    before = hashes(built[0])
    output = run(built[0], "dvc", "repro")
    assert "Data and pipelines are up to date." in output
    assert "Running stage" not in output
    assert hashes(built[0]) == before


def test_build_from_nothing_gives_the_same_bytes(built: tuple[Path, str], tmp_path: Path) -> None:
    """Every dataset, and of Alpaca-SIT all that follows; what publishing adds names dvc.lock."""
    folder = copy_of_the_repository(tmp_path)
    run(
        folder,
        "dvc",
        "repro",
        "lengthen@seqeval",
        "package",
        "evaluate@alpaca-sit",
        "evaluate@coi-3",
    )
    again, before = hashes(folder), hashes(built[0])
    made = {f"sample/{reference}.parquet" for reference in BUILD.tables}
    assert made <= again.keys()
    assert again == {file: before[file] for file in again}


def test_sequence_killed_and_run_again_asks_the_rest_and_gives_the_same_bytes(
    tmp_path: Path,
) -> None:
    folder = copy_of_the_repository(tmp_path)
    profile = folder / "profiles/sample.yaml"
    profile.write_text(profile.read_text("utf-8").replace("rows: 300", "rows: 8000"), "utf-8")
    run(folder, sys.executable, "-m", "stages.fetch", "alpaca")
    command = [sys.executable, "-m", "stages.sequence", "alpaca-1"]
    killed = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
    ledger = folder / "ledger/ledger.sqlite"
    while replies(ledger) == 0:
        assert killed.poll() is None, "the stage was done before it could be killed"
        time.sleep(0.05)
    killed.kill()
    killed.wait()
    kept = replies(ledger)
    output = run(folder, *command)
    asked, served = (
        int(n.replace(",", "")) for n in re.findall(r"([\d,]+) (?:req|served)", output)
    )
    assert served >= kept > 0
    assert replies(ledger) == asked + served
    again = hashes(folder)
    shutil.rmtree(folder / "ledger")
    run(folder, *command)
    assert hashes(folder) == again


def replies(ledger: Path) -> int:
    """How many replies a ledger holds."""
    if not ledger.is_file():
        return 0
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as db:
        try:
            return db.execute("SELECT count(*) FROM replies").fetchone()[0]
        except sqlite3.OperationalError:  # created, and no table in it yet
            return 0


def test_profile_switched_and_switched_back_is_restored_without_a_run(
    built: tuple[Path, str], tmp_path: Path
) -> None:
    folder = tmp_path / "repository"
    shutil.copytree(built[0], folder, symlinks=True)
    before = hashes(folder)
    profile = (folder / "profiles/sample.yaml").read_text("utf-8")
    (folder / "profiles/other.yaml").write_text(profile.replace("rows: 300", "rows: 200"), "utf-8")
    params = (folder / "params.yaml").read_text("utf-8")
    (folder / "params.yaml").write_text(
        params.replace("profile: sample", "profile: other"), "utf-8"
    )
    run(folder, "dvc", "repro", "respond@alpaca-it")
    assert count_rows(folder / "data/other/datasets/alpaca-it.parquet") == 200
    (folder / "params.yaml").write_text(params, "utf-8")
    shutil.rmtree(folder / "data/sample/datasets")
    output = run(folder, "dvc", "repro")
    assert "Running stage" not in output
    assert hashes(folder) == {
        **before,
        **{k: v for k, v in hashes(folder).items() if k[:5] == "other"},
    }


def test_mistake_in_the_profile_stops_the_build_with_one_sentence(
    built: tuple[Path, str], tmp_path: Path
) -> None:
    folder = copy_of_the_repository(tmp_path)
    profile = folder / "profiles/sample.yaml"
    profile.write_text(profile.read_text("utf-8").replace("engine: world", "engine: word"), "utf-8")
    with pytest.raises(AssertionError) as failed:
        run(folder, sys.executable, "-m", "stages", "check")
    assert "'runtime.engine': found 'word'" in str(failed.value)
    assert "Traceback" not in str(failed.value)
