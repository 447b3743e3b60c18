"""A rehearsal of publishing: exactly what would be sent, and what speaks against it."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import HfApi, get_token

from stages.config.command import pick
from stages.config.load import load_settings
from stages.config.paths import Paths
from stages.config.settings import Settings
from stages.hub.address import address_of
from stages.hub.errors import HUB_ERRORS, explained
from stages.hub.manifest import Manifest, differences, read_manifest
from stages.hub.parts import File
from stages.hub.provenance import Provenance, provenance_of
from stages.hub.push import Push, push_of
from stages.hub.refusals import refusals
from stages.hub.to_folder import published_before
from stages.hub.to_hub import look, no_token, other_content, other_visibility
from stages.texts.visible import visible


class Rehearsal(NamedTuple):
    lines: list[str]
    refusals: list[str]
    """a sentence each; none: it would be published"""

    @property
    def text(self) -> str:
        refused = [f"refused     {refusal}" for refusal in self.refusals]
        return "\n".join([*self.lines, *refused, "Nothing was sent: this was a rehearsal."])


def rehearse(name: str) -> Rehearsal:
    """What `python -m stages.publish NAME` would do now. Nothing is written, here or there.

    Raises BuildError when there is no release.
    """
    settings = load_settings()
    groups = settings.build.packages.groups
    parts = [_rehearse(settings, reference) for reference in pick("package", name, groups)]
    return Rehearsal(
        [line for part in parts for line in part.lines],
        [refusal for part in parts for refusal in part.refusals],
    )


def _rehearse(settings: Settings, name: str) -> Rehearsal:
    paths = Paths(settings.build.profile)
    release, publish = paths.folder("release", name), settings.profile.publish
    manifest, provenance = read_manifest(release), provenance_of(release)
    found = list(refusals(settings, address_of(settings, paths, name), manifest, provenance))
    if changed := differences(release, manifest):
        found.append(f"{release}: is not what its manifest says: {changed}. Package it again.")
    if publish.target == "folder":
        copied = _to_folder(release, manifest, provenance, paths.folder("published", name))
        return Rehearsal(list(copied), found)
    lines, more = _to_hub(release, manifest, provenance, publish.private)
    return Rehearsal(lines, found + more)


def _to_folder(
    release: Path, manifest: Manifest, provenance: Provenance, target: Path
) -> Iterator[str]:
    if published_before(release, manifest, target):
        yield f"{target} holds {manifest.reference} already: nothing would be written."
        return
    push = push_of(release, manifest, provenance, True, None)
    yield f"{manifest.reference} would be copied to {target}, in place of what is there:"
    yield from map(_line, push.sent)


def _to_hub(
    release: Path, manifest: Manifest, provenance: Provenance, private: bool
) -> tuple[list[str], list[str]]:
    repo, tag, token = manifest.address.path, manifest.address.revision, get_token()
    refused: list[str] = []
    there, tagged, unseen = None, False, ""
    if token is None:
        unseen = "there is no token"
        refused.append(no_token(repo))
    else:
        try:
            there, tagged = look(HfApi(), manifest)
        except HUB_ERRORS as error:
            unseen = "the Hub did not tell"
            refused.append(str(explained(repo, error, token)))
    push = push_of(release, manifest, provenance, private, there)
    if tagged and not push.changes_content:
        held = f"{repo} holds {manifest.reference} at the tag {tag} already: nothing would be sent."
        return [held], []
    if tagged:
        refused.append(other_content(manifest, _differing(push)))
    elif there and there.private != private:
        refused.append(other_visibility(manifest, there))
    return [*_summary(manifest, push, unseen), *_files(push)], refused


def _summary(manifest: Manifest, push: Push, unseen: str) -> Iterator[str]:
    there = "which would be made, " if push.parent is None else "which is there, "
    if unseen:
        there = f"whether it is there is not known ({unseen}), "
    yield f"repository  {push.repo}, a {manifest.kind}, {there}{_visibility(push.private)}"
    yield f"commit      '{push.message}'" + (f" after {push.parent}" if push.parent else "")
    yield f"tag         {push.tag}"
    yield f"licence     {manifest.licence}"


def _files(push: Push) -> Iterator[str]:
    size = sum(file.bytes for file in push.sent)
    yield f"sent        {len(push.sent)} files, {size:,} bytes"
    yield from map(_line, push.sent)
    if push.kept:
        yield f"there       {len(push.kept)} files with this content already, which are not sent"
        yield from map(_line, push.kept)
    if push.deleted:
        yield f"deleted     {len(push.deleted)} files that are no part of the release"
        yield from (f"  {visible(path)}" for path in push.deleted)


def _line(file: File) -> str:
    return f"  {file.sha256}  {file.bytes:>13,}  {visible(file.path)}"


def _visibility(private: bool) -> str:
    return "private" if private else "public"


def _differing(push: Push) -> str:
    changed = [*(file.path for file in push.sent), *push.deleted]
    return f"{len(changed)} files differ, such as '{visible(changed[0])}'"
