"""Loads what was published as a reader does, and compares it with the release."""

from pathlib import Path

from stages.hub.manifest import DatasetManifest, Manifest, ModelManifest


def load_back(where: str, revision: str | None, release: Path, manifest: Manifest) -> None:
    """Load `where`, a folder or a repository on the Hub at `revision`, and compare.

    Raises BuildError when what was loaded is not what the release in `release` holds.
    """
    if isinstance(manifest, DatasetManifest):
        from stages.hub.datasets.load_back import load_dataset_back  # noqa: PLC0415 - 3 s

        load_dataset_back(where, revision, release, manifest)
    elif isinstance(manifest, ModelManifest):
        from stages.hub.models.load_back import load_model_back  # noqa: PLC0415 - 6 s

        load_model_back(where, revision, release, manifest)
