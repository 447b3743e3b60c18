"""Puts the items of a benchmark to a model, in the way that its kind asks for, and marks them."""

from collections.abc import Sequence
from dataclasses import replace

from stages.config.paths import INPUTS
from stages.llm.client import Client, Step
from stages.llm.request import Image, Message, Prompt
from stages.scoring.marks import Marked, mark, marked
from stages.scoring.scorers import SCORERS
from stages.testsets.item import Item
from stages.testsets.shots import with_shots

HARNESS = {"arc", "bbh", "gsm8k", "human-eval", "mmlu"}
"""kinds that lm-evaluation-harness asks and scores"""

PROGRAMS = {"human-eval"}
"""kinds whose answers are programs, which tests decide on"""

JUDGED = {"alpaca-eval", "seqeval"}
"""kinds whose answers a judge marks"""

VISUAL = {"gqa", "vqav2"}
"""kinds whose items are about pictures, which they name"""


def _render(item: Item, *images: Image) -> Prompt:
    row = item.row
    system = (Message("system", row.system),) if row.system else ()
    return Prompt((*system, Message("user", row.query, images)))


ANSWER: Step[Item, str] = Step("answer", _render, lambda item, reply: reply)


def put(
    benchmark: str, kind: str, items: Sequence[Item], shots: Sequence[Item], client: Client
) -> list[Marked]:
    """The marked answers to `items`, in order; without marks where a judge or a test decides.

    `shots` are solved examples, which the model is shown before each question.
    """
    if kind in HARNESS:
        from stages.scoring.harness.run import run  # noqa: PLC0415 - five seconds of imports

        return run(kind, items, shots, client)
    asked = with_shots(items, shots) if shots else items
    step = _with_pictures(benchmark) if kind in VISUAL and items else ANSWER
    answers = client.map(lambda item: client.ask(item, step), asked)
    found = [(answer.reply, answer.failure or "answered") for answer in answers]
    if kind in JUDGED:
        return [marked(item, *one, {}) for item, one in zip(items, found, strict=True)]
    scorer = SCORERS[kind]
    return [mark(item, *one, scorer) for item, one in zip(items, found, strict=True)]


def _with_pictures(benchmark: str) -> Step[Item, str]:
    """The step that shows the item's picture. Raises BuildError when it is not to be had."""
    from stages.testsets.photos import open_photos  # noqa: PLC0415 - of no text model

    fetch = open_photos(benchmark, INPUTS)
    return replace(ANSWER, render=lambda item: _render(item, Image(fetch(item))))
