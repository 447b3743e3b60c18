"""The parts of a manifest: files with their hashes, and facts about what a release is made of."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from stages.hub.address import Address
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
    gives: str
    """what of the release comes from it: `rows`, `captions`, `translations`, ..."""
    licence: str
    origins: list[Origin]
    rows_read: int
    """rows that came in from upstream: kept, left out of the sample, and quarantined"""
    rows_kept: int
    rows_sampled_out: int
    rows_quarantined: int
    rows_released: int
    """rows of this release that come from it"""
    changes: dict[str, int]
    """what `fetch` changed in rows that it kept, such as `turns_dropped`, and how often"""


class Table(Facts):
    """One table that the release was made from, directly or not, or its last one."""

    name: str
    made_by: str
    """the verb; `fetch` for what comes from outside"""
    settings: dict[str, Any]
    """its entry in params.yaml"""
    parents: list[str]
    """the tables that it was made from; its rows are those of the first"""
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


class PromptFile(Facts):
    """A file under stages/prompts that requests of the ledger were made with."""

    name: str
    """such as `seq_instruct/classify`"""
    sha256: str
    replies: int


class Engine(Facts):
    """How a model was run, as the ledger says."""

    facts: dict[str, Any]
    replies: int


class Outcome(Facts):
    """How many of the released rows met with this in a step."""

    table: str
    """that the step made"""
    step: str
    """the verb"""
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
    dataset_address: Address | None
    """where the dataset is released; None where it is not"""
    chained: int
    """rows that ask for two or more tasks"""
    languages: dict[str, int]
    """of the rows"""
    settings: dict[str, Any]
    """the recipe: learning rate, epochs, batch, template, seed, ..."""
    counts: dict[str, Any]
    """what training counted: rows, rows cut, tokens, steps, ..."""
    versions: dict[str, str]
    """of the libraries that trained it"""


class Score(Facts):
    """A mean over the items of a benchmark, with its 95 % interval."""

    metric: str
    value: float
    low: float
    high: float
    items: int


class Scored(Facts):
    """What a model scored on a benchmark."""

    benchmark: str
    origins: list[Origin]
    """where its items come from"""
    shots: int
    """solved examples before each question"""
    judge: str
    """the model that judged the answers; empty where none did"""
    scores: list[Score]
    """those that stand for the benchmark; none where it was not run"""


class Difference(Facts):
    """How much better a model did than another on the same items, in the main metric."""

    benchmark: str
    metric: str
    value: float
    low: float
    high: float
    items: int
    p: float


class Comparison(Facts):
    """A model held against another, item by item."""

    name: str
    model: str
    against: str
    differences: list[Difference]


class Example(Facts):
    """A row that the model learned from, and how it is put to the model."""

    id: str
    messages: list[dict[str, str]]
    rendered: str
    """as the chat template shows it; where there is none, the query as it is"""


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
