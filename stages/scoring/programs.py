"""Programs that a model wrote for HumanEval: the greedy one of each item, and samples of more."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa

from stages.config.settings import CodeSamples, Settings
from stages.llm.client import Client
from stages.llm.open import open_scored
from stages.rows.parquet import write_records
from stages.scoring import human_eval
from stages.scoring.marks import Marked, Points, mark
from stages.scoring.put import ANSWER
from stages.testsets.item import Item

SAMPLES = pa.schema(
    [
        ("id", pa.string()),
        ("answers", pa.list_(pa.string())),
        ("outcomes", pa.list_(pa.string())),
        ("passed", pa.list_(pa.bool_())),
    ]
)
"""an item with its samples, in order: what was said, and whether it passed the tests"""
_K = 10


@dataclass(frozen=True, slots=True)
class Sample:
    """One of the programs that were drawn for an item."""

    item: Item
    answer: str
    outcome: str
    """as of a `Marked`"""
    passed: bool = False


def score_programs(
    settings: Settings,
    model: str,
    trained: Path,
    items: Mapping[str, Sequence[Item]],
    answers: Mapping[str, Sequence[Marked]],
    folder: Path,
) -> dict[str, tuple[list[Marked], dict[str, Any]]]:
    """Benchmark -> its answers with marks, and what is to be known of the samples.

    Asks the model for samples where the profile wants some, and writes those to
    BENCHMARK.samples.parquet in `folder`. Raises BuildError where there is no sandbox.
    """
    wanted = settings.profile.evaluation.code_samples
    scored: dict[str, tuple[list[Marked], dict[str, Any]]] = {
        one: (run_greedy(items[one], answers[one]), {}) for one in answers
    }
    if not (wanted and answers):
        return scored
    asked = wanted.count * sum(map(len, answers.values()))
    with open_scored(settings, model, trained, f"sample {model}", asked, wanted) as client:
        drawn = {one: draw(items[one], wanted.count, client) for one in answers}
    for one, (marked, _) in scored.items():
        samples = run_samples(drawn[one])
        write_records(folder / f"{one}.samples.parquet", SAMPLES, to_tables(samples))
        scored[one] = (add_samples(marked, samples), report(samples, wanted))
    return scored


def run_greedy(items: Sequence[Item], answers: Sequence[Marked]) -> list[Marked]:
    """The answers with `pass_at_1`, from running what they hold against the items' tests."""
    marks = human_eval.scores(
        [(item, one.answer) for item, one in zip(items, answers, strict=True)]
    )
    return [
        mark(item, one.answer, one.outcome, lambda *_, found=found: found)
        for item, one, found in zip(items, answers, marks, strict=True)
    ]


def draw(items: Sequence[Item], count: int, client: Client) -> list[Sample]:
    """`count` samples of each item, in order. The client must ask once.

    A sample is another attempt at the same question: a request and a seed of its own, so that more
    samples leave those in the ledger as they are.
    """
    wanted = [(item, number) for item in items for number in range(count)]
    said = client.map(lambda one: client.ask(one[0], ANSWER, after=one[1]), wanted)
    return [
        Sample(item, answer.reply, answer.failure or "answered")
        for (item, _), answer in zip(wanted, said, strict=True)
    ]


def run_samples(samples: Sequence[Sample]) -> list[Sample]:
    """The samples with what the tests say. One that is no whole answer is not run: it fails."""
    whole = [one for one in samples if one.outcome == "answered"]
    marks = iter(human_eval.scores([(one.item, one.answer) for one in whole]))
    return [
        replace(one, passed=bool(next(marks)[human_eval.METRIC].got))
        if one.outcome == "answered"
        else one
        for one in samples
    ]


def add_samples(marked: Sequence[Marked], samples: Sequence[Sample]) -> list[Marked]:
    """The marks of an item, with those of its samples, which do not depend on the greedy answer.

    `pass_at_10`: the chance that one of ten passes. `pass_at_1_sampled`: the share that does.
    """
    count = Counter(one.item.row.id for one in samples)
    passed = Counter(one.item.row.id for one in samples if one.passed)
    return [
        replace(
            one,
            marks={
                **one.marks,
                "pass_at_10": Points(human_eval.pass_at_k(count[one.id], passed[one.id], _K)),
                "pass_at_1_sampled": Points(passed[one.id], count[one.id]),
            },
        )
        for one in marked
    ]


def report(samples: Sequence[Sample], wanted: CodeSamples) -> dict[str, Any]:
    """How the samples were drawn, and how many are no whole answer."""
    outcomes = Counter(one.outcome for one in samples if one.outcome != "answered")
    return {
        "samples": {
            **wanted.model_dump(),
            "asked": len(samples),
            "unanswered": dict(sorted(outcomes.items())),
        }
    }


def to_tables(samples: Sequence[Sample]) -> Iterator[dict[str, Any]]:
    """Records of `SAMPLES`, from samples in the order of their items."""
    for id, group in groupby(samples, lambda one: one.item.row.id):
        drawn = list(group)
        yield {
            "id": id,
            "answers": [one.answer for one in drawn],
            "outcomes": [one.outcome for one in drawn],
            "passed": [one.passed for one in drawn],
        }
