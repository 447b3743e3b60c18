"""The logical hash: what a Parquet file says, whatever wrote it.

It depends on the column names, their types and the values alone. Encoding, compression, row groups,
dictionaries, 32 or 64 bit offsets and the version of PyArrow cannot change it. Values are hashed a
column at a time, from Arrow's buffers: 50,000 rows of 4.5 kB take about half a second.
"""

import hashlib
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stages.config.errors import BuildError

# Part of every hash: raise it when what is hashed below changes.
_VERSION = 1
_BATCH = 5_000  # rows in memory at once; the hash does not depend on it

# A column's place, such as ("history", "[]", "option"), and what is hashed of it: which values are
# there, how long they are, what they are. Each is a stream of its own, so that the bytes of a
# column are the same wherever a batch or a row group ends.
Streams = defaultdict[tuple[tuple[str, ...], str], Any]


def logical_hash(path: Path) -> str:
    """SHA-256, hexadecimal, of the schema and the values of a Parquet file.

    Raises BuildError for a column type that it does not know.
    """
    streams: Streams = defaultdict(hashlib.sha256)
    # With pre_buffer PyArrow keeps what it has read: a file of 416 MB took 700 MB, not 360.
    with pq.ParquetFile(path, pre_buffer=False) as file:
        schema = [[field.name, _kind(field.type, path)] for field in file.schema_arrow]
        # A row group at a time: one of photos has 8 MB, 5,000 rows of them 800.
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(batch_size=_BATCH, row_groups=[group]):
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    _add(streams, (name,), column)
    values = [[*place, aspect, stream.hexdigest()] for (place, aspect), stream in streams.items()]
    return hashlib.sha256(orjson.dumps([_VERSION, schema, sorted(values)])).hexdigest()


def _kind(kind: pa.DataType, path: Path) -> Any:
    """The type as JSON, the same for all of Arrow's layouts of it."""
    if pa.types.is_dictionary(kind):
        return _kind(kind.value_type, path)
    if _is_text(kind):
        return "string"
    if _is_bytes(kind):
        return "binary"
    if _is_list(kind):
        return ["list", _kind(kind.value_type, path)]
    if pa.types.is_struct(kind):
        return ["struct", [[field.name, _kind(field.type, path)] for field in kind]]
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return str(kind)
    raise BuildError(
        f"{path}: a column has the type '{kind}', which cannot be hashed by content. "
        "Published columns are text, bytes, numbers, and lists and structs of them."
    )


def _add(streams: Streams, place: tuple[str, ...], array: pa.Array) -> None:
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    streams[place, "present"].update(_numbers(array.is_valid().cast(pa.uint8())))
    present = array.drop_null() if array.null_count else array
    if _is_text(array.type) or _is_bytes(array.type):
        plain = present.cast(pa.large_binary())
        streams[place, "length"].update(_numbers(pc.binary_length(plain)))
        streams[place, "value"].update(_contents(plain))
    elif _is_list(array.type):
        streams[place, "length"].update(_numbers(pc.list_value_length(present).cast(pa.int64())))
        _add(streams, (*place, "[]"), present.flatten())
    elif pa.types.is_struct(array.type):
        for field, child in zip(array.type, present.flatten(), strict=True):
            _add(streams, (*place, field.name), child)
    elif pa.types.is_boolean(array.type):
        streams[place, "value"].update(_numbers(present.cast(pa.uint8())))
    else:
        streams[place, "value"].update(_numbers(present))


def _numbers(array: pa.Array) -> bytes:
    """Numbers, none of them null, as little-endian bytes."""
    values = array.to_numpy(zero_copy_only=False)
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


def _contents(array: pa.LargeBinaryArray) -> memoryview:
    """The bytes of all values, none of them null, one after the other."""
    _, offsets, data = array.buffers()
    if data is None:
        return memoryview(b"")
    ends = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    return memoryview(data)[ends[0] : ends[-1]]


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    )


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )
