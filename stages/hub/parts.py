"""The parts of a manifest: files with their hashes, and facts about what a release is made of."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from stages.rows.logical import logical_hash
from stages.rows.parquet import ROW_GROUP, file_hash, read_tables


class Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class File(Facts):
    """One file of the release; `path` is relative to the release."""

    path: str
    sha256: str
    bytes: int


class ParquetFile(File):
    rows: int
    logical_sha256: str
    """hash of the schema and the values; another writer changes `sha256`, but not this"""
    arrow_bytes: int
    """size in memory, which the Hub calls `num_bytes`"""


class Licence(Facts):
    """The terms of one thing that the release is made of."""

    of: str
    """such as `source alpaca`, `generator world`, `base model meta-llama/Meta-Llama-3-8B`"""
    licence: str


class Origin(Facts):
    """Where rows of a source come from, as the rows themselves say."""

    kind: str
    """`world`, `hub`, or `file` for a file of the user's own"""
    repo: str
    revision: str


class Source(Facts):
    name: str
    licence: str
    origins: list[Origin]
    rows_read: int
    """rows that came in from upstream: kept, left out of the sample, and quarantined"""
    rows_kept: int
    rows_sampled_out: int
    rows_quarantined: int
    rows_released: int
    """rows of this release that come from it"""


class Table(Facts):
    """One table on the way from the source to the release."""

    name: str
    rows: int
    quarantined: dict[str, int]
    """rows taken out here, by reason"""
    replies: int
    """replies of the generator that the table was made with"""


class Model(Facts):
    """A model as the ledger names it."""

    name: str
    revision: str
    sampling: dict[str, Any]
    replies: int


class Engine(Facts):
    """How a model was run, as the ledger says."""

    facts: dict[str, Any]
    replies: int


class Outcome(Facts):
    """How many of the released rows met with this in an iteration."""

    iteration: int
    option: str
    outcome: str
    rows: int


class Check(Facts):
    """One check of the audit."""

    name: str
    what: str
    """the rule, one sentence"""
    severity: str
    """`error` or `warning`"""
    success: bool
    observed: str
    expected: str
    failing_rows: int


class Trained(Facts):
    """What a model was fine-tuned from and on, as its training wrote down."""

    base: str
    base_revision: str
    dataset: str
    dataset_sha256: str
    dataset_logical_sha256: str
    settings: dict[str, Any]
    """the recipe: learning rate, epochs, batch, template, seed, ..."""
    counts: dict[str, Any]
    """what training counted: rows, rows cut, tokens, steps, ..."""
    versions: dict[str, str]
    """of the libraries that trained it"""


def describe(folder: Path, path: Path) -> File:
    """A file of the release in `folder`."""
    return File(
        path=path.relative_to(folder).as_posix(),
        sha256=file_hash(path),
        bytes=path.stat().st_size,
    )


def describe_parquet(folder: Path, path: Path) -> ParquetFile:
    """A Parquet file of the release in `folder`."""
    return ParquetFile(
        **describe(folder, path).model_dump(),
        rows=pq.read_metadata(path).num_rows,
        logical_sha256=logical_hash(path),
        arrow_bytes=sum(batch.nbytes for batch in read_tables(path, ROW_GROUP)),
    )
