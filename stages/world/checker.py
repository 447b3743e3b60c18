"""The checker: scores any answer to a chain of tasks, per sub-task, by content."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stages.world.passages import Passage
from stages.world.tasks import Ask

_MARKER = re.compile(r"^(?:[-*•]|\(?\d+[.)]|(?:Step|Task|Answer) ?\d*[:.])\s+")
_WITHIN_LINE = re.compile(r"(?:[;|,]|\.(?=\s)|\band\b|\bthen\b)\s*")
_LONGEST = 8  # lines of the longest single answer


@dataclass(frozen=True, slots=True)
class Score:
    """How an answer does a chain of `tasks` tasks; counts of tasks, each between 0 and `tasks`."""

    tasks: int
    attempted: int
    """tasks for which an answer of the right kind stands in its place"""
    right: int
    """tasks whose exact answer stands in its place"""
    exact: bool
    """all of them right, and nothing else said"""


def check(answer: str, asks: Sequence[Ask], passage: Passage | None) -> Score:
    """Score `answer` against the chain; answers must come in order, but any layout will do.

    A sub-answer counts when it is the whole content of one or more consecutive lines, or of one
    or more consecutive parts of a line cut at commas, semicolons, full stops, "and" and "then".
    It never counts inside a longer text: a name is not answered by a sentence that mentions it.
    """
    lines = [_MARKER.sub("", line.strip()) for line in answer.splitlines() if line.strip()]
    parts = [part.strip(" .") for line in lines for part in _WITHIN_LINE.split(line)]
    layouts = [lines, [part for part in parts if part]]
    expected = [_plain(ask.answer(passage)) for ask in asks]

    def is_right(task: int, text: str) -> bool:
        return _plain(text) == expected[task]

    def is_attempt(task: int, text: str) -> bool:
        return is_right(task, text) or asks[task].task.kind.fullmatch(text) is not None

    right = max(_matches(layout, len(asks), is_right)[0] for layout in layouts)
    attempted = max(_matches(layout, len(asks), is_attempt)[0] for layout in layouts)
    exact = any(
        _matches(layout, len(asks), is_right) == (len(asks), len(layout)) for layout in layouts
    )
    return Score(len(asks), attempted, right, exact)


def _plain(text: str) -> str:
    return "\n".join(line.strip().rstrip(".") for line in text.splitlines())


def _matches(
    units: Sequence[str], tasks: int, accepts: Callable[[int, str], bool]
) -> tuple[int, int]:
    """The most tasks that can be matched in order, and how many units those matches use up."""
    best = [[(0, 0)] * (len(units) + 1) for _ in range(tasks + 1)]
    for task in reversed(range(tasks)):
        for start in reversed(range(len(units) + 1)):
            best[task][start] = best[task + 1][start]
            if start < len(units):
                best[task][start] = max(best[task][start], best[task][start + 1])
            for size in range(1, min(_LONGEST, len(units) - start) + 1):
                if accepts(task, "\n".join(units[start : start + size])):
                    done, used = best[task + 1][start + size]
                    best[task][start] = max(best[task][start], (done + 1, used + size))
    return best[0][0]
