"""The Parquet files of a release: shards of rows, and one ledger out of several exports."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stages.config.errors import BuildError
from stages.rows.parquet import ParquetWriter, read_tables

# Rows of 1 to 2 kB, compressed, make shards of 100 to 200 MB: small enough to be sent again after
# a broken connection, and all datasets of the paper (52,000 to 100,000 rows) stay in one file.
SHARD_ROWS = 100_000


def write_shards(
    stem: Path, schema: pa.Schema, key: str, records: Iterable[dict], rows: int
) -> list[Path]:
    """Write `rows` records, sorted by `key`, to STEM-00000-of-0000N.parquet; returns the paths."""
    stream = iter(records)
    count = max(1, -(-rows // SHARD_ROWS))
    paths = [
        stem.with_name(f"{stem.name}-{index:05d}-of-{count:05d}.parquet") for index in range(count)
    ]
    for path in paths:
        with ParquetWriter(path, schema, key) as writer:
            writer.write(islice(stream, SHARD_ROWS))
    # The stream's end is where it checks itself.
    if (left := next(stream, None)) is not None:
        raise BuildError(f"{stem}: more than {rows:,} records came, the next is '{left[key]}'.")
    return paths


def records_of(path: Path) -> Iterator[dict]:
    """The records of a Parquet file, in order and in bounded memory."""
    for batch in read_tables(path):
        yield from batch.to_pylist()


def merge_ledgers(exports: Sequence[Path]) -> Iterator[dict]:
    """The records of several exported ledgers, by key, each key once.

    Raises BuildError when two exports hold different replies to one request: a table made with the
    one cannot be rebuilt from the other.
    """
    last: dict = {}
    for record in heapq.merge(*map(records_of, exports), key=itemgetter("key")):
        if record["key"] != last.get("key"):
            yield record
        elif record != last:
            raise BuildError(
                f"Two replies to request {record['key']} are in {', '.join(map(str, exports))}: "
                "one table was made before the other reply came. Build them again: "
                "dvc repro --force."
            )
        last = record


def count_keys(exports: Sequence[Path]) -> int:
    """How many different keys the exports hold together."""
    keys = heapq.merge(*map(_keys, exports))
    count, last = 0, ""
    for key in keys:
        count += key != last
        last = key
    return count


def _keys(path: Path) -> Iterator[str]:
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(columns=["key"]):
            yield from batch.column("key").to_pylist()
