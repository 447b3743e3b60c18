"""A push to the Hub: what it sends, from the release and from what is there already."""

import hashlib
from pathlib import Path

from stages.hub.manifest import ATTRIBUTES, MANIFEST, Manifest
from stages.hub.parts import Facts, File, describe
from stages.hub.provenance import PROVENANCE, Provenance, provenance_bytes


class Entry(Facts):
    """A file on the Hub, as its listing says."""

    path: str
    blob: str
    """SHA-1 as Git counts it"""
    sha256: str | None
    """None for a file that is kept in Git itself"""


class There(Facts):
    """A repository on the Hub at one commit."""

    commit: str
    private: bool
    files: list[Entry]


class Push(Facts):
    """One commit and its tag."""

    repo: str
    private: bool
    tag: str
    message: str
    parent: str | None
    """the commit that it follows; None where there is no repository yet"""
    sent: list[File]
    kept: list[File]
    """there already, with the same content"""
    deleted: list[str]

    @property
    def changes_content(self) -> bool:
        """Whether more than provenance.json differs, which is of each push its own."""
        return bool(self.deleted) or any(file.path != PROVENANCE for file in self.sent)


def push_of(
    release: Path, manifest: Manifest, provenance: Provenance, private: bool, there: There | None
) -> Push:
    """What makes the repository the release and nothing else; `there` is None before it exists."""
    added = provenance_bytes(provenance)
    files = [
        *manifest.files.values(),
        describe(release, release / MANIFEST),
        File(path=PROVENANCE, sha256=hashlib.sha256(added).hexdigest(), bytes=len(added)),
    ]
    entries = {entry.path: entry for entry in there.files} if there else {}
    sent: list[File] = []
    kept: list[File] = []
    for file in files:
        entry = entries.get(file.path)
        content = added if file.path == PROVENANCE else release / file.path
        (kept if entry and _holds(entry, file, content) else sent).append(file)
    return Push(
        repo=manifest.address.path,
        private=private,
        tag=manifest.address.revision,
        message=f"{manifest.name} {manifest.address.revision}",
        parent=there.commit if there else None,
        sent=sent,
        kept=kept,
        deleted=sorted(entries.keys() - {file.path for file in files} - {ATTRIBUTES}),
    )


def _holds(entry: Entry, file: File, content: bytes | Path) -> bool:
    if entry.sha256:
        return entry.sha256 == file.sha256
    data = content if isinstance(content, bytes) else content.read_bytes()
    blob = b"blob %d\0" % len(data) + data
    return entry.blob == hashlib.sha1(blob, usedforsecurity=False).hexdigest()
