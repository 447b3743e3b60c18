"""Walks rows through the stages of a dataset, on the ledger alone; counts what is missing."""

from collections import Counter
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from stages.config.settings import Build
from stages.methods.respond import respond
from stages.methods.seq_instruct import iterate
from stages.plan.dry import DryClient, Missing
from stages.plan.reasons import LastBuild
from stages.rows.quarantine import Quarantined
from stages.rows.row import Row


@dataclass(slots=True)
class Count:
    """What one stage would find."""

    reference: str
    """such as `sequences/alpaca-1`"""
    rows: int = 0
    """that come to the stage with all replies before it known"""
    complete: int = 0
    """rows of which every request is in the ledger"""
    waiting: int = 0
    """rows that cannot be followed so far: an earlier stage has to ask first"""
    partial: int = 0
    """requests in the ledger of rows that lack another one"""
    reasons: Counter[str] = field(default_factory=Counter)
    """rows that would be asked about, by why"""
    missing: dict[str, int] = field(default_factory=dict)
    """keys of the requests that are certain to be asked, with the characters of their prompts"""


def walk(
    build: Build,
    references: Sequence[str],
    rows: Iterable[Row],
    client: DryClient,
    last: dict[str, LastBuild],
) -> list[Count]:
    """What each stage of `references` (a lineage without its source) would find for `rows`."""
    counts = [Count(reference) for reference in references]
    for row in rows:
        _follow(build, counts, row, client, last)
    return counts


def _follow(
    build: Build, counts: list[Count], row: Row, client: DryClient, last: dict[str, LastBuild]
) -> None:
    for stage, count in enumerate(counts):
        count.rows += 1
        client.used.clear()
        try:
            made = _finish(_step(build, count.reference, row, client))
        except Missing as missing:
            request = missing.request
            reason = last[count.reference].reason(request, row, missing.failed)
            count.partial += len(client.used)
            count.reasons[reason] += 1
            count.missing[request.key] = sum(len(m.content) for m in request.prompt.messages)
            for later in counts[stage + 1 :]:
                later.waiting += 1
            return
        count.complete += 1
        if isinstance(made, Quarantined):
            return
        row = made


def _step(
    build: Build, reference: str, row: Row, client: DryClient
) -> Coroutine[Any, Any, Row | Quarantined]:
    kind, name = reference.split("/")
    if kind == "sequences":
        return iterate(row, build.iteration(name), client)
    return respond(row, client)


def _finish(work: Coroutine[Any, Any, Row | Quarantined]) -> Row | Quarantined:
    """The result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("a dry run waits for nothing")
