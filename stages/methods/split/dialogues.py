"""SIT-multi: the tasks of a row become the turns of a dialogue."""

from stages.llm.client import Client
from stages.llm.tables import Method
from stages.methods.split.parts import SPLIT, unsplit
from stages.rows.quarantine import Quarantined
from stages.rows.row import Row


def dialogues() -> Method:
    """Rows of several tasks are asked them one by one; rows of one task stay as they are.

    The input comes with the first turn only: in the later ones it has been said. The parts are
    those of SIT-split, from the same replies.
    """

    async def in_turns(row: Row, client: Client) -> Row | Quarantined:
        answer = await client.ask(row, SPLIT)
        if answer.failure:
            return unsplit(row, answer)
        if answer.value is None:
            return row.after("split", "kept: one task")
        first, *later = answer.value
        return row.after(
            "split",
            "split",
            option="dialogues",
            requests=answer.requests,
            instruction=first.query,
            output=first.response,
            further=(*later, *row.further),
        )

    return in_turns
