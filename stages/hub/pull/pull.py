"""Pulls a release: from the Hub, from what was pulled before, or from a folder where it lies."""

from dataclasses import dataclass
from pathlib import Path

from rich.filesize import decimal

from stages.config.errors import BuildError
from stages.hub.manifest import MANIFEST, DatasetManifest
from stages.hub.pull.address import KINDS, PULLS, Wanted, folder_of, newest, read_address
from stages.hub.pull.check import Checked, check_release
from stages.hub.pull.untrusted import PULLED, shown


@dataclass(frozen=True, slots=True)
class Release:
    """A release that is on this machine and checked, and how it came here."""

    checked: Checked
    left: list[str]
    """files of the repository that were not fetched, since the manifest does not list them"""
    notes: list[str]
    """sentences about what was chosen and done"""


def pull(text: str, to: Path | None) -> Release:
    """The release that `text` means: a folder, checked where it lies, or a repository on the Hub.

    Raises BuildError.
    """
    if (folder := Path(text)).is_dir():
        return Release(check_release(folder), [], [])
    wanted = read_address(text)
    # Imported here because it takes a second, and a folder needs no Hub.
    from stages.hub.pull.from_hub import fetch_release  # noqa: PLC0415

    fetched = fetch_release(wanted, to)
    kept = f", {fetched.kept} were there" if fetched.kept else ""
    done = f"Fetched {fetched.files} files, {decimal(fetched.bytes)}{kept}."
    return Release(check_release(fetched.folder), fetched.left, [*fetched.notes, done])


def pull_offline(text: str, to: Path | None) -> Release:
    """The same of what is on this machine already. Raises BuildError when nothing is."""
    if (given := Path(text)).is_dir():
        return Release(check_release(given), [], [])
    folder = to or _pulled_before(read_address(text))
    if folder is None or not any((folder / name).is_file() for name in (MANIFEST, PULLED)):
        raise BuildError(
            f"{shown(text)}: nothing of it is in {folder or PULLS}. Pull it once without --offline."
        )
    return Release(check_release(folder), [], ["Offline: the Hub was not asked."])


def ledgers_in(path: Path) -> list[Path]:
    """The exported ledgers of the release in the folder `path`, checked; a file is one itself.

    Raises BuildError. A reply is not part of its request's key, so nothing but the manifest tells
    a changed one.
    """
    if not path.is_dir():
        return [path]
    manifest = check_release(path).manifest
    if not isinstance(manifest, DatasetManifest):
        raise BuildError(f"{path}: is the release of a model, which has no ledger.")
    return [path / file.path for file in manifest.ledger]


def _pulled_before(wanted: Wanted) -> Path | None:
    kinds = [wanted.kind] if wanted.kind else list(KINDS.values())
    found = []
    for kind in kinds:
        beside = folder_of(kind, wanted.repo, "").parent
        start = f"{wanted.repo.partition('/')[2]}@"
        there = [one.name for one in beside.glob("*@*") if one.name.startswith(start)]
        revisions = [name.removeprefix(start) for name in there]
        revision = wanted.revision or newest(revisions) or max(revisions, default="")
        if revision in revisions:
            found.append(folder_of(kind, wanted.repo, revision))
    if len(found) > 1:
        raise BuildError(
            f"{wanted}: a dataset and a model of that name were pulled. Say which: "
            f"{' or '.join(f'{kind}s/{wanted}' for kind in kinds)}"
        )
    return found[0] if found else None
