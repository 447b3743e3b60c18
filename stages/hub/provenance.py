"""Provenance: which commit and which dvc.lock a published release belongs to."""

import subprocess
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from stages.hub.manifest import MANIFEST
from stages.rows.parquet import file_hash

PROVENANCE = "provenance.json"


class Provenance(BaseModel):
    """What publishing adds to a release. It changes with every commit, so it is no part of it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    git_commit: str | None
    """None outside of a Git repository"""
    git_dirty: bool | None
    """whether files were changed, or not in Git, when the release was published"""
    dvc_lock_sha256: str | None
    manifest_sha256: str


def provenance_of(release: Path) -> Provenance:
    """The provenance of the release in `release`, published from the current directory now."""
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain")
    lock = Path("dvc.lock")
    return Provenance(
        git_commit=commit,
        git_dirty=None if commit is None else bool(changes),
        dvc_lock_sha256=file_hash(lock) if lock.is_file() else None,
        manifest_sha256=file_hash(release / MANIFEST),
    )


def provenance_bytes(provenance: Provenance) -> bytes:
    """The content of provenance.json."""
    return f"{provenance.model_dump_json(indent=2)}\n".encode()


def write_provenance(folder: Path, provenance: Provenance) -> None:
    """Write provenance.json beside the files of the release."""
    (folder / PROVENANCE).write_bytes(provenance_bytes(provenance))


def read_provenance(folder: Path) -> Provenance:
    """The provenance of a published release. Raises OSError or ValueError when there is none."""
    return Provenance.model_validate_json((folder / PROVENANCE).read_text("utf-8"))


def _git(*arguments: str) -> str | None:
    """What Git says; None without Git or outside of a repository."""
    try:
        done = subprocess.run(  # noqa: S603 - the arguments are those above
            # Without locks, so that looking at the tree writes nothing.
            ["git", "--no-optional-locks", *arguments],  # noqa: S607 - Git is where the user has it
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
