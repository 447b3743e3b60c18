"""The life of rows: from their source through every request and reply to the release they are in.

Each file is read once for all rows asked for, not once a row.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from stages.config.errors import BuildError
from stages.config.lineage import lineage
from stages.config.paths import Paths
from stages.config.settings import Build
from stages.rows.quarantine import quarantine_path
from stages.rows.row import IMAGE, Event, Row, from_record

Turn = tuple[str, str]
"""role and text of one message"""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that was made for a row, with its reply."""

    key: str
    model: str
    attempt: int
    before: tuple[Turn, ...]
    """the messages before the last, such as demonstrations; other requests share them"""
    question: str
    """the last message"""
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
    """the row as the stage left it, upstream without its picture; None where it was quarantined,
    or the stage has not run"""
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

    A row that became several there has a life for each. `row_id` may be the beginning of an id.
    Raises BuildError when no built table has it, or more than one row begins so.
    """
    original, mark, part = row_id.partition("#")
    row_id = f"{_whole_id(build, paths, original)}{mark}{part}"
    found = []
    for dataset in build.datasets:
        table = paths.table(f"datasets/{dataset}")
        if ids := _ids(table, (pl.col("id") == row_id) | _made_from(row_id)):
            found += lives_in(build, paths, dataset, ids)
        elif not part:
            stages = list(_until_it_ends(paths, lineage(build, f"datasets/{dataset}"), row_id))
            if any(stage.row or stage.quarantined for stage in stages):  # not of another source
                found.append(_ended(paths, dataset, row_id, stages))
    if not found:
        raise BuildError(f"No dataset has the row '{row_id}'. Ask for '{original}', all of its.")
    return found


def lives_in(build: Build, paths: Paths, dataset: str, ids: Collection[str]) -> list[Life]:
    """The lives of these rows of a dataset, by id; ids that it does not have are passed over.

    The rows, with all their requests, are in memory at once: a few hundred are meant.
    """
    chain = lineage(build, f"datasets/{dataset}")
    rows = [from_record(record) for record in _records(paths.table(chain[-1]), ids)]
    upstream = [
        _forebears(paths.table(reference), {_original(row.id) for row in rows})
        for reference in chain[:-1]
    ]
    asked = [
        _exchanges(paths.ledger_export(reference), [_requests(row, place) for row in rows])
        for place, reference in enumerate(chain[1:])
    ]
    against = _verdicts(paths, dataset, {row.id for row in rows})
    files = _releases(paths, dataset, {row.id for row in rows})
    audited = (paths.folder("audit", dataset) / "validation.json").is_file()
    return [
        Life(
            row.id,
            dataset,
            [
                Stage(
                    reference,
                    row if place == len(chain) - 1 else _forebear(row, place, upstream[place]),
                    row.history[place - 1] if 0 < place <= len(row.history) else None,
                    [
                        asked[place - 1][key]
                        for key in (_requests(row, place - 1) if place else ())
                        if key in asked[place - 1]
                    ],
                )
                for place, reference in enumerate(chain)
            ],
            against.get(row.id, []),
            audited,
            files.get(row.id, []),
        )
        for row in rows
    ]


def _ended(paths: Paths, dataset: str, row_id: str, stages: list[Stage]) -> Life:
    """The life of a row that is not in the dataset."""
    audited = (paths.folder("audit", dataset) / "validation.json").is_file()
    return Life(row_id, dataset, stages, [], audited, [])


def _until_it_ends(paths: Paths, chain: Sequence[str], row_id: str) -> Iterator[Stage]:
    """The stages that a row went through, up to and with the one that it did not leave."""
    for reference in chain:
        table = paths.table(reference)
        if found := _records(table, [row_id], without=("messages", IMAGE.name)):
            row = from_record(found[0])
            event = row.history[-1] if row.history else None
            keys = event.requests if event else ()
            replies = _exchanges(paths.ledger_export(reference), [keys])
            yield Stage(reference, row, event, [replies[key] for key in keys if key in replies])
            continue
        refused = _records(quarantine_path(table), [row_id], without=())
        yield Stage(reference, None, None, quarantined=refused[0] if refused else None)
        return


def _whole_id(build: Build, paths: Paths, row_id: str) -> str:
    tables = [paths.table(f"sources/{name}") for name in build.sources]
    tables += [quarantine_path(table) for table in tables]
    built = [table for table in tables if table.is_file()]
    if not built:
        raise BuildError(f"{paths.root}: nothing is built yet. Run `dvc repro` first.")
    ids = {id for table in built for id in _ids(table, pl.col("id").str.starts_with(row_id))}
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


def _made_from(row_id: str) -> pl.Expr:
    return pl.col("id").str.starts_with(f"{row_id}#")


def _original(row_id: str) -> str:
    """The id of the row of the source: what is made from it has a `#` and more behind that."""
    return row_id.partition("#")[0]


def _ids(table: Path, where: pl.Expr) -> list[str]:
    if not table.is_file():
        return []
    return (
        pl.scan_parquet(table)
        .select("id")
        .filter(where)
        .collect(engine="streaming")["id"]
        .to_list()
    )


def _records(
    table: Path, ids: Collection[str], without: Collection[str] = ("messages",)
) -> list[dict[str, Any]]:
    """The records of a table with these ids, by id; none where there is no such table."""
    if not table.is_file():
        return []
    wanted = pl.scan_parquet(table).filter(pl.col("id").is_in(list(ids)))
    return wanted.drop(without, strict=False).collect(engine="streaming").sort("id").to_dicts()


def _forebears(table: Path, originals: set[str]) -> dict[str, list[Row]]:
    """The rows of a table upstream by the id of the row of the source, without pictures."""
    if not table.is_file():
        return {}
    wanted = pl.scan_parquet(table).filter(
        pl.col("id").str.replace("#.*", "").is_in(list(originals))
    )
    found: dict[str, list[Row]] = {}
    frame = wanted.drop("messages", IMAGE.name, strict=False).collect(engine="streaming")
    for record in frame.sort("id").to_dicts():
        found.setdefault(_original(record["id"]), []).append(from_record(record))
    return found


def _forebear(row: Row, steps: int, candidates: dict[str, list[Row]]) -> Row | None:
    """The row that `row` was after its first `steps` steps."""
    rows = candidates.get(_original(row.id), [])
    same_id = (one for one in rows if one.id == row.id)
    same_past = (one for one in rows if one.history == row.history[:steps])
    return next(same_id, None) or next(same_past, None)


def _requests(row: Row, step: int) -> tuple[str, ...]:
    return row.history[step].requests if step < len(row.history) else ()


def _exchanges(ledger: Path, requests: Sequence[Sequence[str]]) -> dict[str, Exchange]:
    """The exchanges of a table by key, from the ledger beside it, as far as they are there."""
    keys = {key for one in requests for key in one}
    if not keys or not ledger.is_file():
        return {}
    asked = pl.scan_parquet(ledger).filter(pl.col("key").is_in(list(keys)))
    frame = asked.select(
        "key", "model", "revision", "attempt", "context", "prompt", "reply", "outcome", "detail",
        "prompt_tokens", "completion_tokens",
    ).collect(engine="streaming")  # fmt: skip
    contexts = {context: _turns(context) for context in frame["context"].unique()}
    return {
        record["key"]: Exchange(
            key=record["key"],
            model=" at ".join(filter(None, (record["model"], record["revision"][:12]))),
            attempt=record["attempt"],
            before=contexts[record["context"]],
            question=record["prompt"],
            reply=record["reply"],
            outcome=record["outcome"],
            detail=record["detail"],
            tokens=(record["prompt_tokens"], record["completion_tokens"]),
        )
        for record in frame.iter_rows(named=True)
    }


def _turns(context: str) -> tuple[Turn, ...]:
    return tuple((role, text) for role, text, _ in orjson.loads(context))


def _verdicts(paths: Paths, dataset: str, ids: Collection[str]) -> dict[str, list[str]]:
    """By id: the rules of the audit that speak against a row."""
    named = paths.folder("audit", dataset) / "quarantine.parquet"
    if not named.is_file():
        return {}
    return {
        record["id"]: [_against(check) for check in record["checks"]]
        for record in _records(named, ids)
    }


def _against(check: dict[str, str]) -> str:
    found = f" ({check['detail']})" if check["detail"] else ""
    return f"{check['check'].replace('_', ' ')}{found}"


def _releases(paths: Paths, dataset: str, ids: set[str]) -> dict[str, list[str]]:
    """By id: the files of the release that hold the row."""
    found: dict[str, list[str]] = {}
    for shard in sorted(
        (paths.folder("release", f"datasets/{dataset}") / "data").glob("*.parquet")
    ):
        for id in _ids(shard, pl.col("id").is_in(list(ids))):
            found.setdefault(id, []).append(shard.as_posix())
    return found
