"""Loads a published release as a reader does, with `datasets`, and compares it with the original.

`datasets` takes three seconds to import, so only publishing imports this module.
"""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import datasets
import pyarrow.parquet as pq
from httpx2 import HTTPError  # what huggingface_hub raises when the Hub cannot be reached

from stages.config.errors import BuildError
from stages.hub.manifest import DatasetManifest
from stages.hub.parts import ParquetFile

_BATCH = 10_000  # ids compared at once


def load_dataset_back(
    where: str, revision: str | None, release: Path, manifest: DatasetManifest
) -> None:
    """Load `where`, a folder or a repository on the Hub at `revision`, and compare.

    Raises BuildError unless it has the columns, the rows and the ids of the release, in order.
    """
    datasets.disable_progress_bars()
    for config, key, files in (
        ("default", "id", manifest.data),
        ("ledger", "key", manifest.ledger),
    ):
        if not files:  # no model was asked, so there is no ledger
            continue
        with TemporaryDirectory() as cache:
            try:
                loaded = datasets.load_dataset(
                    where, config, split="train", revision=revision, cache_dir=cache
                )
            except (datasets.exceptions.DatasetsError, HTTPError, OSError, ValueError) as error:
                raise BuildError(
                    f"{where}: `datasets` cannot load the configuration '{config}' of what was "
                    f"published ({type(error).__name__}: {str(error).splitlines()[0]})."
                ) from error
            _compare(f"{where}, configuration '{config}'", loaded, key, release, files)


def _compare(where: str, loaded: Any, key: str, release: Path, files: list[ParquetFile]) -> None:
    columns = pq.read_schema(release / files[0].path).names
    if loaded.column_names != columns:
        raise BuildError(f"{where}: has the columns {loaded.column_names}, not {columns}.")
    rows = sum(file.rows for file in files)
    if loaded.num_rows != rows:
        raise BuildError(f"{where}: has {loaded.num_rows:,} rows, not {rows:,}.")
    theirs = _ids(loaded.select_columns(key).with_format("arrow"), key)
    ours = (row for file in files for row in _column(release / file.path, key))
    for row, (found, expected) in enumerate(zip_longest(theirs, ours)):
        if found != expected:
            raise BuildError(f"{where}: row {row:,} is '{found}', not '{expected}'.")


def _ids(loaded: Any, key: str) -> Iterator[str]:
    for table in loaded.iter(_BATCH):
        yield from table.column(key).to_pylist()


def _column(path: Path, key: str) -> Iterator[str]:
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(_BATCH, columns=[key]):
            yield from batch.column(key).to_pylist()
