"""The plan as text: one line a stage, the reasons, the totals."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stages.plan.estimate import Estimate
from stages.plan.reasons import REASONS
from stages.plan.walk import Count


def page(
    counts: Sequence[Count], estimates: Sequence[Estimate], dollars: float | None
) -> RenderableType:
    """What `seqsmith plan` prints."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("stage")
    for heading in ("rows", "from the ledger", "to ask", "to retry", "waiting"):
        table.add_column(heading, justify="right")
    reasons: Counter[str] = Counter()
    for count in counts:
        retries = count.reasons["failed before"]
        asked = count.reasons.total() - retries
        figures = (count.rows + count.waiting, count.complete, asked, retries, count.waiting)
        table.add_row(count.reference, *(f"{figure:,}" for figure in figures))
        reasons.update(count.reasons)
    why = Table.grid(padding=(0, 2, 0, 0))
    why.add_column(justify="right")
    for name, rows in reasons.most_common():
        why.add_row(f"{rows:,}", name, REASONS[name])
    parts: list[Table | Text] = [table, why, Text(totals(counts, estimates, dollars))]
    return Group(*(Padding(part, (0, 0, 1, 0)) for part in parts if part is not why or reasons))


def totals(counts: Sequence[Count], estimates: Sequence[Estimate], dollars: float | None) -> str:
    """The last lines: requests, tokens, time, price."""
    certain = len({key for count in counts for key in count.missing})
    if not certain:
        return "Nothing to ask: every reply is in the ledger."
    requests = sum(one.requests for one in estimates)
    line = f"{certain:,} requests to ask"
    if requests > certain:
        line += f", and about {requests - certain:,} more that depend on their replies"
    prompt = sum(one.prompt_tokens for one in estimates)
    line += f"\nabout {prompt:,} prompt tokens"
    if any(one.completion_tokens is None for one in estimates if one.requests):
        return line + "; this model has not run here yet, so its time cannot be told"
    completion = sum(one.completion_tokens or 0 for one in estimates)
    seconds = _time(sum(one.seconds or 0 for one in estimates))
    line += f" and {completion:,} completion tokens, {seconds} at the speed of the last runs"
    return line if dollars is None else f"{line}, ${dollars:,.2f}"


def _time(seconds: float) -> str:
    if seconds < 1:
        return "less than a second"
    return f"about {timedelta(seconds=round(seconds))}" if seconds >= 60 else f"{seconds:.0f} s"
