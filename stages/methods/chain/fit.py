"""Whether a text could be the input of a task, by what the task's inputs have in common.

Cheap, and done before any model is asked: most pairs of tasks do not compose.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["number", "phrase", "question", "text"]

_NUMBER = re.compile(r"[-+]?[\d.,/ ]*\d[\d.,/ ]*%?")
_LONGEST_PHRASE = 3  # words
_MOST = 0.9  # of a task's inputs: what so many have, all must have
_USUAL = 0.6  # of a task's inputs: what so many are, the task takes
# Each of these asks for something that no single output brings: a story and a question, a table.
_FIELD = re.compile(r"(?:^|[\s\"'(\[])([A-Za-z][\w-]{0,20})\s?:\s")
_MARKS = "*_{}[]|<>=#@~\t\n,"
_FOREIGN = 0.2  # of the letters


@dataclass(frozen=True, slots=True)
class Demands:
    """What the inputs of a task have in common."""

    kind: Kind | None
    """None: they are of several kinds, or of several parts"""
    marks: frozenset[str]
    """characters that nearly all hold; `0` for a digit; of phrases `A` or `a`, how they begin"""
    shortest: float
    longest: float
    """words; half of what nearly all have at least, twice what they have at most"""
    is_foreign: bool
    """whether they are in letters outside of ASCII"""


def demands(inputs: Sequence[str]) -> Demands:
    """What the inputs of one task, at least one, have in common."""
    (kind, count), *_ = Counter(kind_of(text) for text in inputs).most_common(1)
    is_whole = sum(map(_has_parts, inputs)) < len(inputs) / 2
    held = Counter(mark for text in inputs for mark in _marks(text))
    lengths = sorted(len(text.split()) for text in inputs)
    edge = len(lengths) // 20
    return Demands(
        kind=kind if is_whole and count >= _USUAL * len(inputs) else None,
        marks=frozenset(mark for mark, n in held.items() if n >= _MOST * len(inputs)),
        shortest=lengths[edge] / 2,
        longest=lengths[-1 - edge] * 2,
        is_foreign=sum(map(_is_foreign, inputs)) >= len(inputs) / 2,
    )


def fits(text: str, wanted: Demands) -> bool:
    """Whether a text looks like the inputs of a task."""
    return (
        kind_of(text) == wanted.kind
        and wanted.shortest <= len(text.split()) <= wanted.longest
        and wanted.marks <= _marks(text)
        and _is_foreign(text) == wanted.is_foreign
    )


def kind_of(text: str) -> Kind:
    """What a text looks like."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return "number"
    if text.endswith("?"):
        return "question"
    return "phrase" if len(text.split()) <= _LONGEST_PHRASE else "text"


def _has_parts(text: str) -> bool:
    """Whether a text has several parts: named fields, or a question behind something else."""
    text = text.strip()
    asks = text.count("?") > 1 or (text.endswith("?") and re.search(r"[.!]\s", text) is not None)
    return asks or len(set(_FIELD.findall(text))) > 1


def _marks(text: str) -> set[str]:
    found = {mark for mark in _MARKS if mark in text}
    if any(character.isdigit() for character in text):
        found.add("0")
    # Names begin with a capital letter. Of longer texts the case says too little.
    if kind_of(text) == "phrase":
        found.add("A" if text[:1].isupper() else "a")
    return found


def _is_foreign(text: str) -> bool:
    letters = [character for character in text if character.isalpha()]
    return sum(not letter.isascii() for letter in letters) > _FOREIGN * len(letters)
