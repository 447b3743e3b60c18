"""Rows to show on the page: some of each number of tasks, and how each came about."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Literal

import polars as pl

from stages.rows.row import Row, from_record

_LONGEST_DIFF = 1_500  # words; the time to compare grows with their square

Piece = tuple[Literal["same", "new"], str]


@dataclass(frozen=True, slots=True)
class Moment:
    """The instruction as one step left it."""

    step: str
    outcome: str
    pieces: list[Piece]
    """the instruction, what stood there before apart from what is new; empty if unchanged"""


def choose(path: Path, count: int) -> list[Row]:
    """Up to `count` rows, as evenly as can be over the numbers of tasks, by id.

    Which rows of a number are taken is drawn by the hash of the id, so that it is the same on
    every run and for every size of the rest.
    """
    known = pl.scan_parquet(path).select("id", "tasks").collect(engine="streaming")
    strata: dict[int, list[str]] = {}
    for name, tasks in known.iter_rows():
        strata.setdefault(tasks, []).append(name)
    for names in strata.values():
        names.sort(key=lambda name: hashlib.sha256(name.encode()).digest())
    rounds = (
        (turn, tasks, name) for tasks, names in strata.items() for turn, name in enumerate(names)
    )
    chosen = {name for _, _, name in sorted(rounds)[:count]}
    found = pl.scan_parquet(path).filter(pl.col("id").is_in(chosen)).collect(engine="streaming")
    rows = [from_record(record) for record in found.to_dicts()]
    return sorted(rows, key=lambda row: (row.tasks, row.id))


def life(row: Row) -> list[Moment]:
    """The instruction at the source and after each step, with what is new marked."""
    before = [event.instruction for event in row.history] or [row.instruction]
    after = [*before[1:], row.instruction]
    moments = [Moment("source", "", [("same", before[0])])]
    for event, instruction in zip(row.history, after, strict=False):
        if event.step == "respond":
            continue
        what = f"iteration {event.iteration}" if event.step == "sequence" else event.step
        step = f"{what}: {event.option}" if event.option else what
        changed = instruction != event.instruction
        pieces = compare(event.instruction, instruction) if changed else []
        moments.append(Moment(step, event.outcome, pieces))
    return moments


def compare(old: str, new: str) -> list[Piece]:
    """`new` in pieces, word by word: those that `old` has in the same order, and the others."""
    words, before = (re.findall(r"\s*\S+|\s+\Z", text) for text in (new, old))
    if len(words) + len(before) > _LONGEST_DIFF:
        return [("same", new)]
    keys, keys_before = _keys(words), _keys(before)
    matcher = SequenceMatcher(None, keys_before, keys, autojunk=False)
    pieces: list[Piece] = []
    for kind, _, _, start, end in matcher.get_opcodes():
        if end > start:
            pieces.append(("same" if kind == "equal" else "new", "".join(words[start:end])))
    return pieces


def _keys(words: Sequence[str]) -> list[str]:
    """Words as compared: a capital or a full stop alone makes no new word."""
    return [word.strip().strip(".,;:").casefold() for word in words]
