"""The oracle's side of input extraction: it finds the passage that it knows inside a text."""

import random
import re

from stages.world.chains import read_chain
from stages.world.passages import read_passage

_QUESTION = re.compile(
    r"The text is:\n(.*)\n\nNow divide it into instruction and input\.", re.DOTALL
)


def reply(message: str, rng: random.Random) -> str | None:
    """Instruction and input of the text in a message; None when it asks for something else.

    A passage of the world that is the first or the last paragraph, beside tasks of the world, is
    the input. Texts of any other kind stay whole: of a stranger's paragraph nobody here can tell
    whether it is material.
    """
    found = _QUESTION.fullmatch(message)
    if not found:
        return None
    instruction, material = _divide(found[1])
    return f'Instruction: "{instruction}"###\nInput: {material}###'


def _divide(text: str) -> tuple[str, str]:
    first, _, below = text.partition("\n\n")
    above, _, last = text.rpartition("\n\n")
    for task, material in ((below, first), (above, last)):
        if read_passage(material) and read_chain(task):
            return task, material
    return text, ""
