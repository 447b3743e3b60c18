"""The paper's tables: published figures as data, ours beside them, and what stands for none."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.config.errors import BuildError
from stages.paper.beside import beside, paper_tables, score, table_3
from stages.paper.tables import PaperTable, read_tables
from tests.conftest import ROOT

TABLES = read_tables()


def published(key: str, row: str) -> dict[str, float]:
    return next(one.published for one in TABLES[key].rows if one.name == row)


def scores(mean: float, items: int = 100, **metrics: float) -> dict[str, Any]:
    """A summary whose intervals reach 0.1 down and 0.2 up."""
    means = {"accuracy": mean, **metrics}
    return {
        "items": items,
        "unanswered": {},
        "metrics": {
            name: {"items": items, "mean": one, "low": one - 0.1, "high": one + 0.2}
            for name, one in means.items()
        },
        "groups": {},
    }


def table(**changes: Any) -> PaperTable:
    return PaperTable.model_validate(
        {
            "label": "Table 0", "title": "t", "about": "a", "source": "s",
            "columns": [{"name": "right", "benchmark": "gsm8k", "metric": "accuracy"}],
            "rows": [{"name": "theirs", "ours": "mine", "published": {"right": 46.3}}],
        }
        | changes
    )  # fmt: skip


def cell(of: PaperTable, found: dict[str, Any]) -> dict[str, Any]:
    return beside("t", of, found)["rows"][0]["cells"][0]


def test_wins_are_those_against_the_model_of_the_column() -> None:
    one = {"name": "right", "benchmark": "seqeval", "metric": "accuracy", "against": "other"}
    wins = {
        ("mine", "other"): {"seqeval": scores(0.4)},
        ("mine", "third"): {"seqeval": scores(0.7)},
    }
    found = beside("t", table(columns=[one]), {"seqeval": {"mine": scores(0.9)}}, wins)
    assert found["rows"][0]["cells"][0]["ours"]["mean"] == pytest.approx(40)
    none = beside("t", table(columns=[one]), {"seqeval": {"mine": scores(0.9)}}, {})
    assert none["rows"][0]["cells"][0]["reason"] == "not run"


def test_every_table_and_figure_3_are_there_in_order() -> None:
    shown = paper_tables({"benchmarks": [], "datasets": [], "compared": []})
    assert [one["label"] for one in shown] == [
        *(f"Table {number}" for number in range(1, 13)), "Figure 3", "Chain-of-Instructions",
    ]  # fmt: skip
    assert all(one["source"].startswith("arXiv 240") for one in shown)


def test_figures_are_those_of_the_paper() -> None:
    assert published("table-11", "Alpaca SIT") == {"Quality": 4.659, "Followed": 89.3, "Won": 50.3}
    assert published("table-11", "GPT-3.5-Turbo") == {"Quality": 4.653, "Followed": 88.0}
    assert published("table-05", "SIT-split") == {"SeqEval won": 11.9}
    assert published("table-08", "SIT, translating first")["tr right"] == 43.6
    assert published("table-08", "IT")["de followed"] == 6
    sit = published("table-09", "Alpaca SIT")
    assert (sit["en"], sit["es"], sit["mean"]) == (42.8, 36.0, 32.9)
    assert published("table-10", "FlanCoT IT")["sw"] == 18.8
    assert published("table-01", "Llama-3-8B") == {"ROUGE-L": 63}
    assert published("chain-of-instructions", "Alpaca-7B, tuned on chains") == {"2 tasks": 70.76}


def test_figures_of_one_thing_agree_between_tables() -> None:
    won = {name: published("table-11", name)["Won"] for name in ("Alpaca IT", "Alpaca SIT")}
    assert won == {name: published("table-05", name)["SeqEval won"] for name in won}
    means = published("table-08", "SIT-G, FlanCoT")
    assert list(means.values()) == list(published("table-04", "FlanCoT SIT").values())


@pytest.mark.parametrize(
    ("row", "mean"),
    [
        ("Alpaca IT", 15.71), ("WizardLM", 26.55), ("Alpaca SIT", 32.58), ("FlanCoT IT", 34.65),
        ("FlanCoT SIT", 40.84),
    ],
)  # fmt: skip
def test_languages_of_mgsm_have_the_mean_of_the_printed_row(row: str, mean: float) -> None:
    figures = {name: one for name, one in published("table-09", row).items() if name != "mean"}
    assert len(figures) == 11
    assert sum(figures.values()) / 11 == pytest.approx(mean, abs=0.006)


def test_what_is_inferred_has_only_figures_of_the_authors_files() -> None:
    for one in TABLES.values():
        figures = [figure for row in one.rows for figure in row.published.values()]
        if not one.certain:
            assert figures == [] or "not compared with print" in one.source, one.label
        for row, column in ((row, column) for row in one.rows for column in one.columns):
            figure = row.published.get(column.name, 1)
            assert 0 < figure <= (5 if "quality" in column.metric else 100), (row, column)


def test_benchmarks_and_models_of_ours_are_in_the_settings_or_known_by_their_dataset() -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    asked = {
        "none", *params["benchmarks"], *params["testsets"], *params["lengthened"],
        *params["posed"],
    }  # fmt: skip
    sections = ("answered", "composed", "translated", "captioned", "chained", "ablated", "split")
    datasets = {name for section in sections for name in params[section]}
    paper = yaml.safe_load((ROOT / "profiles/paper.yaml").read_text("utf-8"))
    known = datasets | {*paper["references"]}
    for one in TABLES.values():
        assert {column.benchmark for column in one.columns} <= asked, one.label
        assert {row.ours for row in one.rows if row.ours} <= known, one.label


def test_ours_stands_beside_in_per_cent_with_items_and_interval() -> None:
    found = cell(table(), {"gsm8k": {"mine": scores(0.5)}})
    assert found["published"] == 46.3
    assert found["ours"] == pytest.approx({"mean": 50.0, "low": 40.0, "high": 70.0, "items": 100})
    assert (found["missing"], found["reason"], found["strict"]) == (None, None, None)


def test_quality_is_in_points() -> None:
    of = table(columns=[{"name": "right", "benchmark": "seqeval", "metric": "quality"}])
    found = cell(of, {"seqeval": {"mine": scores(0, quality=4.5)}})
    assert found["ours"]["mean"] == 4.5


def test_strict_scoring_stands_beside_the_published_one() -> None:
    column = {"name": "right", "benchmark": "xquad", "metric": "accuracy_paper"}
    of = table(columns=[{**column, "strict": "accuracy"}])
    found = cell(of, {"xquad": {"mine": scores(0.25, accuracy_paper=0.75)}})
    assert (found["ours"]["mean"], found["strict"]["mean"]) == (75.0, 25.0)


@pytest.mark.parametrize(
    ("row", "column", "found", "missing", "reason"),
    [
        ({}, {}, {}, "not transcribed", "not run"),
        ({}, {}, {"gsm8k": {"mine": None}}, "not transcribed", "not run"),
        ({}, {}, {"gsm8k": {"other": scores(1)}}, "not transcribed", "not run"),
        ({}, {"metric": "unheard"}, {"gsm8k": {"mine": scores(1)}}, "not transcribed", "not run"),
        ({}, {"group": "gone"}, {"gsm8k": {"mine": scores(1)}}, "not transcribed", "not run"),
        ({"ours": None}, {}, {}, "not transcribed", "no model of ours"),
        ({"in_paper": False}, {}, {}, "not in the paper", "not run"),
        ({}, {"published": False}, {}, "not in the paper", "not run"),
        ({}, {"benchmark": "none"}, {}, "not transcribed", "not measured"),
    ],
)
def test_cell_without_a_figure_says_why(
    row: dict, column: dict, found: dict, missing: str, reason: str
) -> None:
    base = {"name": "right", "benchmark": "gsm8k", "metric": "accuracy"}
    of = table(columns=[base | column], rows=[{"name": "theirs", "ours": "mine"} | row])
    shown = cell(of, found)
    assert (shown["published"], shown["ours"]) == (None, None)
    assert (shown["missing"], shown["reason"]) == (missing, reason)


def grouped() -> dict[str, Any]:
    groups = {"en": scores(1.0), "de": scores(0.5), "zh": scores(0.2, items=300)}
    return {**scores(0.4), "groups": groups}


@pytest.mark.parametrize(
    ("group", "mean", "items"),
    [(None, 40, 100), ("de", 50, 100), ("!en", 27.5, 400), ("*h", 20, 300), ("*", 42, 500)],
)
def test_groups_are_weighed_by_their_items(group: str | None, mean: float, items: int) -> None:
    found = score(grouped(), "accuracy", group)
    assert found is not None
    assert (found["mean"], found["items"]) == (pytest.approx(mean), items)


def test_intervals_of_groups_are_put_together_as_of_strata() -> None:
    found = score(grouped(), "accuracy", "!en")
    assert found is not None
    below = 100 * (0.025**2 + 0.075**2) ** 0.5  # a quarter and three quarters of 0.1
    assert found["mean"] - found["low"] == pytest.approx(below)
    assert found["high"] - found["mean"] == pytest.approx(2 * below)


def test_column_stands_for_several() -> None:
    column = {
        "name": "{} right", "each": ["de", "zh"], "benchmark": "xquad", "group": "{}",
        "metric": "accuracy",
    }  # fmt: skip
    of = table(columns=[column], rows=[{"name": "theirs", "published": {"zh right": 40}}])
    assert [(one.name, one.group) for one in of.columns] == [("de right", "de"), ("zh right", "zh")]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"rows": [{"name": "x", "published": {"wrong": 1}}]}, "no published column ['wrong']"),
        ({"rows": [{"name": "x", "publishd": {}}]}, "publishd"),
        (
            {"rows": [{"name": "x", "in_paper": False, "published": {"right": 1}}]},
            "is not in the paper and has figures",
        ),
        ({"rows": [{"name": "x", "published": {"right": "n/a"}}]}, "valid number"),
    ],
)
def test_mistake_in_a_table_is_an_error_with_its_file(
    tmp_path: Path, change: dict, told: str
) -> None:
    content = table().model_dump(mode="json") | change
    (tmp_path / "table-00.yaml").write_text(yaml.safe_dump(content), "utf-8")
    with pytest.raises(BuildError, match="table-00.yaml") as error:
        read_tables(tmp_path)
    assert told in str(error.value)


def test_table_3_has_the_paper_and_the_dataset_that_answers_the_sequences() -> None:
    iteration = {"tokens_in": 14.5, "tokens_out": None, "options": {"hold": 0.5, "prefix": 0.5}}
    datasets = [
        {"source": "alpaca", "iterations": [{"ours": {}}], "statistics": {"rows": 1}},
        {
            "source": "alpaca",
            "iterations": [{"ours": {"tokens_in": 9.5}}, {"ours": iteration}],
            "statistics": {"rows": 40},
        },
    ]
    rows = {row["name"]: row["cells"] for row in table_3(datasets)["rows"]}
    tokens_in, tokens_out, *_, hold = rows["alpaca, iteration 1"]
    assert (tokens_in["published"], tokens_in["ours"]["mean"]) == (44.7, 14.5)
    assert tokens_in["ours"]["items"] == 40
    assert (tokens_out["published"], tokens_out["reason"]) == (414.6, "not run")
    assert (hold["published"], hold["ours"]["mean"]) == (16.85, 50.0)
    assert rows["alpaca, source"][0]["ours"]["mean"] == 9.5
    assert rows["alpaca, source"][2]["reason"] == "no options at the source"
    assert rows["flancot, iteration 2"][0]["reason"] == "not run"


def test_tables_are_plain_values() -> None:
    shown = paper_tables({"benchmarks": [], "datasets": [], "compared": []})
    assert json.loads(json.dumps(shown)) == shown
