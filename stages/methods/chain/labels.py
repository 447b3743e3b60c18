"""How a chain is written: its instructions, joined, and its outputs, each behind a label."""

import re
from collections.abc import Sequence

from stages.rows.row import Row

# Both are the method's own. A third of the published rows spell the last label otherwise.
_AND_THEN = " and then "
_LABEL = re.compile(r"^Task ?\d+ output(?: and task ?\d+ input)?:", re.MULTILINE | re.IGNORECASE)
_WRITTEN = re.compile(r"^Task \d+ output(?: and task \d+ input)?: ", re.MULTILINE)


def join_instructions(first: str, added: str) -> str:
    """The instruction of a chain and a task behind it, as one sentence.

    Instructions begin with a verb in the imperative, so that a small letter damages no name.
    """
    return f"{first.removesuffix('.')}{_AND_THEN}{added[:1].lower()}{added[1:]}"


def write_outputs(outputs: Sequence[str]) -> str:
    """The outputs of a chain in order, each from a line of its own on; an only one stands bare.

    What is one output is, to the letter, the input of the next task: it is written once.
    """
    if len(outputs) == 1:
        return outputs[0]
    last = len(outputs)
    return "\n".join(
        f"Task {number} output: {output}"
        if number == last
        else f"Task {number} output and task {number + 1} input: {output}"
        for number, output in enumerate(outputs, 1)
    )


def read_outputs(row: Row) -> list[str]:
    """The outputs of a chain: `write_outputs` backwards."""
    if row.tasks == 1:
        return [row.output]
    outputs = [part.removesuffix("\n") for part in _WRITTEN.split(row.output)[1:]]
    assert len(outputs) == row.tasks and write_outputs(outputs) == row.output, row.id
    return outputs


def has_label(text: str) -> bool:
    """Whether a line of the text begins as a label does: no chain with it could be read back."""
    return _LABEL.search(text) is not None
