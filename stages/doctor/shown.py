"""What `seqsmith doctor` shows: a line for each finding, then what to do."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from stages.doctor.finding import Finding, State
from stages.quality.summary import new_table

_MARKS: dict[State, tuple[str, str]] = {
    "ok": ("ok", "green"),
    "missing": ("MISSING", "bold red"),
    "warning": ("warning", "yellow"),
    "note": ("note", "dim"),
}


def shown(profile: str, findings: Sequence[Finding]) -> RenderableType:
    """The table, and under it what to do about each line that asks for something."""
    missing = sum(finding.state == "missing" for finding in findings)
    table = new_table(f"profile {profile}: {missing or 'nothing'} missing")
    for heading in ("", "", "found", "needed"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        table.add_row(
            Text(*_MARKS[finding.state]),
            Text(finding.what),
            Text(finding.found),
            Text(finding.needed),
        )
    todo = new_table("")
    todo.show_header = False
    todo.add_column()
    todo.add_column(overflow="fold")
    for finding in findings:
        if finding.todo:
            todo.add_row(Text(finding.what), Text(finding.todo))
    return Group(table, todo) if todo.row_count else table
