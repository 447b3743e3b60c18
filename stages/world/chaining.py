"""The oracle's replies to the prompts of Chain-of-Instructions, right by construction."""

import random
import re

from stages.world.natural import BY_DEFINITION

_SUMMARISE = re.compile(r"The definition of the task is:\n(.*)\n\nWrite its summary\.", re.DOTALL)
_CONDENSE = re.compile(r"The instruction is:\n(.*)\n\nWrite its summary\.", re.DOTALL)
_COMPOSE = re.compile(
    r"The first task is:\n.*?\n\nIts output is:\n(.*)\n\nThe second task is:\n(.*?)\n\n"
    r"An input that the second task is made for:\n.*",
    re.DOTALL,
)


def reply(message: str, rng: random.Random) -> str | None:
    """The reply to a message of these prompts; None where it is of other ones.

    A definition that is none of the world's is summarised by its first sentence, and a task that
    is none of the world's never composes: its answer could not be computed.
    """
    if found := _SUMMARISE.fullmatch(message):
        task = BY_DEFINITION.get(found[1])
        return f"Summary: {task.summary if task else _first_sentence(found[1])}"
    if found := _CONDENSE.fullmatch(message):
        return f"Summary: {_condensed(found[1])}"
    if found := _COMPOSE.fullmatch(message):
        task = BY_DEFINITION.get(found[2])
        answer = task.answer(found[1]) if task else None
        if answer is None:
            return "The output is not the kind of thing that the second task takes.\nComposable: no"
        return f"The second task takes such an input.\nComposable: yes\nOutput: {answer}"
    return None


def _first_sentence(definition: str) -> str:
    return re.split(r"(?<=[.!?])\s", definition.strip(), maxsplit=1)[0]


def _condensed(instruction: str) -> str:
    """All steps in one sentence. 'and then' becomes 'then', so that it is shorter."""
    first, *others = (step.rstrip(".") for step in instruction.split(" and then "))
    return ", then ".join([first, *(step[:1].lower() + step[1:] for step in others)]) + "."
