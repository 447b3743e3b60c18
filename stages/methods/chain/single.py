"""Chains of one task, which all longer ones begin with: those for training, those for the tests."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from stages.llm.client import Client
from stages.llm.tables import Method
from stages.methods.chain.catalogue import task_of
from stages.methods.chain.labels import has_label
from stages.methods.chain.split import is_test_input
from stages.methods.chain.steps import SUMMARISE
from stages.rows.parquet import read_rows
from stages.rows.quarantine import LEFT_OUT, Quarantined, take_out
from stages.rows.row import Row


def single(tables: Sequence[Path]) -> Method:
    """The rows for training, with their definitions summarised.

    Published chains hold 15 words for each task, definitions have 53: they are summaries.
    Of rows that ask the same the first stays: other outputs would contradict it.
    """
    repeats = _repeats(tables[0])

    async def for_training(row: Row, client: Client) -> Row | Quarantined:
        if is_test_input(row.input):
            detail = "The input is one of those that only test chains begin with."
            return take_out(row, "chain", f"{LEFT_OUT}for the tests", detail)
        return await _summarised(row, client, repeats)

    return for_training


def held_out(tables: Sequence[Path]) -> Method:
    """The rows for the tests, otherwise as `single` makes them."""
    repeats = _repeats(tables[0])

    async def for_tests(row: Row, client: Client) -> Row | Quarantined:
        if not is_test_input(row.input):
            detail = "The input is one of those that only training chains begin with."
            return take_out(row, "chain", f"{LEFT_OUT}for training", detail)
        return await _summarised(row, client, repeats)

    return for_tests


def _repeats(table: Path) -> set[str]:
    """The ids of rows that ask what a row before them asks. Memory: 16 bytes for each row."""
    seen: set[bytes] = set()
    repeats: set[str] = set()
    for row in read_rows(table):
        asked = hashlib.sha256(f"{row.instruction}\0{row.input}".encode()).digest()[:16]
        if asked in seen:
            repeats.add(row.id)
        seen.add(asked)
    return repeats


async def _summarised(row: Row, client: Client, repeats: set[str]) -> Row | Quarantined:
    if row.id in repeats:
        detail = "Another row has the same definition and input, and another output."
        return take_out(row, "chain", f"{LEFT_OUT}asked before", detail)
    if has_label(row.output):
        detail = "The output holds what looks like the label of an output in a chain."
        return take_out(row, "chain", f"{LEFT_OUT}label in the output", detail)
    # The same request for all rows of a task: it is asked once.
    answer = await client.ask(row.instruction, SUMMARISE)
    if answer.value is None:
        detail = f"No usable summary of the definition in {len(answer.requests)} attempts."
        return take_out(row, "chain", f"unsummarised: {answer.failure}", detail, answer.reply)
    return row.after(
        "chain",
        "summarised",
        option=task_of(row),
        requests=answer.requests,
        instruction=answer.value,
    )
