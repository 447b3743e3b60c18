"""Checks the folder of a release against its manifest, file by file."""

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stages.config.errors import BuildError
from stages.hub.manifest import MANIFEST, DatasetManifest, ModelManifest
from stages.hub.parts import ParquetFile
from stages.hub.provenance import PROVENANCE, Provenance, read_provenance
from stages.hub.pull.untrusted import OURS, PULLED, read_untrusted, refuse_programs, walk
from stages.rows.parquet import file_hash

_NAMED = 5  # files that an error names

Kind = Literal["dataset", "model"]

REPO = r"\w[\w.-]*/\w[\w.-]*"
REVISION = r"\w[\w.+-]*"


class Pulled(BaseModel):
    """Where a release was pulled from."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    kind: Kind
    repo: Annotated[str, Field(pattern=f"^{REPO}$")]
    revision: Annotated[str, Field(pattern=f"^{REVISION}$")]
    """the tag, branch or commit that was asked for"""
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]


class Checked(NamedTuple):
    """A release that is what its manifest says."""

    folder: Path
    manifest: DatasetManifest | ModelManifest
    manifest_sha256: str
    provenance: Provenance | None
    """None for a release that was not published"""
    pulled: Pulled | None
    """None for one that was not pulled"""
    unlisted: list[str]
    """files beside those of the release: nothing is known of them"""


def check_release(folder: Path) -> Checked:
    """The release in `folder`, every file of which has the hash that its manifest says.

    Raises BuildError, which names each file that is missing or changed, and where the folder is
    not safe to use: see `untrusted`.
    """
    where = str(folder)
    pulled = read_pulled(folder)
    present = walk(where, folder)
    if pulled and MANIFEST not in present:
        raise BuildError(
            f"{where}: pulling it was interrupted. Go on: "
            f"seqsmith pull {pulled.kind}s/{pulled.repo}@{pulled.revision}"
        )
    manifest = read_untrusted(where, folder / MANIFEST)
    unlisted = sorted(present - manifest.files.keys() - OURS)
    if manifest.kind == "model":
        refuse_programs(where, unlisted)
    missing = [path for path in manifest.files if path not in present]
    changed = [
        path
        for path, file in manifest.files.items()
        if path in present and file_hash(folder / path) != file.sha256
    ]
    provenance = _provenance(folder, present)
    manifest_hash = file_hash(folder / MANIFEST)
    if provenance and provenance.manifest_sha256 != manifest_hash:
        changed.append(f"{MANIFEST} or {PROVENANCE}")
    if missing or changed:
        found = [f"missing: {names(missing)}"] * bool(missing)
        found += [f"changed: {names(changed)}"] * bool(changed)
        raise BuildError(
            f"{where}: is not the release that its {MANIFEST} describes; {'; '.join(found)}. Pull "
            "it again; only these files are fetched."
        )
    if isinstance(manifest, DatasetManifest):
        _check_counts(where, folder, manifest)
    return Checked(folder, manifest, manifest_hash, provenance, pulled, unlisted)


def read_pulled(folder: Path) -> Pulled | None:
    """Where the release in `folder` was pulled from; None when it was not."""
    try:
        return Pulled.model_validate_json((folder / PULLED).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise BuildError(
            f"{folder / PULLED}: does not say where the release comes from. Remove the folder and "
            "pull the release again."
        ) from error


def names(paths: list[str]) -> str:
    """The first of some paths, and how many more there are."""
    more = len(paths) - _NAMED
    return ", ".join(paths[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _provenance(folder: Path, present: set[str]) -> Provenance | None:
    if PROVENANCE not in present:
        return None
    try:
        return read_provenance(folder)
    except (OSError, ValueError) as error:
        raise BuildError(
            f"{folder}: its {PROVENANCE} cannot be read. Pull the release again."
        ) from error


def _check_counts(where: str, folder: Path, manifest: DatasetManifest) -> None:
    """What a manifest says of rows is not under a hash, so the files themselves are asked."""
    files: list[ParquetFile] = [*manifest.data, *manifest.ledger]
    for file in files:
        try:
            rows = pq.read_metadata(folder / file.path).num_rows
        except pa.ArrowException:
            raise BuildError(
                f"{where}: '{file.path}' is no Parquet file, though it is the one that {MANIFEST} "
                "describes. The release was made so; do not use it."
            ) from None
        if rows != file.rows:
            raise BuildError(
                f"{where}: '{file.path}' has {rows:,} rows, but {MANIFEST} says {file.rows:,}. The "
                "release was made so; do not use it."
            )
    if manifest.rows != sum(file.rows for file in manifest.data):
        raise BuildError(
            f"{where}: {MANIFEST} says {manifest.rows:,} rows, but its files have "
            f"{sum(file.rows for file in manifest.data):,}. Do not use it."
        )
