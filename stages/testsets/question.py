"""A question as its upstream has it, and the ways in which a test set asks it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from stages.sources.shape import Record, Shape, Unfit, read_text
from stages.testsets.item import Choice


@dataclass(frozen=True, slots=True)
class Question:
    """The clean content of an upstream record."""

    text: str
    answers: tuple[str, ...] = ()
    key: str = ""
    """what the question is called upstream, the same in every part; empty: its position"""
    context: str = ""
    choices: tuple[Choice, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the part that it stands in, and its English form where there is one."""

    question: Question
    part: str
    english: Question | None


@dataclass(frozen=True, slots=True)
class Draft:
    """One way of asking a question: an item without its id and its origin."""

    instruction: str
    input: str = ""
    group: str = ""
    """empty: the part, or `all` where there are no parts"""
    variant: str = ""
    """tells apart the items of one question"""
    references: tuple[str, ...] = ()
    tasks: int = 1
    language: str = "en"
    choices: tuple[Choice, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of test set: what its records are, and how they are asked."""

    shape: Shape
    pose: Callable[[Asked], Iterable[Draft]]
    """a pure function; raises Unfit"""
    unfold: Callable[[Any], Iterable[object]] | None = None
    """the records of a .json file that holds one object; raises LookupError or TypeError"""


def shape(
    name: str,
    needed: tuple[str, ...],
    parse: Callable[[Record], Question],
    optional: tuple[str, ...] = (),
    bare: Shape | None = None,
) -> Shape:
    """The shape of records that become questions. `parse` raises Unfit."""
    # Shape is declared for rows; it does nothing with what its parser gives back.
    return Shape(name, needed, optional, cast(Any, parse), bare)


def read_texts(record: Record, column: str, values: object, reason: str) -> tuple[str, ...]:
    """The clean texts of a list that a column holds, empty ones too. Raises Unfit."""
    if not isinstance(values, list):
        raise Unfit(reason, f"{record.name(column)} holds no list of texts")
    return tuple(read_text(record.name(column), one, record.counts).strip() for one in values)


def read_choices(record: Record, column: str, labels: object, texts: object) -> tuple[Choice, ...]:
    """Choices from a list of labels and one of texts. Raises Unfit for fewer than two."""
    found = [read_texts(record, column, one, "bad-choices") for one in (labels, texts)]
    if len(found[0]) != len(found[1]) or len(found[0]) < 2 or not all((*found[0], *found[1])):
        raise Unfit("bad-choices", "fewer than two choices, or one without label or text")
    if len(set(found[0])) != len(found[0]):
        raise Unfit("bad-choices", "two choices have the same label")
    return tuple(Choice(label, text) for label, text in zip(*found, strict=True))


def read_gold(label: str, choices: tuple[Choice, ...]) -> str:
    """The label of the right choice. Raises Unfit when no choice has it."""
    if label not in {choice.label for choice in choices}:
        raise Unfit("no-gold", f"the answer '{label[:20]}' is none of the choices")
    return label
