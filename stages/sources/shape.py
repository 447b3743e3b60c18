"""A shape: which columns the records of a source have, and how one becomes the text of a row."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import NamedTuple

from stages.config.errors import BuildError
from stages.rows.row import Picture
from stages.sources.text import clean, is_blank, lone_surrogate

# Characters. The longest field of Alpaca has 4,181; a context of 128k tokens holds about 500,000.
MAX_FIELD = 1_000_000


class Fields(NamedTuple):
    """The text of one row, clean, and its picture."""

    instruction: str
    input: str
    output: str
    system: str = ""
    part: str = ""
    """the part of the upstream that the row is from, such as its task; empty: it has no parts"""
    number: int | None = None
    """its position in that part, from 0; None: the position in the whole upstream counts"""
    image: Picture | None = None
    """as it was found: nobody has tried to decode it"""
    id: str = ""
    """the id that the row has upstream and keeps; empty: its content gives it one"""
    placement: str = "after"
    """where the input stands, see `Row`"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that cannot become a row, and why. A reader may yield one in place of a record."""

    reason: str
    """short and countable"""
    detail: str
    """a sentence about this record"""
    record: object
    """the record, whole"""


class Unfit(Exception):
    """Why a record cannot become a row: a countable reason, and a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


class Record:
    """A record that has all the columns it needs, read by our names for them."""

    def __init__(
        self, values: Mapping[str, object], names: Mapping[str, str], counts: Counter[str]
    ) -> None:
        self._values, self._names = values, names
        self.counts = counts
        """what was changed, by kind"""

    def name(self, column: str) -> str:
        """What the upstream calls a column."""
        return self._names[column]

    def value(self, column: str) -> object:
        """The value as it was found; None where an optional column is absent."""
        return self._values.get(self._names.get(column, ""))

    def text(self, column: str) -> str:
        """The text of a column, clean. Raises Unfit."""
        return read_text(self.name(column), self.value(column), self.counts)

    def filled(self, column: str, reason: str) -> str:
        """The text of a column, clean. Raises Unfit, with `reason` when there is nothing in it."""
        text = self.text(column)
        if is_blank(text):
            raise Unfit(reason, f"there is nothing in {self.name(column)}")
        return text

    def text_or_empty(self, column: str) -> str:
        """The text of a column, clean; empty where it is absent, null or blank. Raises Unfit."""
        if self.value(column) is None:
            return ""
        text = self.text(column)
        return "" if is_blank(text) else text


@dataclass(frozen=True, slots=True)
class Shape:
    """Which columns a record must and may have, and what its text is."""

    name: str
    needed: tuple[str, ...]
    optional: tuple[str, ...]
    parse: Callable[[Record], Fields]
    """a pure function of the record; raises Unfit"""
    bare: "Shape | None" = None
    """what a .tsv file without a header holds, its columns in this order; None: none is read"""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """our name of a column -> the upstream's, where they differ"""

    def with_names(self, renamed: Mapping[str, str]) -> "Shape":
        """The shape of an upstream that calls some columns otherwise; these it must then have."""
        return replace(
            self,
            needed=(*self.needed, *(column for column in self.optional if column in renamed)),
            optional=tuple(column for column in self.optional if column not in renamed),
            renamed=renamed,
        )

    def needs(self) -> list[str]:
        """The columns that must be there, as the upstream calls them."""
        return [self.renamed.get(column, column) for column in self.needed]

    def reads(self, found: Collection[str]) -> dict[str, str]:
        """Of the columns that are there, those that are read: our name -> the upstream's."""
        needed = dict(zip(self.needed, self.needs(), strict=True))
        # A column that stands for a needed one is not read a second time under its own name.
        others = [c for c in self.optional if c not in needed.values()]
        names = {**needed, **{column: column for column in others}}
        return {ours: theirs for ours, theirs in names.items() if theirs in found}

    def check(self, where: str, found: Sequence[str]) -> None:
        """Raise BuildError unless a table has each needed column once; others may stand beside."""
        for column in self.needs():
            if found.count(column) == 1:
                continue
            close = get_close_matches(column, set(found) - set(self.needs()), n=1, cutoff=0.75)
            hint = f" Is it '{close[0]}'? Then rename it." if close else ""
            raise BuildError(
                f"{where}: column '{column}' occurs {found.count(column)} times, expected once."
                f"{hint} Needed: {', '.join(self.needs())}. Found: {shown(', '.join(found))}. "
                "Other names can be mapped with `columns` in the profile."
            )

    def read(self, record: object, counts: Counter[str]) -> Fields | Refusal:
        """The clean text of a record, or why it cannot be a row.

        Adds to `counts` what was changed: see `clean` and the shape's own module.
        """
        if isinstance(record, Refusal):
            return record
        if not isinstance(record, dict):
            return Refusal("not-an-object", f"expected an object, found {shown(record)}", record)
        names = self.reads(record)
        if missing := [column for column in self.needs() if column not in record]:
            detail = f"no {' and no '.join(missing)} among the columns {shown(', '.join(record))}"
            return Refusal("missing-column", detail, record)
        try:
            return self.parse(Record(record, names, counts))
        except Unfit as unfit:
            return Refusal(unfit.reason, unfit.detail, record)


def read_text(name: str, text: object, counts: Counter[str]) -> str:
    """The text, clean. Raises Unfit where it is no text, too long, or cannot be written."""
    if not isinstance(text, str):
        raise Unfit("not-text", f"{name} is no text but {shown(text)}")
    if len(text) > MAX_FIELD:
        raise Unfit("too-long", f"{name} has {len(text):,} characters, {MAX_FIELD:,} are allowed")
    if lone := lone_surrogate(text):
        raise Unfit("invalid-unicode", f"{name} has half a surrogate pair, U+{ord(lone):04X}")
    return clean(text, counts)


def shown(value: object) -> str:
    """A value for a sentence: ASCII, and cut."""
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
