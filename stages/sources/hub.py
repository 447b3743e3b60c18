"""A dataset on the Hub as an upstream, at one commit."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from stages.config.errors import BuildError
from stages.config.settings import Source, is_commit
from stages.rows.parquet import BATCH
from stages.sources.shape import Shape
from stages.sources.upstream import Upstream

if TYPE_CHECKING:
    import datasets


def open_hub(name: str, source: Source, shape: Shape) -> Upstream:
    """The split of a dataset on the Hub; downloaded, then read from disk in batches.

    A revision that can move, such as `main`, is resolved first, so that the commit is recorded.
    Raises BuildError when it cannot be loaded or its columns are not those of `shape`.
    """
    setting = f"sources.{name}"
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", source.repo) or not source.split:
        raise BuildError(
            f"{setting}: the profile says `origin: hub`, with repo '{source.repo}' and split "
            f"'{source.split}'. Give a repo as owner/name, and a split such as train."
        )
    if Path(source.repo).exists():  # the library would read it in place of the repository
        raise BuildError(
            f"{setting}.repo is '{source.repo}', which is also a local path. To read local data, "
            f"name a file in params.yaml under '{setting}.path'; otherwise move it away."
        )
    commit, dataset = _load(setting, source)
    columns = dataset.column_names
    where = f"{source.repo} at {commit}"
    shape.check(where, columns)
    for column in source.only:
        if column not in columns:
            raise BuildError(
                f"{where}: '{setting}.only' names the column '{column}', which is not there. "
                f"Found: {', '.join(columns)}."
            )
    read = list(dict.fromkeys([*shape.reads(columns).values(), *source.only]))
    unread = tuple(column for column in columns if column not in read)
    return Upstream(source.repo, commit, _records(dataset, read), shape, unread, source.only)


def _load(setting: str, source: Source) -> tuple[str, "datasets.Dataset"]:
    # Imported here because it takes a second and most builds need no Hub.
    import datasets  # noqa: PLC0415
    from huggingface_hub import HfApi  # noqa: PLC0415
    from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415

    try:
        commit = source.revision
        if not is_commit(commit):
            commit = HfApi().dataset_info(source.repo, revision=commit or None).sha or ""
        return commit, datasets.load_dataset(source.repo, revision=commit, split=source.split)
    except (datasets.exceptions.DatasetNotFoundError, HfHubHTTPError) as error:
        todo = (
            "Check repo and revision. If the dataset is private or gated, ask for access and log "
            "in with `hf auth login`"
        )
        cause: Exception = error
    except OSError as error:
        todo = "Check the connection and try again"
        cause = error
    except (ValueError, datasets.exceptions.DatasetsError) as error:
        todo = "Check repo, revision and split"
        cause = error
    said = str(cause).strip().splitlines()[0].rstrip(".") if str(cause).strip() else repr(cause)
    raise BuildError(
        f"{setting}: {source.repo} at revision '{source.revision}', split '{source.split}', cannot "
        f"be loaded from the Hub: {said}. {todo}, or download the data and name the file in "
        f"params.yaml under '{setting}.path'."
    ) from cause


def _records(dataset: "datasets.Dataset", columns: list[str]) -> Iterator[object]:
    for batch in dataset.select_columns(columns).iter(batch_size=BATCH):
        for values in zip(*(batch[column] for column in columns), strict=True):
            yield dict(zip(columns, values, strict=True))
