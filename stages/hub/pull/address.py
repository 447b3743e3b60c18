"""What a release is called by whoever pulls it, and where it is put."""

import re
from pathlib import Path
from typing import NamedTuple

from stages.config.errors import BuildError
from stages.hub.pull.check import REPO, REVISION, Kind
from stages.hub.pull.untrusted import shown

PULLS = Path("pulled")
"""where releases go unless they are told otherwise"""
KINDS: dict[str, Kind] = {"datasets": "dataset", "models": "model"}

_ADDRESS = re.compile(rf"(?:(datasets|models)/)?({REPO})(?:@({REVISION}))?", re.ASCII)
_VERSION = re.compile(r"v\d{1,9}(?:\.\d{1,9}){0,3}", re.ASCII)


class Wanted(NamedTuple):
    """A release as it was asked for."""

    kind: Kind | None
    """None: whichever there is"""
    repo: str
    revision: str
    """tag, branch or commit; empty: the newest tag"""

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision}" if self.revision else self.repo


def read_address(text: str) -> Wanted:
    """`[datasets/|models/]OWNER/NAME[@TAG]`. Raises BuildError when it is nothing of that form."""
    found = _ADDRESS.fullmatch(text)
    if not found:
        raise BuildError(
            f"'{shown(text)}' is neither the folder of a release nor a repository on the Hub. Give "
            "OWNER/NAME, OWNER/NAME@TAG, or datasets/OWNER/NAME@TAG where a model has the same "
            "name."
        )
    return Wanted(KINDS.get(found[1]), found[2], found[3] or "")


def folder_of(kind: Kind, repo: str, revision: str) -> Path:
    """Where a release is put: `pulled/datasets/OWNER/NAME@TAG`."""
    return PULLS / f"{kind}s" / f"{repo}@{revision}"


def newest(tags: list[str]) -> str:
    """The highest version among the tags, `v1.10` above `v1.9`; empty when none is one."""
    versions = [tag for tag in tags if _VERSION.fullmatch(tag)]
    return max(versions, key=lambda tag: [int(part) for part in tag[1:].split(".")], default="")
