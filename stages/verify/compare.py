"""Holds the files of a release against those that were made again: bytes, content, rows."""

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from stages.config.errors import BuildError
from stages.hub.datasets.shards import records_of
from stages.hub.pull.untrusted import shown
from stages.rows.logical import logical_hash
from stages.rows.parquet import file_hash

Level = Literal["bytes", "content", "neither"]
_MOST = 3  # keys that are named


@dataclass(frozen=True, slots=True)
class Files:
    """The same table twice, each in files that follow one another."""

    released: Sequence[Path]
    made: Sequence[Path]

    @property
    def same(self) -> Level:
        """What is the same. Raises BuildError when a file cannot be read."""
        names = [[path.name for path in paths] for paths in (self.released, self.made)]
        if names[0] != names[1]:
            return "neither"
        pairs = list(zip(self.released, self.made, strict=True))
        if all(file_hash(one) == file_hash(other) for one, other in pairs):
            return "bytes"
        if all(_content(one) == _content(other) for one, other in pairs):
            return "content"
        return "neither"


@dataclass(slots=True)
class Parted:
    """How two tables, sorted by one key, differ in the values that they hold."""

    released_only: int = 0
    made_only: int = 0
    columns: Counter[str] = field(default_factory=Counter)
    """column -> keys at which it differs"""
    first: list[str] = field(default_factory=list)
    """the first keys at which anything does"""

    def __bool__(self) -> bool:
        return bool(self.first)


def part(files: Files, key: str) -> Parted:
    """Compare value by value. Raises BuildError when a file cannot be read."""
    found = Parted()
    sides = [_keyed(paths, key, at) for at, paths in enumerate((files.released, files.made))]
    merged = heapq.merge(*sides, key=lambda one: one[:2])
    for value, group in groupby(merged, key=lambda one: one[0]):
        both: tuple[list[dict], list[dict]] = ([], [])
        for _, side, record in group:
            both[side].append(record)
        pairs = list(zip(*both, strict=False))
        names = {name for pair in pairs for name in _unequal(*pair)}
        found.columns.update(names)
        found.released_only += len(both[0]) - len(pairs)
        found.made_only += len(both[1]) - len(pairs)
        if (names or len(both[0]) != len(both[1])) and len(found.first) < _MOST:
            found.first.append(value)
    return found


def _unequal(one: dict, other: dict) -> Iterator[str]:
    return (name for name in {**one, **other} if one.get(name) != other.get(name))


def schema_in(files: Sequence[Path]) -> list[tuple[str, str]]:
    """The columns and their types. Raises BuildError when a file cannot be read."""
    return list(dict.fromkeys(pair for path in files for pair in _columns(path)))


def _columns(path: Path) -> list[tuple[str, str]]:
    try:
        return [(field.name, str(field.type)) for field in pq.read_schema(path)]
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, error) from None


def writer_of(path: Path) -> str:
    """What wrote a Parquet file that can be read, and how it is compressed, by its footer."""
    footer = pq.read_metadata(path)
    groups = range(footer.num_row_groups)
    kinds = {footer.row_group(one).column(0).compression for one in groups}
    rows = footer.row_group(0).num_rows if groups else 0
    return f"{shown(footer.created_by)}, {' and '.join(sorted(kinds))}, row groups of {rows:,}"


def unreadable(path: Path, error: Exception) -> BuildError:
    """The error to raise for a file that has the listed hash, and is no Parquet for all that."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return BuildError(
        f"{path}: not a readable Parquet file ({reason}), though it has the hash that the manifest "
        "lists: it was released like this."
    )


def _content(path: Path) -> str:
    try:
        return logical_hash(path)
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, error) from None


def _keyed(paths: Sequence[Path], key: str, side: int) -> Iterator[tuple[str, int, dict]]:
    """The records of some files, each with its key and its side."""
    for path in paths:
        try:
            for record in records_of(path):
                yield str(record.get(key)), side, record
        except (pa.ArrowException, OSError) as error:
            raise unreadable(path, error) from None
