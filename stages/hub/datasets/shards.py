"""The Parquet files of a release: shards of rows, and one ledger out of several exports."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stages.config.errors import BuildError
from stages.rows.parquet import ParquetWriter, read_tables, schema_of
from stages.rows.row import SCHEMA

# Rows of 1 to 2 kB, compressed, make shards of 100 to 200 MB: small enough to be sent again after
# a broken connection, and all datasets of the paper (52,000 to 100,000 rows) stay in one file.
SHARD_ROWS = 100_000
# With pictures, of which a row group holds 8 MiB, that is up to 512 MiB: 26 shards for the 13 GB of
# COCO's photos.
SHARD_GROUPS = 64


def even_shards(rows: int) -> list[int]:
    """How many rows each shard has: `SHARD_ROWS`, the last one what is left."""
    full, rest = divmod(rows, SHARD_ROWS)
    return [*[SHARD_ROWS] * full, *([rest] if rest or not full else [])]


def shards_of(table: Path) -> list[int]:
    """How many rows of a table each shard has; with pictures also no more than `SHARD_GROUPS` of
    its row groups, which end by what the pictures take, whatever wrote them.
    """
    footer = pq.read_metadata(table)
    if schema_of(table) == SCHEMA:
        return even_shards(footer.num_rows)
    shards: list[int] = []
    groups = SHARD_GROUPS
    for group in range(footer.num_row_groups):
        rows = footer.row_group(group).num_rows
        if groups == SHARD_GROUPS or shards[-1] + rows > SHARD_ROWS:
            shards.append(0)
            groups = 0
        shards[-1] += rows
        groups += 1
    return shards


def write_shards(
    stem: Path, schema: pa.Schema, key: str, records: Iterable[dict], sizes: Sequence[int]
) -> list[Path]:
    """Write records, sorted by `key`, to STEM-00000-of-0000N.parquet, so many to each shard.

    Returns the paths. Raises BuildError when more records come.
    """
    stream = iter(records)
    count = len(sizes)
    paths = [
        stem.with_name(f"{stem.name}-{index:05d}-of-{count:05d}.parquet") for index in range(count)
    ]
    for path, size in zip(paths, sizes, strict=True):
        with ParquetWriter(path, schema, key) as writer:
            writer.write(islice(stream, size))
    # The stream's end is where it checks itself.
    if (left := next(stream, None)) is not None:
        raise BuildError(
            f"{stem}: more than {sum(sizes):,} records came, the next is '{left[key]}'."
        )
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
