"""The ledger's other face: the replies that a table uses, as Parquet, out and in again."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import orjson
import pyarrow as pa

from stages.config.errors import BuildError
from stages.llm.ledger import Ledger, Record
from stages.llm.request import Completion, ModelId, Outcome, SamplingParams, encode_request
from stages.rows.parquet import ParquetWriter, read_tables

EXPORT = pa.schema(
    [
        ("key", pa.string()),
        ("model", pa.string()),
        ("revision", pa.string()),
        ("context", pa.string()),
        ("prompt", pa.string()),
        ("reference", pa.string()),
        ("sampling", pa.string()),
        ("attempt", pa.int32()),
        ("reply", pa.string()),
        ("outcome", pa.string()),
        ("prompt_tokens", pa.int32()),
        ("completion_tokens", pa.int32()),
        ("engine", pa.string()),
        ("detail", pa.string()),
        ("schema", pa.string()),
        ("images", pa.list_(pa.string())),
    ]
)
_CONTINUATION = "continuation"
EXPORT_OF_LIKELIHOODS = EXPORT.append(pa.field(_CONTINUATION, pa.string()))
"""of a ledger that holds requests for likelihoods too; generation never makes one"""


def export_ledger(ledger: Ledger, keys: Iterable[str], path: Path) -> int:
    """Write the records of `keys` to Parquet, sorted by key; returns how many there are."""
    wanted = list(keys)
    rows, likelihoods = _export(ledger, wanted, path, EXPORT)
    if likelihoods:  # only now known, and rare: those of evaluations
        rows, _ = _export(ledger, wanted, path, EXPORT_OF_LIKELIHOODS)
    return rows


def _export(ledger: Ledger, keys: Sequence[str], path: Path, schema: pa.Schema) -> tuple[int, int]:
    """Write the columns of `schema`; (records, those of them that ask for a likelihood)."""
    contexts: dict[str, str] = {}
    likelihoods = 0

    def count(columns: dict[str, Any]) -> dict[str, Any]:
        nonlocal likelihoods
        likelihoods += bool(columns[_CONTINUATION])
        return columns

    with ParquetWriter(path, schema, key="key") as out:
        out.write(count(_to_columns(record, ledger, contexts)) for record in ledger.records(keys))
    return out.rows, likelihoods


def _to_columns(record: Record, ledger: Ledger, contexts: dict[str, str]) -> dict[str, Any]:
    request = orjson.loads(record.request)
    if (hash := request["context"]) not in contexts:
        contexts[hash] = ledger.context(hash)
    completion = record.completion
    return {
        "key": record.key,
        "model": request["model"],
        "revision": request["revision"],
        "context": contexts[hash],
        "prompt": request["prompt"],
        "reference": request["reference"],
        "sampling": orjson.dumps(request["sampling"]).decode(),
        "attempt": request["attempt"],
        "reply": completion.text,
        "outcome": completion.outcome,
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
        "engine": completion.engine,
        "detail": completion.detail,
        "schema": request["schema"],
        "images": request["images"],
        _CONTINUATION: request.get(_CONTINUATION, ""),
    }


def import_ledger(path: Path, ledger: Ledger) -> tuple[int, int]:
    """Take the records of an exported ledger in; gives (records read, records that were new).

    Nothing in the file is believed: a record whose request does not hash to its key is refused,
    with the whole file, since its replies would be served as the answers to other questions.
    Raises BuildError.
    """
    read = new = 0
    for batch in _batches(path):
        if missing := [name for name in EXPORT.names if name not in batch.schema.names]:
            raise BuildError(
                f"{path}: not an exported ledger: it has no column {', '.join(missing)}."
            )
        records, contexts = [], {}
        for row, columns in enumerate(batch.to_pylist(), start=read):
            record, context = _from_columns(columns, path, row)
            records.append(record)
            contexts[hashlib.sha256(context).hexdigest()] = context
        read += len(records)
        new += ledger.adopt(records, contexts)
    return read, new


def model_in(path: Path) -> ModelId:
    """The model whose replies an exported ledger holds. Raises BuildError unless it is one."""
    found = {
        (row["model"], row["revision"])
        for batch in read_tables(path, columns=["model", "revision"])
        for row in batch.to_pylist()
    }
    if len(found) != 1:
        raise BuildError(
            f"{path}: holds the replies of {len(found)} models, expected those of one."
        )
    return ModelId(*found.pop())


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    try:
        yield from read_tables(path)
    except (OSError, pa.ArrowException) as error:  # a broken page is an OSError
        reason = str(error).splitlines()[0]
        raise BuildError(f"{path}: not a readable Parquet file ({reason}).") from error


def _from_columns(columns: dict[str, Any], path: Path, row: int) -> tuple[Record, bytes]:
    try:
        context = columns["context"].encode()
        request = encode_request(
            model=columns["model"],
            revision=columns["revision"],
            context=hashlib.sha256(context).hexdigest(),
            prompt=columns["prompt"],
            images=columns["images"],
            reference=columns["reference"],
            schema=columns["schema"],
            sampling=SamplingParams(**orjson.loads(columns["sampling"])),
            attempt=columns["attempt"],
            continuation=columns.get(_CONTINUATION) or "",
        )
        completion = Completion(
            columns["reply"],
            columns["outcome"],
            columns["prompt_tokens"],
            columns["completion_tokens"],
            columns["engine"],
            columns["detail"],
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise BuildError(f"{path}: record {row:,} is not a ledger's: {error}.") from error
    if hashlib.sha256(request).hexdigest() != columns["key"]:
        raise BuildError(
            f"{path}: record {row:,} does not belong to its key {str(columns['key'])[:16]}...: the "
            "file was changed, or written by another version of Seqsmith. Nothing of it that was "
            "not imported before this record will be; get a fresh copy."
        )
    if completion.outcome not in get_args(Outcome):
        raise BuildError(f"{path}: record {row:,} has the unknown outcome {completion.outcome!r}.")
    return Record(columns["key"], request, completion), context
