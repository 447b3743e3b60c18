"""Gathers the facts about a dataset from its tables, its ledgers and its quarantine."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from stages.config.errors import BuildError
from stages.config.paths import Paths, must_exist
from stages.quality.facts import (
    REQUESTS,
    ROWS,
    TURNS,
    CountTokens,
    RowFacts,
    Steps,
    hashed,
    row_facts,
    start_of,
)
from stages.rows.parquet import read_tables, schema_of
from stages.rows.quarantine import LEFT_OUT, quarantine_path
from stages.rows.row import SCHEMA


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is known about a dataset; texts are hashes, so the frames stay small."""

    rows: pl.DataFrame
    """`ROWS`, and `missing_reply`, `other_reply`, `other_start`, `repeated_query`, `too_long`"""
    turns: pl.DataFrame
    requests: pl.DataFrame
    """`REQUESTS`, and `attempt`, `outcome` of the reply (null where there is none)"""
    accounts: pl.DataFrame
    """every row upstream: `id`, `ended` (`kept`, `left out`, `quarantined`, `lost`, `counted
    twice`, `made up`), `reason` (of the quarantine), `unaccounted`, `quarantined`, `cut`"""


def columns(path: Path) -> pl.DataFrame:
    """Every column of a row or of the file: `id` (its name), `other_column`, `null_cells`."""
    must_exist(path)
    try:
        schema = pq.read_schema(path)
    except pa.ArrowInvalid as error:
        raise BuildError(f"{path}: not a Parquet file ({error}). Build it again.") from error
    expected = {field.name: (at, field.type) for at, field in enumerate(schema_of(path))}
    found = {field.name: (at, field.type) for at, field in enumerate(schema)}
    nulls = pl.scan_parquet(path).select(pl.all().null_count()).collect().row(0, named=True)
    return pl.DataFrame(
        {
            "id": name,
            # Types are compared, not their names: Parquet renames the items of a list.
            "other_column": found.get(name) != expected.get(name),
            "null_cells": nulls.get(name, 0) > 0,
        }
        for name in dict.fromkeys([*expected, *found])
    )


def gather(
    paths: Paths, chain: Sequence[str], steps: Steps, count_tokens: CountTokens, max_length: int
) -> Facts:
    """The facts about the last table of `chain`, which starts with its source.

    `steps` is what its rows have been through. A row of more than `max_length` tokens is too long.
    Each file is read once, in batches. Raises BuildError when one is not there.
    """
    own = _read_rows(paths.table(chain[-1]), steps, count_tokens)
    replies = _read_replies(paths, chain)
    requests = own.requests.join(
        replies.select("key", "attempt", "outcome"), on="key", how="left", maintain_order="left"
    )
    source = _read_source(paths, chain[0])
    accounts = _accounts(own.rows, source, _read_quarantine(paths, chain), requests)
    missing = requests.filter(pl.col("outcome").is_null())["row"]
    answers = replies.select("reply", answer="key", is_answer=pl.col("outcome") == "answered")
    rows = (
        own.rows.join(answers, on="answer", how="left", maintain_order="left")
        .join(source, on="id", how="left", suffix="_source", maintain_order="left")
        .select(
            *ROWS,
            missing_reply=hashed("id").is_in(missing.implode()) | pl.col("unanswered"),
            # Where there is no reply or no such row in the source, another rule says so.
            other_reply=((pl.col("reply") != pl.col("output")) | ~pl.col("is_answer")).fill_null(
                False
            ),
            other_start=(pl.col("start_source") != pl.col("start")).fill_null(False),
            repeated_query=pl.col("query").is_duplicated(),
            too_long=pl.col("tokens") > max_length,
        )
    )
    return Facts(rows, own.turns, requests, accounts)


def _read_rows(table: Path, steps: Steps, count_tokens: CountTokens) -> RowFacts:
    batches = [
        row_facts(batch.to_pylist(), steps, count_tokens)
        # Of a picture only its name, and that only where there are pictures.
        for batch in read_tables(table, columns=[*SCHEMA.names, "image.path"])
    ]
    return RowFacts(
        pl.concat([pl.DataFrame(schema=ROWS), *(batch.rows for batch in batches)]),
        pl.concat([pl.DataFrame(schema=TURNS), *(batch.turns for batch in batches)]),
        pl.concat([pl.DataFrame(schema=REQUESTS), *(batch.requests for batch in batches)]),
    )


def _read_replies(paths: Paths, chain: Sequence[str]) -> pl.DataFrame:
    """`attempt`, `outcome` and the hashes `key` and `reply` of the replies beside the tables."""
    columns = (
        hashed("key"),
        pl.col("attempt"),
        pl.col("outcome").cast(pl.Categorical),
        hashed("reply"),
    )
    replies = [_read(paths.ledger_export(reference), *columns) for reference in chain[1:]]
    return pl.concat(replies).unique("key", maintain_order=True)


def _read_source(paths: Paths, source: str) -> pl.DataFrame:
    """`id` and the hash `start` of every row of the source."""
    start = pl.concat_str("instruction", "input", separator=start_of("", ""))
    return _read(paths.table(source), pl.col("id"), start.str.strip_chars().hash().alias("start"))


def _read_quarantine(paths: Paths, chain: Sequence[str]) -> pl.DataFrame:
    """`table`, `id` and `reason` of everything that was quarantined on the way."""
    return pl.concat(
        _read(quarantine_path(paths.table(reference)), pl.col("id"), pl.col("reason")).with_columns(
            table=pl.lit(reference)
        )
        for reference in chain
    )


def _read(path: Path, *columns: pl.Expr) -> pl.DataFrame:
    """Columns of a file; computed while reading, so that no file is in memory whole."""
    return pl.scan_parquet(must_exist(path)).select(*columns).collect(engine="streaming")


def _accounts(
    rows: pl.DataFrame, source: pl.DataFrame, quarantine: pl.DataFrame, requests: pl.DataFrame
) -> pl.DataFrame:
    """One row for each row upstream. What the source itself took out is none of the source."""
    upstream = quarantine.filter(pl.col("table").str.starts_with("sources/"))
    later = quarantine.filter(~pl.col("table").str.starts_with("sources/"))
    # A row that is one of several made from one has the id of that one, and more behind a #.
    original = pl.col("id").str.replace("#.*", "")
    rows, later = rows.with_columns(original), later.with_columns(original)
    known = pl.concat([source["id"], rows["id"], later["id"]]).unique().sort()
    cut = requests.filter((pl.col("step") == "respond") & (pl.col("outcome") == "truncated"))["row"]
    in_source, kept, out = (
        pl.col("id").is_in(ids.implode()) for ids in (source["id"], rows["id"], later["id"])
    )
    taken_out = (
        pl.when(pl.col("reason").str.starts_with(LEFT_OUT))
        .then(pl.lit("left out"))
        .otherwise(pl.lit("quarantined"))
    )
    ended = (
        pl.when(~in_source).then(pl.lit("made up"))
        .when(kept & out).then(pl.lit("counted twice"))
        .when(kept).then(pl.lit("kept"))
        .when(out).then(taken_out)
        .otherwise(pl.lit("lost"))
        .alias("ended")
    )  # fmt: skip
    accounts = (
        pl.DataFrame({"id": known})
        .join(later.unique("id").select("id", "reason"), on="id", how="left", maintain_order="left")
        .select("id", ended, "reason")
    )
    return pl.concat(
        [accounts, upstream.select("id", taken_out.alias("ended"), "reason")]
    ).with_columns(
        pl.col("reason").fill_null(""),
        unaccounted=~pl.col("ended").is_in(["kept", "left out", "quarantined"]),
        quarantined=pl.col("ended") == "quarantined",
        cut=hashed("id").is_in(cut.implode())
        | pl.col("reason").fill_null("").str.contains("truncated"),
    )
