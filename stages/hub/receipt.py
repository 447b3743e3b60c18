"""The receipt of a publication: what was published where, file by file."""

from pathlib import Path

from stages.hub.manifest import MANIFEST, Manifest
from stages.hub.parts import describe
from stages.hub.provenance import Provenance
from stages.rows.measure import write_metrics


def write_receipt(
    path: Path, release: Path, manifest: Manifest, provenance: Provenance, commit: str | None
) -> None:
    """Write the receipt; `commit` is the commit on the Hub, None for a folder."""
    files = {**manifest.files, MANIFEST: describe(release, release / MANIFEST)}
    write_metrics(
        path,
        {
            "released": manifest.reference,
            "target": "folder" if commit is None else "hub",
            "path": manifest.address.path,
            "tag": manifest.address.revision,
            "commit": commit,
            "licence": manifest.licence,
            "provenance": provenance.model_dump(),
            "files": {
                name: {"sha256": file.sha256, "bytes": file.bytes}
                for name, file in sorted(files.items())
            },
        },
    )
