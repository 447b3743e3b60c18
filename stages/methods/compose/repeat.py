"""Repeat, then answer: the input comes back in front of the response (paper, appendix A)."""

from collections.abc import Sequence
from pathlib import Path

from stages.llm.client import Client
from stages.llm.tables import Method
from stages.methods.compose.in_front import put_in_front
from stages.rows.row import Row

TASK = "First repeat the input, then"


def repeat(tables: Sequence[Path]) -> Method:
    """Rows with an input are asked to repeat it first; rows without stay as they are."""

    async def with_input_repeated(row: Row, client: Client) -> Row:
        if not row.input:
            return row.after("compose", "kept: no input")
        return row.after(
            "compose",
            "composed",
            option="repeat",
            instruction=put_in_front(TASK, row.instruction),
            output=f"{row.input}\n{row.output}",
            tasks=row.tasks + 1,
        )

    return with_input_repeated
