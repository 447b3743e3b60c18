"""Verifies a release: whether its sources, its ledger and this checkout make it again."""

import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from stages.config.errors import BuildError
from stages.config.load import load_settings
from stages.config.paths import Paths
from stages.config.settings import is_commit
from stages.hub.manifest import DatasetManifest, ModelManifest
from stages.hub.parts import Trained
from stages.hub.provenance import Provenance
from stages.hub.pull.check import Checked, names
from stages.hub.pull.untrusted import shown
from stages.rows.logical import logical_hash
from stages.rows.parquet import file_hash
from stages.verify.checkout import other_than
from stages.verify.find import find_release
from stages.verify.project import make_project, profiles, scratch_folder, settings_for, take_ledger
from stages.verify.rebuild import rebuild
from stages.verify.sides import compare_release


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found."""

    holds: bool
    """whether the release has the content that was made again"""
    shown: RenderableType


def verify(target: str, keep: Path | None = None) -> Verdict:
    """Verify a release: datasets/NAME or models/NAME of this project, a folder, or REPO[@TAG].

    A dataset is rebuilt in a scratch folder, which is `keep` where it is to stay; progress goes to
    standard error. Raises BuildError when there is no such release, its files are not those that
    its manifest lists, or it cannot be rebuilt.
    """
    checked = find_release(target)
    if checked.unlisted:
        unlisted = shown(names(checked.unlisted))
        _say(f"{checked.folder}: not looked at, since its manifest does not list it: {unlisted}")
    if isinstance(checked.manifest, ModelManifest):
        return _verify_model(checked.manifest)
    with scratch_folder(keep) as root:
        return _verify_dataset(checked, checked.manifest, root)


def _verify_dataset(checked: Checked, manifest: DatasetManifest, root: Path) -> Verdict:
    settings = settings_for(manifest, root)
    others = other_than(manifest, settings)
    hint = _hint(checked.provenance, others)
    if others:
        _say("\n  ".join(["This checkout is not what made the release:", *others]))
    project = make_project(root, settings, manifest)
    replies = take_ledger(project, checked.folder, manifest)
    _say(f"{manifest.reference}: {replies:,} replies taken from its ledger")
    try:
        rebuild(project, manifest)
    except BuildError as error:
        raise BuildError(" ".join(filter(None, (str(error), hint)))) from None
    same, found = compare_release(checked.folder, manifest, project)
    return Verdict(same, found if same or not hint else Group(found, Text(f"\n{hint}")))


def _hint(provenance: Provenance | None, others: list[str]) -> str:
    """What may be behind a failure, and what to do; empty where nothing is known."""
    found = "This checkout is not what made the release, see above. " if others else ""
    commit = provenance.git_commit if provenance else None
    # It becomes a command, and is somebody else's text.
    if not provenance or not commit or not is_commit(commit):
        return f"{found}The release does not name its commit." if others else ""
    changed = ", with changes that were not in Git" if provenance.git_dirty else ""
    return (
        f"{found}It was published at another commit, or at this one{changed}: git checkout {commit}"
    )


def _verify_model(manifest: ModelManifest) -> Verdict:
    """The files are known to be those that the manifest lists; the dataset is told by its hash."""
    trained = manifest.trained
    same, found = True, "it is not built here, so it was not compared"
    # Both are names in paths, and not ours to believe.
    if manifest.profile in profiles() and trained.dataset in load_settings().build.datasets:
        table = Paths(manifest.profile).table(f"datasets/{trained.dataset}")
        if table.is_file():
            same, found = _same_table(table, trained)
    return Verdict(
        same,
        Text.assemble(
            f"{shown(manifest.reference)}: ",
            ("the files that its manifest lists", "bold"),
            f": {len(manifest.files)} of them. It was not trained again, see docs/verifying.md.\n"
            f"It was trained on datasets/{shown(trained.dataset)}, SHA-256 "
            f"{shown(trained.dataset_sha256)[:12]}: {found}.",
        ),
    )


def _same_table(table: Path, trained: Trained) -> tuple[bool, str]:
    if file_hash(table) == trained.dataset_sha256:
        return True, f"{table} is it, bit for bit"
    if logical_hash(table) == trained.dataset_logical_sha256:
        return True, f"{table} has the same content, other bytes"
    return False, f"{table} has other content"


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
