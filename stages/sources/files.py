"""Local files as upstreams: .json, .jsonl, .parquet, .csv and .tsv."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stages.config.errors import BuildError
from stages.rows.parquet import BATCH, file_hash
from stages.sources.pictures import ROWS_AT_ONCE
from stages.sources.shape import Refusal, Shape, shown
from stages.sources.upstream import Upstream

# csv.reader refuses longer fields, by default from 131,072; 2**31 - 1 is what every platform takes.
_LONGEST_CSV_FIELD = 2**31 - 1
# What a release and a pulled one have. Their own modules would take 0.07 s to import.
_OF_A_RELEASE = ("manifest.json", "pulled.json")


def find_file(path: Path, source: str, shape: Shape) -> Path | None:
    """The file that `sources.<source>.path` means; None when it is a folder without one.

    In a folder that is the file named after the source, whatever its case. Raises BuildError when
    there is nothing at `path`, two files have the name, or the suffix is none of `READERS`.
    """
    setting = f"params.yaml: 'sources.{source}.path'"
    if path.is_dir():
        named = sorted(
            file
            for file in path.iterdir()
            if file.name.lower().partition(".")[0] == source and not file.is_dir()
        )
        if len(named) > 1:
            raise BuildError(
                f"{path}: {' and '.join(file.name for file in named)} are all named after source "
                f"'{source}'. Keep one of them there, or name one in {setting}."
            )
        if not named:
            return None
        path = named[0]
    elif not path.is_file():
        raise BuildError(
            f"{setting} is '{path}', but there is no such file or folder. Give a file in the "
            f"columns {', '.join(shape.needs())}, or a folder without one to use the profile's "
            "origin."
        )
    if path.suffix.lower() not in READERS:
        raise BuildError(
            f"{path}: the suffix '{path.suffix}' is not known. Convert the file to one of "
            f"{', '.join(READERS)}; compressed files must be unpacked first."
        )
    return path


def find_release(path: Path, source: str) -> Path | None:
    """The release that `sources.<source>.path` means: the folder itself, or the one in it that is
    named after the source; None when neither is one.
    """
    for folder in (path, path / source):
        if any((folder / name).is_file() for name in _OF_A_RELEASE):
            return folder
    return None


def open_file(path: Path, shape: Shape) -> Upstream:
    """A file as an upstream. Only .json is held in memory whole; the others stream.

    A .tsv file without a header has the shape that `shape.bare` says.

    Raises BuildError when the file cannot be opened; the records raise it where the file is
    broken, with line and column, or byte offset.
    """
    suffix = path.suffix.lower()
    try:
        unread = _parquet_columns(path, shape) if suffix == ".parquet" else ()
        reader = READERS[suffix]
        if suffix == ".tsv" and shape.bare and _is_bare(path, shape, shape.bare):
            shape, reader = shape.bare, _read_bare
        return Upstream(path.name, file_hash(path), _read(path, reader, shape), shape, unread)
    except OSError as error:
        raise _unreadable(path, error) from error


Reader = Callable[[Path, Shape], Iterator[object]]


def _read(path: Path, reader: Reader, shape: Shape) -> Iterator[object]:
    try:
        yield from reader(path, shape)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> BuildError:
    return BuildError(
        f"{path}: cannot be read ({error.strerror or error}). Make sure that the file is whole and "
        "that you may read it."
    )


def read_json(path: Path) -> object:
    """The value of a .json file. Raises BuildError, with the place where the file is broken."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    return _parse(path, _decode(path, raw, 1, 0).removeprefix("\ufeff"), 1)


def _read_json(path: Path, shape: Shape) -> Iterator[object]:
    records = read_json(path)
    if not isinstance(records, list):
        example = ", ".join(f'"{column}": ...' for column in shape.needs())
        raise BuildError(
            f"{path}: found {type(records).__name__} at the top, expected an array of objects: "
            f"[{{{example}}}, ...]."
        )
    yield from records


def _read_jsonl(path: Path, shape: Shape) -> Iterator[object]:
    for number, line in _lines(path):
        if line.strip():
            yield _parse(path, line.rstrip("\r\n"), number)


def _parse(path: Path, text: str, line: int) -> object:
    """The JSON value of `text`, which starts at line `line` of the file."""
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        where = f"{path}, line {line + error.lineno - 1}, column {error.colno}"
        hint = (
            "If each line is an object of its own, name the file .jsonl."
            if path.suffix.lower() == ".json"
            else "Each line must be one whole object; an array of objects belongs in a .json file."
        )
        raise BuildError(f"{where}: not valid JSON: {error.msg}. {hint}") from None
    except RecursionError:
        raise BuildError(f"{path}, line {line}: JSON nested too deeply to be read.") from None
    except ValueError as error:  # a number of more than 4,300 digits
        raise BuildError(f"{path}, line {line}: JSON that cannot be read: {error}.") from None


def _object(pairs: list[tuple[str, object]]) -> object:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    return Refusal("repeated-key", "a column is given twice, and only one could be kept", pairs)


def _read_csv(path: Path, shape: Shape) -> Iterator[object]:
    yield from _read_table(path, shape, ",", "commas")


def _read_tsv(path: Path, shape: Shape) -> Iterator[object]:
    bare = f"; without a header: {', '.join(shape.bare.needed)}" if shape.bare else ""
    yield from _read_table(path, shape, "\t", "tabs", bare)


def _read_table(
    path: Path, shape: Shape, separator: str, plural: str, hint: str = ""
) -> Iterator[object]:
    """The rows under a header; `hint` stands in the error for a header that will not do."""
    csv.field_size_limit(_LONGEST_CSV_FIELD)
    reader = csv.reader(_texts(path), delimiter=separator, strict=True)
    header: list[str] = []
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BuildError(
                f"{path}, the row that starts in line {line}: not valid CSV ({error}). Fields are "
                f"separated by {plural}; put fields with {plural}, quotes or line ends in "
                '"quotes", and double the quotes inside: ""like this"".'
            ) from None
        if not fields:
            continue
        if not header:
            header = fields
            shape.check(f"{path}, line {line} (separated by {plural}{hint})", header)
        elif len(fields) == len(header):
            yield dict(zip(header, fields, strict=True))
        else:
            detail = f"line {line} has {len(fields)} fields, the header has {len(header)}"
            yield Refusal("field-count", detail, fields)


def _is_bare(path: Path, shape: Shape, bare: Shape) -> bool:
    """Whether a .tsv file has no header: its first line names no column and has as many as `bare`.

    Where the profile maps columns there must be a header: nothing else could be mapped.
    """
    lines = (line.rstrip("\r\n").split("\t") for _, line in _lines(path) if line.strip())
    first = next(lines, [])
    known = {*shape.needed, *shape.optional, *bare.needed}
    is_header = bool(shape.renamed) or not known.isdisjoint(name.lower() for name in first)
    return not is_header and len(first) == len(bare.needed)


def _read_bare(path: Path, shape: Shape) -> Iterator[object]:
    """The rows of a file without a header: tabs separate, quotes mean nothing."""
    for number, line in _lines(path):
        if not line.strip():
            continue
        fields = line.rstrip("\r\n").split("\t")
        if len(fields) == len(shape.needed):
            yield dict(zip(shape.needed, fields, strict=True))
        else:
            detail = f"line {number} has {len(fields)} fields, expected {len(shape.needed)}"
            yield Refusal("field-count", detail, fields)


def _texts(path: Path) -> Iterator[str]:
    for _, line in _lines(path):
        yield line


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """(number from 1, text with its line end) of each line; only \\n ends a line."""
    offset = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            line = _decode(path, raw, number, offset)
            yield number, line.removeprefix("\ufeff") if number == 1 else line
            offset += len(raw)


def _decode(path: Path, raw: bytes, line: int, offset: int) -> str:
    """The text of bytes that start at `line` and `offset` of the file."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        at = error.start
        line += raw.count(b"\n", 0, at)
        raise BuildError(
            f"{path}, line {line}, byte {offset + at:,} of the file: 0x{raw[at]:02X} is not UTF-8. "
            "Save the file as UTF-8."
        ) from None


def read_columns(path: Path, columns: Sequence[str], size: int = BATCH) -> Iterator[dict[str, Any]]:
    """The rows of a .parquet file, these columns alone; a field of a struct is `struct.field`.

    `size`: rows in memory at once. Raises BuildError where a column is not there, or the file is
    broken.
    """
    schema = _schema(path)
    structs = [field for field in schema if pa.types.is_struct(field.type)]
    known = {*schema.names, *(f"{one.name}.{field.name}" for one in structs for field in one.type)}
    if missing := [column for column in columns if column not in known]:
        raise BuildError(
            f"{path}: has no column '{missing[0]}'. Found: {shown(', '.join(sorted(known)))}."
        )
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(batch_size=size, columns=list(columns)):
                yield from batch.to_pylist()
    except UnicodeDecodeError as error:
        raise BuildError(f"{path}: holds text that is not UTF-8: {error}.") from None
    except pa.ArrowException as error:
        raise _not_parquet(path, error) from None


def _schema(path: Path) -> pa.Schema:
    try:
        return pq.read_schema(path)
    except pa.ArrowException as error:
        raise _not_parquet(path, error) from None


def _parquet_columns(path: Path, shape: Shape) -> tuple[str, ...]:
    """The columns that are not read. Raises BuildError unless those that are read are there."""
    names = _schema(path).names
    shape.check(str(path), names)
    read = shape.reads(names).values()
    return tuple(name for name in names if name not in read)


def _read_parquet(path: Path, shape: Shape) -> Iterator[object]:
    columns = list(shape.reads(_schema(path).names).values())
    yield from read_columns(path, columns, ROWS_AT_ONCE if "image" in shape.needed else BATCH)


def _not_parquet(path: Path, error: Exception) -> BuildError:
    return BuildError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]}).")


READERS: dict[str, Reader] = {
    ".json": _read_json,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
    ".csv": _read_csv,
    ".tsv": _read_tsv,
}
