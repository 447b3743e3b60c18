"""The life of a row: from its source through every request and reply to the release it is in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from stages.config.errors import BuildError
from stages.config.lineage import lineage, steps_of
from stages.config.paths import Paths
from stages.config.settings import Build
from stages.quality.facts import Steps, row_facts
from stages.rows.row import Event, Row, from_record, to_record


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that was made for a row, with its reply."""

    key: str
    model: str
    attempt: int
    question: str
    """the last message; what comes before it is shared with other requests"""
    reply: str
    outcome: str
    detail: str
    tokens: tuple[int, int]
    """of prompt and completion"""


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage made of the row."""

    reference: str
    row: Row | None
    """the row as the stage left it; None where it was quarantined, or the stage has not run"""
    event: Event | None
    """what the stage did; None for a source"""
    exchanges: list[Exchange] = field(default_factory=list)
    quarantined: dict[str, str] | None = None
    """the record of the quarantine: reason, detail, reply"""


@dataclass(frozen=True, slots=True)
class Life:
    """A row in one dataset."""

    id: str
    dataset: str
    stages: list[Stage]
    """the last one has no row where the row went no further"""
    verdicts: list[str]
    """what the audit holds against the row; empty when nothing, or when there was none yet"""
    audited: bool
    releases: list[str]
    """files of releases that hold the row"""


def lives(build: Build, paths: Paths, row_id: str) -> list[Life]:
    """The row in each dataset that it is in, or that it was quarantined from.

    `row_id` may be the beginning of an id. Raises BuildError when no built table has it, or more
    than one row begins so.
    """
    row_id = _whole_id(build, paths, row_id)
    found = []
    for dataset in build.datasets:
        chain = lineage(build, f"datasets/{dataset}")
        stages = []
        for reference in chain:
            stages.append(_stage(paths, reference, row_id))
            if stages[-1].row is None:
                break
        if stages[0].row is None and stages[0].quarantined is None:
            continue  # a row of another source
        last = stages[-1].row
        audit = paths.folder("audit", dataset) / "validation.json"
        # Without the last table's row the walk above has ended before its end.
        verdicts = _verdicts(last, steps_of(build, chain)) if last else []
        releases = [str(file) for file in _releases(paths, dataset, row_id)]
        found.append(Life(row_id, dataset, stages, verdicts, audit.is_file(), releases))
    return found


def _whole_id(build: Build, paths: Paths, row_id: str) -> str:
    tables = [paths.table(f"sources/{name}") for name in build.sources]
    tables += [table.with_suffix(".quarantine.parquet") for table in tables]
    built = [table for table in tables if table.is_file()]
    if not built:
        raise BuildError(f"{paths.root}: nothing is built yet. Run `dvc repro` first.")
    ids = {
        id
        for table in built
        for id in pl.scan_parquet(table)
        .filter(pl.col("id").str.starts_with(row_id))
        .select("id")
        .collect(engine="streaming")["id"]
    }
    if row_id in ids or len(ids) == 1:
        return row_id if row_id in ids else ids.pop()
    if not ids:
        names = ", ".join(str(table) for table in built)
        raise BuildError(
            f"No row has the id '{row_id}', or one that begins so, in {names}. Ids are in the "
            "column `id` of every table."
        )
    some = ", ".join(sorted(ids)[:5])
    raise BuildError(f"{len(ids):,} rows have ids that begin with '{row_id}': {some}, ...")


def _stage(paths: Paths, reference: str, row_id: str) -> Stage:
    table = paths.table(reference)
    if record := _record(table, row_id):
        row = from_record(record)
        event = row.history[-1] if row.history else None
        return Stage(reference, row, event, _exchanges(paths, reference, event))
    if refused := _record(table.with_suffix(".quarantine.parquet"), row_id):
        return Stage(reference, None, None, quarantined=refused)
    return Stage(reference, None, None)


def _record(table: Path, row_id: str) -> dict[str, Any] | None:
    if not table.is_file():
        return None
    found = pl.scan_parquet(table).filter(pl.col("id") == row_id).collect(engine="streaming")
    return found.to_dicts()[0] if found.height else None


def _exchanges(paths: Paths, reference: str, event: Event | None) -> list[Exchange]:
    """The requests of an event, in their order, from the ledger beside the table."""
    table = paths.ledger_export(reference)
    if event is None or not event.requests or not table.is_file():
        return []
    asked = pl.scan_parquet(table).filter(pl.col("key").is_in(event.requests))
    records = {record["key"]: record for record in asked.collect(engine="streaming").to_dicts()}
    return [_exchange(records[key]) for key in event.requests if key in records]


def _exchange(record: dict[str, Any]) -> Exchange:
    return Exchange(
        key=record["key"],
        model=" at ".join(filter(None, (record["model"], record["revision"][:12]))),
        attempt=record["attempt"],
        question=record["prompt"],
        reply=record["reply"],
        outcome=record["outcome"],
        detail=record["detail"],
        tokens=(record["prompt_tokens"], record["completion_tokens"]),
    )


def _verdicts(row: Row, steps: Steps) -> list[str]:
    def count_words(texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    facts = row_facts([to_record(row)], steps, count_words).rows
    against = [name for name, kind in facts.schema.items() if kind == pl.Boolean and name != "held"]
    return [name.replace("_", " ") for name in against if facts[name][0]]


def _releases(paths: Paths, dataset: str, row_id: str) -> Iterator[Path]:
    for shard in sorted((paths.folder("release", dataset) / "data").glob("*.parquet")):
        ids = pl.scan_parquet(shard).filter(pl.col("id") == row_id).select("id")
        if ids.collect(engine="streaming").height:
            yield shard
