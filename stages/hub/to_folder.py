"""Publishes a release to a folder: copied, compared hash by hash, loaded back."""

import shutil
from pathlib import Path

from stages.config.errors import BuildError
from stages.hub.folders import whole_folder
from stages.hub.load_back import load_back
from stages.hub.manifest import MANIFEST, Manifest, differences
from stages.hub.provenance import PROVENANCE, Provenance, read_provenance, write_provenance


def publish_to_folder(
    release: Path, manifest: Manifest, provenance: Provenance, target: Path
) -> Provenance:
    """Copy the release to `target`; returns the provenance that stands there now.

    A target that already holds this content is left alone. Raises BuildError when the copy is not
    the release; `target` is then as it was.
    """
    if before := published_before(release, manifest, target):
        return before
    with whole_folder(target) as folder:
        shutil.copytree(release, folder, copy_function=shutil.copyfile, dirs_exist_ok=True)
        write_provenance(folder, provenance)
        if found := differences(folder, manifest, PROVENANCE):
            raise BuildError(f"{target}: the copy is not the release: {found}.")
        load_back(str(folder), None, release, manifest)
    return provenance


def published_before(release: Path, manifest: Manifest, target: Path) -> Provenance | None:
    """The provenance in `target` when that holds the release already, else None."""
    try:
        same = (target / MANIFEST).read_bytes() == (release / MANIFEST).read_bytes()
        return (
            read_provenance(target)
            if same and not differences(target, manifest, PROVENANCE)
            else None
        )
    except (OSError, ValueError):
        return None
