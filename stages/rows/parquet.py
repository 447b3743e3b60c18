"""The one deterministic Parquet writer, and readers in bounded memory.

The same rows give the same bytes on every run, thread count and batch size: rows sorted by a
unique key, row groups of a fixed size, one compression, no timestamps, no foreign metadata; where
there are pictures, the one line by which `datasets` tells them from other structs.
Only another version of PyArrow may change the bytes; the logical hash then stays the same.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from stages.config.errors import BuildError
from stages.config.paths import must_exist
from stages.rows.logical import logical_hash as logical_hash
from stages.rows.row import IMAGE, SCHEMA, SCHEMA_WITH_IMAGE, Row, from_record, to_record

ROW_GROUP = 5_000  # rows; about 10 MB of text in memory while writing
# Bytes of pictures after which a row group ends, however few its rows are: about 50 photos. For
# 2,000 rows with 160 kB each, writing takes 140 MB and reading 160; with 32 MiB it takes 400.
ROW_GROUP_PICTURES = 8 * 1024**2
BATCH = 1_000  # rows that a reader holds as Python objects

# With this `datasets` 5.2 reads the column as Image from a bare file too; it takes the types of the
# columns that are not named here from the file. Without it only the card says so.
_PICTURES = {"huggingface": '{"info": {"features": {"image": {"_type": "Image"}}}}'}

# Arrow's own allocator keeps what it has freed: 60 MB after 48,000 rows read in batches.
pa.set_memory_pool(pa.system_memory_pool())


class ParquetWriter:
    """Writes records in ascending order of `key` to `path`; the file appears whole or not at all.

    Use as a context manager. Raises BuildError when keys repeat or descend, when some records have
    a picture and others or the schema none, or when the folder cannot be written.
    """

    def __init__(self, path: Path, schema: pa.Schema, key: str = "id") -> None:
        self.path, self.schema, self.key = path, schema, key
        self.rows = 0
        self._buffer: list[dict] = []
        self._pictures = 0  # bytes of them in the buffer
        self._has_pictures = IMAGE.name in schema.names
        self._last = ""
        self._partial = path.with_name(f".{path.name}.partial")
        # One thread compresses a row group, a tenth of a stage's time, while the next one grows.
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._writing: Future[None] | None = None

    def __enter__(self) -> "ParquetWriter":
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(
                self._partial,
                self.schema,
                version="2.6",
                compression="zstd",
                compression_level=3,
                store_schema=False,
                write_statistics=True,
            )
            if self._has_pictures:
                self._writer.add_key_value_metadata(_PICTURES)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        return self

    def write(self, records: Iterable[dict]) -> None:
        """Add records; each key must be greater than the one before."""
        for record in records:
            if record[self.key] <= self._last:
                raise BuildError(
                    f"{self.path}: {self.key} '{record[self.key]}' comes after '{self._last}'; "
                    f"rows must be sorted by {self.key} and no {self.key} may occur twice."
                )
            self._last = record[self.key]
            self._buffer.append(record)
            self._pictures += self._picture_size(record)
            if len(self._buffer) == ROW_GROUP or self._pictures >= ROW_GROUP_PICTURES:
                self._flush()

    def _picture_size(self, record: dict) -> int:
        """Bytes of the record's picture. Raises BuildError where one would be lost, or lacks."""
        picture = record.get(IMAGE.name)
        if (picture is not None) != self._has_pictures:
            has, takes = ("no", "a") if self._has_pictures else ("a", "no")
            raise BuildError(
                f"{self.path}: '{record[self.key]}' has {has} picture, but each row of this table "
                f"has {takes} picture. Keep rows with and without pictures in two tables."
            )
        if picture is None:
            return 0
        if not picture["bytes"]:
            raise BuildError(
                f"{self.path}: the picture of '{record[self.key]}', {picture['path']}, is empty. "
                "This is a fault in the stage, please report it."
            )
        return len(picture["bytes"])

    def _flush(self) -> None:
        # By columns: from_pylist takes thrice as long for the 8 kB contexts of a ledger's export.
        columns = {name: [record[name] for record in self._buffer] for name in self.schema.names}
        table = pa.Table.from_pydict(columns, schema=self.schema)
        self.rows += len(self._buffer)
        self._buffer, self._pictures = [], 0
        self._wait()
        self._writing = self._thread.submit(self._writer.write_table, table, ROW_GROUP)

    def _wait(self) -> None:
        """Until the last row group is written."""
        try:
            if self._writing:
                self._writing.result()
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                if self._buffer:
                    self._flush()
                self._wait()
            self._thread.shutdown()
            self._writer.close()
            if kind is None:
                os.replace(self._partial, self.path)
        except OSError as failure:
            if kind is None:  # otherwise the error that is under way says more
                raise _unwritable(self.path, failure) from failure
        finally:
            self._partial.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> BuildError:
    return BuildError(
        f"{path}: cannot be written ({error.strerror or error}). "
        "Make the folder writable or free some space, then run the stage again."
    )


class RowWriter:
    """Writes rows, in ascending order of id, to one deterministic Parquet file.

    `schema` is `SCHEMA`, or `SCHEMA_WITH_IMAGE` for rows with pictures.
    """

    def __init__(self, path: Path, schema: pa.Schema = SCHEMA) -> None:
        self._writer = ParquetWriter(path, schema)

    def __enter__(self) -> "RowWriter":
        self._writer.__enter__()
        return self

    def write(self, rows: Iterable[Row]) -> None:
        """Add rows; each id must be greater than the one before."""
        self._writer.write(to_record(row) for row in rows)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, trace)


def write_records(path: Path, schema: pa.Schema, records: Iterable[dict], key: str = "id") -> None:
    """Write records of any schema, sorted here by `key`."""
    with ParquetWriter(path, schema, key) as writer:
        writer.write(sorted(records, key=lambda record: record[key]))


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file in order, `BATCH` of them in memory at a time."""
    for rows in read_batches(path):
        yield from rows


def read_batches(path: Path, size: int = BATCH) -> Iterator[list[Row]]:
    """The rows of a file in order, `size` at a time."""
    # `messages` says again what the other columns say, and is a third of the time of reading.
    columns = [name for name in SCHEMA_WITH_IMAGE.names if name != "messages"]
    for batch in read_tables(path, size, columns):
        yield [from_record(record) for record in batch.to_pylist()]


def read_tables(
    path: Path, size: int = BATCH, columns: list[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The record batches of a file in order, with all columns or with those named.

    No batch holds the pictures of two row groups. Raises BuildError when the file is not there.
    """
    with pq.ParquetFile(must_exist(path), pre_buffer=False) as file:
        has_pictures = IMAGE.name in file.schema_arrow.names and (
            columns is None or IMAGE.name in columns
        )
        groups = range(file.num_row_groups)
        for part in [[group] for group in groups] if has_pictures else [[*groups]]:
            yield from file.iter_batches(batch_size=size, row_groups=part, columns=columns)


def schema_of(path: Path) -> pa.Schema:
    """`SCHEMA_WITH_IMAGE` for a table of rows with pictures, else `SCHEMA`."""
    has_images = IMAGE.name in pq.read_schema(must_exist(path)).names
    return SCHEMA_WITH_IMAGE if has_images else SCHEMA


def count_rows(path: Path) -> int:
    """The number of rows, from the file's footer."""
    return pq.read_metadata(path).num_rows


def file_hash(path: Path) -> str:
    """SHA-256 of the bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
