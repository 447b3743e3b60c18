"""The life of a row as text for the terminal."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from stages.quality.life import Exchange, Life, Stage
from stages.rows.row import Row
from stages.texts.visible import shown, visible


def life_text(life: Life) -> RenderableType:
    """What `seqsmith show` prints for one dataset.

    Row text is data: no markup and no control character in it counts.
    """
    return Group(
        Rule(Text(f"{visible(life.id)} in {life.dataset}", "bold"), align="left"),
        *(part for stage in life.stages for part in _stage(stage)),
        *_end(life),
    )


def _stage(stage: Stage) -> Iterator[RenderableType]:
    if stage.quarantined:
        reason, detail = stage.quarantined["reason"], stage.quarantined["detail"]
        yield _heading(stage.reference, f"quarantined, {reason}")
        yield _indented(detail)
        if stage.quarantined["reply"]:
            yield _labelled("last reply", stage.quarantined["reply"])
        return
    if stage.row is None:
        yield _heading(stage.reference, "not there: built before the row was, or not yet")
        return
    if stage.event is None:
        yield from _source(stage.reference, stage.row)
        return
    event = stage.event
    yield _heading(stage.reference, ", ".join(filter(None, (event.option, event.outcome))))
    for exchange in stage.exchanges:
        yield from _exchange(exchange)
    if missing := len(event.requests) - len(stage.exchanges):
        yield _indented(f"{missing} of its requests are in no exported ledger")
    if event.step == "respond":
        yield _labelled("response", stage.row.output)
    elif stage.row.instruction != event.instruction:
        yield _labelled("instruction before", event.instruction)
        yield _labelled("instruction now", stage.row.instruction)


def _source(reference: str, row: Row) -> Iterator[RenderableType]:
    origin = row.origin
    revision = f" at {origin.revision[:12]}" if origin.revision else ""
    yield _heading(reference, f"row {origin.row:,} of {origin.repo}{revision}")
    for label, text in (
        ("system prompt", row.system),
        ("instruction", row.instruction),
        ("input", row.input),
        ("upstream response", row.output),
    ):
        if text:
            yield _labelled(label, text)


def _exchange(exchange: Exchange) -> Iterator[RenderableType]:
    prompt, completion = exchange.tokens
    yield _indented(
        f"request {exchange.key[:16]}, attempt {exchange.attempt}, {exchange.model}: "
        f"{exchange.outcome}, {prompt:,} + {completion:,} tokens"
    )
    yield _labelled("asked", exchange.question, depth=4)
    yield _labelled("replied", exchange.reply or exchange.detail, depth=4)


def _end(life: Life) -> Iterator[RenderableType]:
    against = ", ".join(life.verdicts) or "nothing against this row"
    yield _heading("audit", against if life.audited else "not yet run")
    yield _heading("release", ", ".join(life.releases) or "in none")


def _heading(name: str, what: str) -> Text:
    return Text.assemble((f"\n{name}", "bold"), f"  {visible(what)}")


def _labelled(label: str, text: str, depth: int = 2) -> RenderableType:
    return Group(
        Padding(Text(label, "dim"), (0, 0, 0, depth)),
        Padding(Text(shown(text)), (0, 0, 0, depth + 2)),
    )


def _indented(text: str) -> RenderableType:
    return Padding(Text(shown(text)), (0, 0, 0, 2))
