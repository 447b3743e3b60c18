"""A comparison as text for the terminal; without colour it says the same."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stages.diff.causes import CAUSES
from stages.diff.compare import KINDS, Cause, Comparison, Example
from stages.diff.words import pieces, shortened
from stages.texts.visible import shown, visible

_MOST_EVIDENCE = 6  # lines; the rest is in the JSON
_LONGEST = 600  # characters of one piece
_MARKS = {"same": ("", "", ""), "old": ("[-", "-]", "red"), "new": ("{+", "+}", "green")}


def comparison_text(found: Comparison) -> RenderableType:
    """What `seqsmith diff` prints. Row text is data: no markup and no control character counts."""
    return Group(
        Text.assemble((found.dataset, "bold"), f"  {found.before} -> {found.after}\n"),
        _counts(found),
        *_notes(found),
        *(part for cause in found.causes for part in _cause(cause)),
        *(part for cause in found.causes for part in _examples(cause)),
    )


def _counts(found: Comparison) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right")
    table.add_row(f"{found.rows_before:,}", "rows before", "")
    table.add_row(f"{found.rows_after:,}", "rows after", "")
    table.add_row(f"{found.same:,}", "same", "in every column")
    for kind, meaning in KINDS.items():
        table.add_row(f"{getattr(found, kind):,}", kind, meaning)
    return table


def _notes(found: Comparison) -> Iterator[RenderableType]:
    if found.left_out:
        columns = ", ".join(found.left_out)
        yield Text(f"\nNot compared, since one side alone has it: {columns}")
    if not found.causes:
        yield Text("\nNo row differs.")


def _cause(cause: Cause) -> Iterator[RenderableType]:
    rows = f"{cause.rows:,} {cause.kind}"
    if cause.kind == "changed":
        content = "all" if cause.content == cause.rows else f"{cause.content:,}"
        rows += f", {content} of them in content"
        if cause.content < cause.rows:
            rows += ", the others in history or origin alone"
    yield Text.assemble("\n", (cause.cause, "bold"), f": {rows}")
    yield _indented(Text(CAUSES[cause.cause], "dim"))
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right")
    common = cause.evidence.most_common(_MOST_EVIDENCE)
    for evidence, count in common:
        table.add_row(f"{count:,}", Text(visible(evidence)))
    if rest := cause.rows - sum(count for _, count in common):
        table.add_row(f"{rest:,}", Text(f"{len(cause.evidence) - len(common):,} other findings"))
    yield _indented(table)


def _examples(cause: Cause) -> Iterator[RenderableType]:
    for example in cause.examples:
        ids = " -> ".join(dict.fromkeys(filter(None, (example.before, example.after))))
        yield Text.assemble("\n", (visible(ids), "bold"), f"  {cause.kind}, {cause.cause}")
        yield _indented(Text(visible(example.evidence), "dim"))
        yield from _fields(cause, example)


def _fields(cause: Cause, example: Example) -> Iterator[RenderableType]:
    for one in example.fields:
        if one.before == one.after:
            yield _indented(Text(f"{one.field}, the same on both sides", "dim"))
            yield _indented(Text(_short(one.after)), 4)
            continue
        yield _indented(Text(one.field, "dim"))
        if cause.kind in ("removed", "added"):  # all of it is
            yield _indented(Text(_short(one.before or one.after)), 4)
        else:
            yield _indented(_words(one.before, one.after), 4)


def _words(before: str, after: str) -> Text:
    text = Text()
    for kind, piece in shortened(pieces(before, after)):
        opening, closing, colour = _MARKS[kind]
        text.append(f"{opening}{_short(piece)}{closing}", colour)
    return text


def _short(text: str) -> str:
    return shown(text if len(text) <= _LONGEST else f"{text[:_LONGEST]} [...]")


def _indented(part: RenderableType, depth: int = 2) -> RenderableType:
    return Padding(part, (0, 0, 0, depth), expand=False)
