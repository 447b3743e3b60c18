"""A release as a source: the rows of a dataset that was pulled, to build on."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.config.errors import BuildError
from stages.config.settings import Source
from stages.hub.manifest import DatasetManifest
from stages.hub.pull.check import check_release
from stages.sources.files import read_columns
from stages.sources.shape import Fields, Record, Shape, Unfit, shown
from stages.sources.upstream import Upstream

_COLUMNS = ("id", "instruction", "input", "output", "system", "placement", "further")
_ID = re.compile(r"[\w.:#+-]{1,200}", re.ASCII)


def open_release(name: str, folder: Path, source: Source) -> Upstream:
    """The rows of the release in `folder`, in its order, whatever shape the profile names.

    Raises BuildError when a file of it was changed, it is no dataset of text, or the profile states
    another licence than the release has.
    """
    checked = check_release(folder)
    manifest, pulled = checked.manifest, checked.pulled
    if not isinstance(manifest, DatasetManifest):
        raise BuildError(f"{folder}: is the release of a model, and a source needs a dataset.")
    if source.licence != manifest.licence:
        raise BuildError(
            f"sources.{name}.licence is '{source.licence}' in the profile, but the release in "
            f"{folder} has the licence '{manifest.licence}'. Write that into the profile."
        )
    repo, revision = (
        (pulled.repo, pulled.commit) if pulled else (folder.name, checked.manifest_sha256)
    )
    paths = [folder / file.path for file in manifest.data]
    return Upstream(repo, revision, _records(paths), RELEASE)


def _records(paths: list[Path]) -> Iterator[dict[str, Any]]:
    for path in paths:
        yield from read_columns(path, _COLUMNS)


def _parse(record: Record) -> Fields:
    """A row that starts anew: its text and its id, without history.

    Of a dialogue the first exchange; counts `turns_dropped`.
    """
    id = record.text("id")
    if not _ID.fullmatch(id):
        raise Unfit("not-an-id", f"{shown(id)} is not the id of a row")
    placement = record.text("placement")
    if placement not in ("after", "before"):
        raise Unfit("unknown-placement", f"the input stands {shown(placement)} the instruction")
    further = record.value("further")
    record.counts["turns_dropped"] += 2 * len(further) if isinstance(further, list) else 0
    return Fields(
        record.filled("instruction", "empty-instruction"),
        record.text("input"),
        record.filled("output", "empty-output"),
        record.text_or_empty("system"),
        # What steps make of a row has more behind a #, and so the row itself must have none.
        id=id.replace("#", "."),
        placement=placement,
    )


RELEASE = Shape("release", _COLUMNS, (), _parse)
