"""Seq-Instruct: one iteration turns rows into longer sequences of tasks (paper, section 2.3.2)."""

from dataclasses import dataclass

from stages.llm.client import Answer, Client, Step, Unusable
from stages.llm.prompts import FewShot
from stages.llm.request import Prompt
from stages.methods.preserve import lost_content
from stages.methods.replies import read_new_instruction, read_option
from stages.rows.row import Row

OPTIONS = {"A": "decompose", "B": "prefix", "C": "suffix", "D": "hold"}

_CLASSIFY = FewShot("seq_instruct/classify")
_REWRITE = {
    option: FewShot(f"seq_instruct/{option}") for option in ("decompose", "prefix", "suffix")
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A row with the option that was chosen for it."""

    row: Row
    option: str


def _render_classify(row: Row) -> Prompt:
    return _CLASSIFY.render(instruction=row.instruction, input=row.input)


def _parse_classify(row: Row, reply: str) -> str:
    return OPTIONS[read_option(reply)]


def _render_rewrite(chosen: Chosen) -> Prompt | None:
    if chosen.option == "hold":
        return None
    row = chosen.row
    return _REWRITE[chosen.option].render(instruction=row.instruction, input=row.input)


def _parse_rewrite(chosen: Chosen, reply: str) -> str:
    """The new instruction, accepted only when it is new and has lost nothing."""
    original, rewrite = chosen.row.instruction, read_new_instruction(reply)
    if rewrite.split() == original.split():
        raise Unusable("unchanged")
    if lost := lost_content(original, rewrite):
        raise Unusable(f"lost-{lost}")
    if chosen.row.input and chosen.row.input in rewrite and chosen.row.input not in original:
        raise Unusable("input-copied")
    return rewrite


CLASSIFY: Step[Row, str] = Step("classify", _render_classify, _parse_classify)
REWRITE: Step[Chosen, str] = Step("rewrite", _render_rewrite, _parse_rewrite)


async def iterate(row: Row, iteration: int, client: Client) -> Row:
    """The row after one more iteration, with one more event.

    A row that was held before is frozen. A row is held when the model says so, or when no usable
    reply comes within the client's attempts; the reason is in the event's outcome.
    """
    if row.is_held:
        return row.after("sequence", "frozen", iteration=iteration, option="hold")
    choice = await client.ask(row, CLASSIFY)
    chosen = Chosen(row, choice.value or "hold")
    rewrite = await client.ask(chosen, REWRITE)
    return _grown(chosen, iteration, choice, rewrite)


def _grown(chosen: Chosen, iteration: int, choice: Answer[str], rewrite: Answer[str]) -> Row:
    row = chosen.row
    if choice.failure:
        outcome = f"held: classify {choice.failure}"
    elif rewrite.failure:
        outcome = f"held: {chosen.option} {rewrite.failure}"
    else:
        outcome = "rewritten" if rewrite.value else "held"
    return row.after(
        "sequence",
        outcome,
        iteration=iteration,
        option=chosen.option if outcome == "rewritten" else "hold",
        requests=(*choice.requests, *rewrite.requests),
        instruction=rewrite.value or row.instruction,
        tasks=row.tasks + (outcome == "rewritten"),
    )
