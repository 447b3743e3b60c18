"""The oracle's side of SIT-split: instruction and response taken apart where their tasks are."""

import random
import re

from stages.world.chains import read_chain, write_chain
from stages.world.evolution import Known, read_query
from stages.world.passages import read_passage

_SPLIT = re.compile(
    r"#Instruction#:\n(.*?)\n\n(?:#Input#:\n(.*?)\n\n)?#Response#:\n(.*)\n\nNow splitting them\.",
    re.DOTALL,
)
# The forms that `strangers.py` writes.
_FRONT = re.compile(
    r"First, (?P<one>[^.\n]* the request below[^.\n]*)\. "
    r"(?:Then (?P<two>[^.\n]* the request below[^.\n]*)\. )?Then do this: "
)
_TAIL = re.compile(
    r"\n\nAfter that, (?P<one>[^.\n]* your answer[^.\n]*)\."
    r"(?: Finally, (?P<two>[^.\n]* your answer[^.\n]*)\.)?\Z"
)


def reply(message: str, rng: random.Random) -> str | None:
    """The reply to a message of SIT-split; None where the message is none."""
    found = _SPLIT.fullmatch(message)
    if not found:
        return None
    instruction, material, response = found[1], found[2] or "", found[3]
    pairs = (
        _of_world(instruction, material, rng)
        or _of_stranger(instruction, response)
        or [(instruction, response)]
    )
    return "\n".join(
        f"Instruction {number}: {query}\nResponse {number}: {answer}"
        for number, (query, answer) in enumerate(pairs, 1)
    )


def _of_world(instruction: str, material: str, rng: random.Random) -> list[tuple[str, str]] | None:
    known = _read(instruction, material)
    if known is None:
        return None
    return [
        (known.form.replace("{}", write_chain([ask], rng)), ask.answer(known.passage))
        for ask in known.chain
    ]


def _read(instruction: str, material: str) -> Known | None:
    """The tasks of a row of the world: the passage is its input, or stands in the instruction."""
    passage, chain = read_passage(material), read_chain(instruction)
    if passage and chain:
        return Known(chain, passage, "{}")
    return None if material else read_query(instruction)


def _of_stranger(instruction: str, response: str) -> list[tuple[str, str]] | None:
    """The tasks in front, the original one, the tasks at the end; each with what it is about."""
    front, tail = _FRONT.match(instruction), _TAIL.search(instruction)
    before, after = _tasks(front), _tasks(tail)
    answers = response.split("\n\n")
    start, end = len(before), len(answers) - len(after)
    if start >= end or start + len(after) == 0:
        return None
    below = instruction[front.end() :] if front else instruction
    original = below.removesuffix(tail.group()) if tail else below
    # A part is trained on alone, so it says again what request it means. What is below a task in
    # front includes the tasks at the end: they were counted too.
    queries = [
        *(f"{task[:1].upper()}{task[1:]}.\n\n{below}" for task in before),
        original,
        *(f"For the request below, {task}.\n\n{original}" for task in after),
    ]
    parts = [*answers[:start], "\n\n".join(answers[start:end]), *answers[end:]]
    return list(zip(queries, parts, strict=True))


def _tasks(found: re.Match[str] | None) -> list[str]:
    return [task for task in found.group("one", "two") if task] if found else []
