"""`seqsmith audit`: what the last audit found, and the exit code; the figures for DVC."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from stages import validate as validating
from stages.__main__ import app
from stages.config.errors import BuildError
from stages.config.paths import Paths
from stages.llm.ledger import Ledger, Run
from stages.quality import audit as audit_of
from stages.quality import gather
from stages.quality.figures import write_figures
from stages.rows.row import WORLD
from stages.validate import validate
from stages.world.revision import world_revision
from tests.quality_tree import rewrite, write_settings, write_tree

DATASETS = ["alpaca-it", "alpaca-sit"]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    write_settings(tmp_path)
    write_tree(tmp_path, 40)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gather, "_id_of", lambda record: record["id"])
    # And its rows are made by no method.
    monkeypatch.setattr(audit_of, "other_results", lambda *arguments: frozenset())
    # Which a process of its own would not know.
    monkeypatch.setattr(validating, "ProcessPoolExecutor", lambda *_, **__: Here())
    validating._opened.cache_clear()
    return Paths("sample")


class Here:
    """In place of a pool of processes."""

    map = staticmethod(map)

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *_: object) -> None:
        validating._opened.cache_clear()


def audit(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["audit", *arguments])
    if isinstance(result.exception, BuildError):
        raise result.exception
    return result.exit_code, result.output


def spoil(tree: Paths) -> None:
    rewrite(
        tree,
        "datasets/alpaca-sit",
        lambda row: replace(row, output="") if row.id == "alpaca:00000000" else row,
    )


def test_sound_build_is_shown_and_the_exit_code_is_nothing(tree: Paths) -> None:
    validate("all")
    code, shown = audit()
    assert code == 0
    assert shown.count(" ok ") >= 2
    assert "There is no page yet" in shown


def test_failed_check_is_shown_and_decides_on_the_exit_code(tree: Paths) -> None:
    spoil(tree)
    with pytest.raises(BuildError, match=r"alpaca-sit/quarantine\.parquet"):
        validate("all")
    code, shown = audit()
    assert code == 1
    assert "FAILED" in shown
    assert "No output is blank." in shown
    assert audit("alpaca-it")[0] == 0
    code, shown = audit("alpaca-sit")
    assert (code, "alpaca:00000000" in shown) == (1, True)


def test_named_row_is_in_the_quarantine_of_the_audit_with_all_its_checks(tree: Paths) -> None:
    spoil(tree)
    with pytest.raises(BuildError):
        validate("alpaca-sit")
    (row,) = pq.read_table(tree.folder("audit", "alpaca-sit") / "quarantine.parquet").to_pylist()
    assert row["id"] == "alpaca:00000000"
    checks = {check["check"]: check for check in row["checks"]}
    assert checks.keys() == {"blank_output", "other_reply"}
    assert checks["blank_output"] == {
        "check": "blank_output",
        "severity": "error",
        "reason": "No output is blank.",
        "detail": "",
    }


def test_dataset_without_an_audit_is_an_error_that_says_what_to_run(tree: Paths) -> None:
    with pytest.raises(BuildError, match="validation.json: no such file. Run `dvc repro`"):
        audit()
    with pytest.raises(BuildError, match="Did you mean 'alpaca-sit'"):
        audit("alpaca-sti")
    with pytest.raises(BuildError, match="--data-docs is about one dataset"):
        audit("--data-docs", "docs")


def test_figures_of_all_datasets_are_metrics_and_plots(tree: Paths) -> None:
    validate("all")
    metrics = {
        path.stem: json.loads(path.read_text("utf-8")) for path in tree.folder("metrics").iterdir()
    }
    assert sorted(metrics) == DATASETS
    assert metrics["alpaca-sit"]["rows"] == 40
    assert (metrics["alpaca-sit"]["errors"], metrics["alpaca-sit"]["warnings"]) == (0, 0)
    assert metrics["alpaca-sit"]["mean_tasks"] > metrics["alpaca-it"]["mean_tasks"] == 1
    with (tree.folder("plots") / "options.csv").open(encoding="utf-8") as file:
        shares = {
            row["dataset, iteration, option"]: float(row["share of rows"])
            for row in csv.DictReader(file)
        }
    assert shares["alpaca-sit 1: decompose"] == 0.25
    before = {path: path.read_bytes() for path in tree.folder("plots").iterdir()}
    write_figures(tree, DATASETS)
    assert before == {path: path.read_bytes() for path in tree.folder("plots").iterdir()}


def test_last_run_of_each_stage_tells_what_the_replies_took(
    tree: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    validate("alpaca-it")
    monkeypatch.setenv("SEQSMITH_LEDGER", "runs.sqlite")
    assert "tokens/s" not in audit("alpaca-it")[1]
    with Ledger(Path("runs.sqlite")) as ledger:
        for requests, seconds in ((7, 9.0), (40, 2.0)):
            run = Run(
                "respond alpaca-it", WORLD, world_revision(), "world", requests, 300, 100, seconds
            )
            ledger.add_run(run)
        ledger.add_run(replace(run, stage="respond alpaca-sit", requests=99))
    shown = audit("alpaca-it")[1]
    (line,) = [line.split() for line in shown.splitlines() if line.strip().startswith("respond")]
    assert line == ["respond", "alpaca-it", "world", "40", "300", "100", "2.0", "200"]


def test_great_expectations_own_pages_are_written_where_one_says(tree: Paths) -> None:
    validate("alpaca-it")
    code, shown = audit("alpaca-it", "--data-docs", "docs")
    assert code == 0
    assert "docs/index.html" in shown
    assert "alpaca-it" in Path("docs/index.html").read_text("utf-8")
