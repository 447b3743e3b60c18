"""Evaluation: every benchmark of a model is asked, marked and summed up, and asked only once."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stages import evaluate as stage
from stages.config.paths import Paths
from stages.config.settings import Benchmark
from stages.llm import open as opener
from stages.llm.request import Completion, Request
from stages.rows.measure import read_metrics
from stages.rows.parquet import file_hash, write_records
from stages.rows.row import Origin, Row
from stages.scoring.marks import read_marked
from stages.scoring.put import ANSWER
from stages.testsets.item import ITEMS, Item, to_table
from stages.testsets.world_chains import draw_items
from stages.world.oracle import reply as judge
from tests.stand_in import StandIn

WORLD = list(draw_items("world", Benchmark(queries_per_length=5, longest_chain=3, seed=7)))
SOLVED = {item.row.query: item.row.output for item in WORLD if item.group in ("1 task", "2 tasks")}


class Model(StandIn):
    """Answers the shortest chains rightly, and loses itself in the others; judges as the world."""

    count = 0

    def __init__(self, *_: object) -> None:
        super().__init__(self._say)

    def _say(self, request: Request) -> str | Completion:
        Model.count += 1
        question = request.prompt.messages[-1].content
        return SOLVED.get(question, Completion("and so on", "truncated", 1, 1, "{}"))


class Judge(StandIn):
    """The world's judge."""

    def __init__(self) -> None:
        super().__init__(lambda request: judge(request.prompt.messages[-1].content, "", 1))


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A build with a model that was asked nothing yet, and three benchmarks; one is empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQSMITH_LEDGER", str(tmp_path / "ledger.sqlite"))
    monkeypatch.setattr(Model, "count", 0)
    kinds = {"world": "world", "seqeval": "seqeval", "summarise": "summarise"}
    runtime = SimpleNamespace(evaluation_engine="transformers", price=None)
    runtime.model_copy = lambda update: runtime
    settings = SimpleNamespace(
        build=SimpleNamespace(
            profile="p", scored={"m": list(kinds), "exact": ["world"]}, references={}, attempts=2,
            items_of=lambda name: f"benchmarks/{name}",
        ),
        profile=SimpleNamespace(
            evaluation=SimpleNamespace(
                max_tokens=50, judgements=1, run_code=False, judge=None, alpaca_eval=None,
                code_samples=None,
            ),
            runtime=runtime,
        ),
        kind=kinds.get,
        training=lambda model: None,
        judge=(
            SimpleNamespace(
                name="world", ledger="", max_tokens_if_truncated=None,
                sampling=SimpleNamespace(
                    model_dump=lambda: {
                        "temperature": 0.0, "top_p": 1.0, "top_k": -1, "max_tokens": 50,
                    }
                ),
            ),
            runtime,
        ),
    )  # fmt: skip
    monkeypatch.setattr(stage, "load_settings", lambda: settings)
    monkeypatch.setattr(
        opener, "open_engine",
        lambda generator, _: Judge() if generator.name == "world" else Model(),
    )  # fmt: skip
    paths = Paths("p")
    write(paths, "world", WORLD)
    write(paths, "seqeval", [one for one in WORLD if one.group in ("2 tasks", "3 tasks")])
    write(paths, "summarise", [])
    return paths


def write(paths: Paths, name: str, items: list[Item]) -> None:
    ordered = sorted(items, key=lambda item: item.row.id)
    write_records(paths.table(f"benchmarks/{name}"), ITEMS, map(to_table, ordered))


def scores(paths: Paths, benchmark: str) -> dict[str, Any]:
    return read_metrics(paths.folder("scores", "m") / f"{benchmark}.json")


def test_evaluate_marks_what_was_answered_and_counts_what_was_not(paths: Paths) -> None:
    stage.evaluate("m")
    world = scores(paths, "world")
    assert (world["items"], world["unanswered"]) == (25, {"truncated": 15})
    groups = {name: one["metrics"]["exact"]["mean"] for name, one in world["groups"].items()}
    assert groups["1 task"] == groups["2 tasks"] == 1.0
    assert groups["3 tasks"] == groups["2 tasks, unseen pair"] == 0.0
    marked = list(read_marked(paths.folder("scores", "m") / "world.parquet"))
    assert [one.id for one in marked] == sorted(item.row.id for item in WORLD)
    assert {one.answer for one in marked if one.outcome == "truncated"} == {"and so on"}


def test_evaluate_has_open_ended_answers_judged(paths: Paths) -> None:
    stage.evaluate("m")
    groups = scores(paths, "seqeval")["groups"]
    assert groups["2 tasks"]["metrics"]["quality"]["mean"] == 5
    assert groups["3 tasks"]["metrics"]["quality"]["mean"] == 1
    assert groups["3 tasks"]["metrics"]["following"]["mean"] == 0


def test_evaluate_of_what_no_judge_marks_opens_none(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.evaluate("m")
    assert "judge m: 10 rows" in capsys.readouterr().err
    assert (paths.folder("scores", "m") / "judge.ledger.parquet").is_file()
    stage.evaluate("exact")
    assert "judge" not in capsys.readouterr().err
    files = sorted(path.name for path in paths.folder("scores", "exact").iterdir())
    assert files == ["world.json", "world.parquet"]


def test_evaluate_of_an_empty_test_set_has_no_scores(paths: Paths) -> None:
    stage.evaluate("m")
    assert scores(paths, "summarise")["items"] == 0
    headline = json.loads((paths.folder("scores") / "m.json").read_text("utf-8"))
    assert headline["summarise"] == {}
    assert headline["world"]["exact"] == 10 / 25


def test_evaluate_again_asks_nothing_and_gives_the_same_bytes(paths: Paths) -> None:
    stage.evaluate("m")
    files = sorted(paths.folder("scores").rglob("*.*"))
    before, asked = [file_hash(file) for file in files], Model.count
    assert asked
    stage.evaluate("m")
    assert [file_hash(file) for file in files] == before
    assert Model.count == asked


def test_item_is_asked_with_its_system_prompt_and_without_its_reference() -> None:
    origin = Origin("r", "1", 0)
    row = Row("t:1", "Say x.", "here", "the reference", "t", origin, system="Be brief.")
    prompt = ANSWER.render(Item(row, "all", ("the reference",)))
    assert prompt
    assert [(one.role, one.content) for one in prompt.messages] == [
        ("system", "Be brief."),
        ("user", row.query),
    ]
    assert prompt.reference == ""
