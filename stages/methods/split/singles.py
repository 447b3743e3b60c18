"""SIT-split: every task of a row becomes a row of its own."""

from stages.llm.client import Client
from stages.llm.tables import Method
from stages.methods.split.parts import SPLIT, unsplit
from stages.rows.quarantine import Quarantined
from stages.rows.row import Row


def singles() -> Method:
    """Rows of several tasks become one row for each; rows of one task stay as they are.

    Each part has the input of the row, because each is trained on alone.
    """

    async def into_parts(row: Row, client: Client) -> Row | tuple[Row, ...] | Quarantined:
        answer = await client.ask(row, SPLIT)
        if answer.failure:
            return unsplit(row, answer)
        if answer.value is None:
            return row.after("split", "kept: one task")
        return tuple(
            row.after(
                "split",
                "split",
                option="singles",
                requests=answer.requests,
                id=f"{row.id}#{number:02}",
                instruction=part.query,
                output=part.response,
                tasks=1,
            )
            for number, part in enumerate(answer.value, 1)
        )

    return into_parts
