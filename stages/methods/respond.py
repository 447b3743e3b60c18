"""Responses: every row is answered anew, by the model that made the sequences (paper, 2.3.2)."""

from stages.llm.client import Client, Step
from stages.llm.request import Message, Prompt
from stages.rows.quarantine import Quarantined, take_out
from stages.rows.row import Row


def _render(row: Row) -> Prompt:
    system = (Message("system", row.system),) if row.system else ()
    return Prompt((*system, Message("user", row.query)), reference=row.output)


def _parse(row: Row, reply: str) -> str:
    return reply.strip()


RESPOND: Step[Row, str] = Step("respond", _render, _parse)


async def respond(row: Row, client: Client) -> Row | Quarantined:
    """The row with a new response, or the reason why the model gave none."""
    answer = await client.ask(row, RESPOND)
    if answer.value is None:
        detail = f"No usable response in {len(answer.requests)} attempts."
        return take_out(row, "respond", f"unanswered: {answer.failure}", detail, answer.reply)
    return row.after("respond", "answered", requests=answer.requests, output=answer.value)
