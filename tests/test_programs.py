"""Samples of programs: each is a request of its own, the tests decide, and pass@10 is unbiased."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import comb
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from stages.config.settings import CodeSamples
from stages.llm.client import Client
from stages.llm.ledger import Ledger
from stages.llm.progress import StageProgress
from stages.llm.request import Completion, Request, SamplingParams
from stages.scoring import human_eval, programs
from stages.scoring.marks import Marked, Points, marked
from stages.scoring.programs import (
    Sample,
    add_samples,
    draw,
    report,
    run_greedy,
    run_samples,
    score_programs,
)
from stages.testsets.item import Item
from tests.stand_in import StandIn
from tests.test_human_eval import BODY, RECORD, items
from tests.test_sandbox import sandboxed

WANTED = CodeSamples(count=20, temperature=0.8, top_p=0.95)
WRONG = "    return 0"


@pytest.fixture
def two() -> list[Item]:
    return items(
        [RECORD, {**RECORD, "task_id": "HumanEval/901", "prompt": RECORD["prompt"] + "\n"}]
    )


@pytest.fixture
def asked() -> list[Request]:
    return []


@contextmanager
def open_client(folder: Path, engine: StandIn) -> Iterator[Client]:
    sampling = SamplingParams(WANTED.temperature, WANTED.top_p, -1, 512)
    with (
        Ledger(folder / "ledger.sqlite") as ledger,
        Client(engine, ledger, sampling, 1, StageProgress("test", 0)) as client,
    ):
        yield client


def only_read(answered: list[tuple[Item, str]]) -> list[dict[str, Points]]:
    """In the place of the sandbox: what the right body would be told."""
    return [{human_eval.METRIC: Points(float(answer == BODY))} for _, answer in answered]


def test_each_sample_is_a_request_and_more_samples_leave_the_first_as_they_are(
    tmp_path: Path, two: list[Item]
) -> None:
    engine = StandIn(lambda request: f"reply {request.attempt}")
    with open_client(tmp_path, engine) as client:
        few = draw(two, 10, client)
    assert len({one.key for one in engine.asked}) == len(engine.asked) == 20
    assert len({one.seed for one in engine.asked}) == 20
    assert {one.sampling.temperature for one in engine.asked} == {0.8}
    more = StandIn(lambda request: f"reply {request.attempt}")
    with open_client(tmp_path, more) as client:
        many = draw(two, 12, client)
    assert [*many[:10], *many[12:22]] == few
    assert sorted(one.attempt for one in more.asked) == [11, 11, 12, 12]
    assert [(one.item.row.id, one.answer) for one in many] == [
        (item.row.id, f"reply {number}") for item in two for number in range(1, 13)
    ]


def test_first_sample_is_not_the_greedy_answer(tmp_path: Path, two: list[Item]) -> None:
    engine = StandIn(lambda request: "x")
    with open_client(tmp_path, engine) as client:
        draw(two[:1], 10, client)
    first = min(engine.asked, key=lambda one: one.attempt)
    greedy = replace(first, sampling=SamplingParams(0.0, 1.0, -1, 512))
    assert first.attempt == 1 and first.key != greedy.key


def test_sample_that_is_no_whole_answer_fails_unrun_and_is_counted(
    tmp_path: Path, two: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []
    monkeypatch.setattr(
        programs.human_eval, "scores", lambda given: ran.append(len(given)) or only_read(given)
    )

    def reply(request: Request) -> str | None | Completion:
        if request.attempt == 1:
            return None
        return Completion(BODY, "truncated", 1, 1, "{}") if request.attempt == 2 else BODY

    with open_client(tmp_path, StandIn(reply)) as client:
        samples = run_samples(draw(two, 10, client))
    assert ran == [16]
    assert [one.passed for one in samples] == 2 * [False, False, *[True] * 8]
    told = report(samples, WANTED)["samples"]
    assert told["asked"] == 20 and told["unanswered"] == {"failed": 2, "truncated": 2}


def test_marks_of_samples_are_unbiased_and_stand_beside_the_greedy_one(two: list[Item]) -> None:
    samples = [
        Sample(item, BODY, "answered", number <= passed)
        for item, passed in zip(two, (3, 0), strict=True)
        for number in range(1, 21)
    ]
    # The greedy answer was cut: worth nothing, and the samples stay what they are.
    greedy = [marked(item, "", "truncated", {"pass_at_1": Points(0.0)}) for item in two]
    first, second = (one.marks for one in add_samples(greedy, samples))
    assert first["pass_at_1"] == Points(0.0)
    assert first["pass_at_10"].got == pytest.approx(1 - comb(17, 10) / comb(20, 10))
    assert first["pass_at_1_sampled"] == Points(3, 20)
    assert second["pass_at_10"] == Points(0.0) and second["pass_at_1_sampled"] == Points(0, 20)


def settings(samples: CodeSamples | None) -> SimpleNamespace:
    return SimpleNamespace(
        profile=SimpleNamespace(evaluation=SimpleNamespace(code_samples=samples))
    )


@sandboxed
def test_programs_are_run_and_samples_kept(
    tmp_path: Path, two: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = StandIn(lambda request: BODY if request.attempt <= 4 else WRONG)

    @contextmanager
    def open_scored(*_: object) -> Iterator[Client]:
        with open_client(tmp_path, engine) as client:
            yield client

    monkeypatch.setattr(programs, "open_scored", open_scored)
    answers: list[Marked] = [
        marked(two[0], BODY, "answered", {}), marked(two[1], WRONG, "answered", {})
    ]  # fmt: skip
    found = score_programs(
        settings(WANTED), "m", tmp_path, {"code": two}, {"code": answers}, tmp_path
    )
    scored, told = found["code"]
    assert [one.marks["pass_at_1"].got for one in scored] == [1, 0]
    assert {one.marks["pass_at_1_sampled"] for one in scored} == {Points(4, 20)}
    assert told["samples"]["count"] == 20 and told["samples"]["unanswered"] == {}
    kept = pq.read_table(tmp_path / "code.samples.parquet").to_pylist()
    assert [one["id"] for one in kept] == [item.row.id for item in two]
    for one in kept:
        assert one["answers"] == [BODY] * 4 + [WRONG] * 16
        assert one["passed"] == [True] * 4 + [False] * 16
        assert set(one["outcomes"]) == {"answered"}


def test_without_samples_the_model_is_not_asked_again(
    tmp_path: Path, two: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "open_scored", lambda *_: pytest.fail("the model was opened"))
    monkeypatch.setattr(programs.human_eval, "scores", only_read)
    answers = [marked(item, BODY, "answered", {}) for item in two]
    found = score_programs(
        settings(None), "m", tmp_path, {"code": two}, {"code": answers}, tmp_path
    )
    assert found == {"code": (run_greedy(two, answers), {})}
    assert score_programs(settings(WANTED), "m", tmp_path, {}, {}, tmp_path) == {}
