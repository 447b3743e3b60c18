"""World rows in the shapes of the sources: one task each, most of them about a passage."""

import hashlib
import random
from collections.abc import Callable, Iterator
from typing import Any

from stages.world.chains import answer_chain, tasks_about, write_chain
from stages.world.passages import Passage, draw_passage
from stages.world.tasks import Ask, draw_ask

# Of the draws, not of the rows: the tasks about nothing can only be asked in 567 ways, and what was
# drawn before is skipped. Of 6,000 rows 4 to 5 % are about nothing.
_ABOUT_NOTHING = 0.10
_BENCHMARK_BYTES = 26  # of the 256 values of a byte: one passage in ten

_SYSTEM_PROMPTS = (
    "Give the answer and nothing else.",
    "You help a clerk with short notes. Do exactly what is asked.",
    "You are a careful reader, and brief.",
)
_WITH_SYSTEM = 0.5
_PASSAGE_FIRST = 0.5
# One chat in fifty. The real mixture has one in 1,200, of which a sample of 600 would show none.
_EMPTY_MESSAGE = 0.02
_MOST_EXCHANGES = 3


def is_benchmark(passage: Passage) -> bool:
    """Whether the passage is kept for the benchmark; no training row may hold it."""
    return hashlib.sha256(passage.text.encode()).digest()[0] < _BENCHMARK_BYTES


def draw_training_passage(rng: random.Random) -> Passage:
    """A passage that the benchmark cannot hold."""
    passage = draw_passage(rng)
    while is_benchmark(passage):
        passage = draw_passage(rng)
    return passage


def _draw_tasks(rng: random.Random) -> Iterator[tuple[str, Ask, Passage | None]]:
    """Endless distinct tasks: the instruction, what it asks for, and the passage, if any."""
    about_text, about_nothing = tasks_about("text"), tasks_about("nothing")
    drawn: set[tuple[str, str]] = set()
    while True:
        passage = None if rng.random() < _ABOUT_NOTHING else draw_training_passage(rng)
        ask = draw_ask(rng, rng.choice(about_text if passage else about_nothing), passage)
        instruction = write_chain([ask], rng)
        key = (instruction, passage.text if passage else "")
        if key in drawn:
            continue
        drawn.add(key)
        yield instruction, ask, passage


def _draw_alpaca(seed: str) -> Iterator[dict[str, Any]]:
    """Instruction, input and output."""
    for instruction, ask, passage in _draw_tasks(random.Random(f"rows {seed}")):
        yield {
            "instruction": instruction,
            "input": passage.text if passage else "",
            "output": answer_chain([ask], passage),
        }


def _draw_flan(seed: str) -> Iterator[dict[str, Any]]:
    """Task and passage in one question, in either order; half of the rows with a system prompt."""
    rng = random.Random(f"rows {seed}")
    for number, (instruction, ask, passage) in enumerate(_draw_tasks(rng)):
        has_system = rng.random() < _WITH_SYSTEM
        yield {
            "id": f"world.{number}",
            "system_prompt": rng.choice(_SYSTEM_PROMPTS) if has_system else "",
            "question": _question(instruction, passage, rng),
            "response": answer_chain([ask], passage),
        }


def _draw_messages(seed: str) -> Iterator[dict[str, Any]]:
    """Chats of one to three exchanges about one passage; in a fixed share a message is empty."""
    rng = random.Random(f"rows {seed}")
    for number, (instruction, ask, passage) in enumerate(_draw_tasks(rng)):
        messages = []
        if rng.random() < _WITH_SYSTEM:
            messages.append({"role": "system", "content": rng.choice(_SYSTEM_PROMPTS)})
        start = len(messages)
        messages += _exchange(_question(instruction, passage, rng), ask, passage)
        if passage:
            others = [task for task in tasks_about("text") if task is not ask.task]
            for task in rng.sample(others, rng.randrange(_MOST_EXCHANGES)):
                more = draw_ask(rng, task, passage)
                messages += _exchange(write_chain([more], rng), more, passage)
        if rng.random() < _EMPTY_MESSAGE:
            messages[start + rng.randrange(2)]["content"] = ""
        yield {"dataset": "world", "id": f"world_{number}", "messages": messages}


def _question(instruction: str, passage: Passage | None, rng: random.Random) -> str:
    """Task and passage as one text."""
    if passage is None:
        return instruction
    parts = [instruction, passage.text]
    if rng.random() < _PASSAGE_FIRST:
        parts.reverse()
    return "\n\n".join(parts)


def _exchange(question: str, ask: Ask, passage: Passage | None) -> list[dict[str, str]]:
    return [
        {"role": "user", "content": question},
        {"role": "assistant", "content": answer_chain([ask], passage)},
    ]


DRAW: dict[str, Callable[[str], Iterator[dict[str, Any]]]] = {
    "alpaca": _draw_alpaca,
    "flan": _draw_flan,
    "messages": _draw_messages,
}
"""Endless distinct records of each shape; the same seed gives the same ones, however many."""
