"""The summarised variant: each chain with its joined instruction said in one shorter sentence."""

from collections.abc import Sequence
from pathlib import Path

from stages.llm.client import Client
from stages.llm.tables import Method
from stages.methods.chain.steps import CONDENSE
from stages.rows.quarantine import Quarantined, take_out
from stages.rows.row import Row


def condense(tables: Sequence[Path]) -> Method:
    """The same chains, inputs and outputs; rows of one task stay as they are."""

    async def condensed(row: Row, client: Client) -> Row | Quarantined:
        if row.tasks == 1:
            return row.after("chain", "kept: one task")
        answer = await client.ask(row.instruction, CONDENSE)
        if answer.value is None:
            detail = f"No usable summary of the chain in {len(answer.requests)} attempts."
            return take_out(row, "chain", f"unsummarised: {answer.failure}", detail, answer.reply)
        return row.after("chain", "summarised", requests=answer.requests, instruction=answer.value)

    return condensed
