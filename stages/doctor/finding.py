"""A finding of the doctor: what was looked at, what there is, what is needed, what to do."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

State = Literal["ok", "missing", "warning", "note"]
"""`missing`: a build of the profile fails without it; `note`: it does not"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the examination."""

    what: str
    state: State
    found: str
    needed: str = ""
    todo: str = ""


def without(findings: Iterable[Finding], secrets: Iterable[str]) -> list[Finding]:
    """The findings with every secret in them replaced by dots."""
    hidden = sorted(filter(None, secrets), key=len, reverse=True)
    return [
        replace(
            finding,
            what=_without(finding.what, hidden),
            found=_without(finding.found, hidden),
            needed=_without(finding.needed, hidden),
            todo=_without(finding.todo, hidden),
        )
        for finding in findings
    ]


def _without(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "...")
    return text
