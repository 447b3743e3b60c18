"""Plain facts about the rows of a dataset, one column each: what the rules are about."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from stages.rows.row import CHANGING, Event, Row, count_tasks, from_record, join

OPTIONS = ("decompose", "prefix", "suffix", "hold")

Steps = Sequence[tuple[str, int]]
"""verb and iteration of every step that a table's rows went through, see `steps_of`"""

CountTokens = Callable[[Sequence[str]], list[int]]
"""the number of tokens of each text"""

ROWS = {
    "id": pl.String,
    "language": pl.Categorical,
    "tasks": pl.Int32,
    "words_out": pl.Int32,
    "tokens_out": pl.Int32,
    "tokens": pl.Int32,
    "held": pl.Boolean,
    "held_unusable": pl.Boolean,
    "blank_instruction": pl.Boolean,
    "blank_output": pl.Boolean,
    "other_messages": pl.Boolean,
    "leaked_marker": pl.Boolean,
    "marker_in_output": pl.Boolean,
    "unknown_option": pl.Boolean,
    "out_of_order": pl.Boolean,
    "empty_rewrite": pl.Boolean,
    "shorter_rewrite": pl.Boolean,
    "changed_unasked": pl.Boolean,
    "thawed": pl.Boolean,
    "miscounted_tasks": pl.Boolean,
    "unanswered": pl.Boolean,
    "answer": pl.UInt64,
    "output": pl.UInt64,
    "query": pl.UInt64,
    "start": pl.UInt64,
}
"""One row for each row. `tokens` are those of query and output. Hashes: `answer`, of the ledger
key of the response (null: none is named), `output`, `query` and `start`, which is instruction and
input before the first event.
"""

TURNS = {
    "iteration": pl.Int32,
    "option": pl.Categorical,
    "outcome": pl.Categorical,
    "words_in": pl.Int32,
    "tokens_in": pl.Int32,
}
"""One row for each row and iteration: what it did, and the query it left; 0 is the source."""

REQUESTS = {
    "row": pl.UInt64,
    "step": pl.Categorical,
    "iteration": pl.Int32,
    "key": pl.UInt64,
}
"""One row for each request that a row names; `row` and `key` are the hashes of the row's id and of
the ledger key."""

_MARKER = re.compile(r"#+ ?(?:new|original) instruction\b|\bso,? the option is\b", re.IGNORECASE)
_AT_END = re.compile(r"(?:###|let['’]s think step by step\.?)\s*\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RowFacts:
    rows: pl.DataFrame
    """see `ROWS`"""
    turns: pl.DataFrame
    """see `TURNS`"""
    requests: pl.DataFrame
    """see `REQUESTS`"""


def row_facts(
    records: Sequence[dict[str, Any]], steps: Steps, count_tokens: CountTokens
) -> RowFacts:
    """The facts about records of the row schema that should have been through `steps`."""
    # Without pictures: of these only the names were read.
    rows = [from_record({**record, "image": None}) for record in records]
    turns = [turn for row in rows for turn in _turns(row)]
    # The last iteration leaves the query of the row, unless the row is broken.
    queries = list(dict.fromkeys([*(turn["query"] for turn in turns), *(r.query for r in rows)]))
    tokens = count_tokens([*queries, *(row.output for row in rows)])
    tokens_in = dict(zip(queries, tokens, strict=False))
    facts = [
        {
            **_facts(row, record["messages"], steps),
            "query": f"{(record.get('image') or {}).get('path', '')}\0{row.query}",
            "tokens_out": count,
            "tokens": tokens_in[row.query] + count,
        }
        for row, record, count in zip(rows, records, tokens[len(queries) :], strict=True)
    ]
    return RowFacts(
        rows=pl.DataFrame(facts)
        .with_columns(
            pl.when(pl.col("answer") != "").then(hashed("answer")),
            hashed("output"),
            hashed("query"),
            hashed("start"),
        )
        .select(pl.col(name).cast(kind) for name, kind in ROWS.items()),
        turns=pl.DataFrame(
            [
                {
                    **turn,
                    "words_in": len(turn["query"].split()),
                    "tokens_in": tokens_in[turn["query"]],
                }
                for turn in turns
            ]
        ).select(pl.col(name).cast(kind) for name, kind in TURNS.items()),
        requests=pl.DataFrame(
            [
                (row.id, event.step, event.iteration, key)
                for row in rows
                for event in row.history
                for key in event.requests
            ],
            schema={**REQUESTS, "row": pl.String, "key": pl.String},
            orient="row",
        ).with_columns(hashed("row"), hashed("key")),
    )


def hashed(column: str) -> pl.Expr:
    """The hash of a text column, spaces at the ends apart.

    Equal texts have equal hashes within one process only: they are compared, never written.
    """
    return pl.col(column).str.strip_chars().hash()


def start_of(instruction: str, input: str) -> str:
    """What a row was before its first event, as one text to compare."""
    return f"{instruction}\0{input}"


def _facts(row: Row, messages: list[dict[str, str]], steps: Steps) -> dict[str, Any]:
    events = row.history
    before = [(event.instruction, event.input) for event in events]
    after = [*before[1:], (row.instruction, row.input)][: len(events)]
    changes = [_Change(*one) for one in zip(events, before, after, strict=True)]
    iterations = [change for change in changes if change.event.step == "sequence"]
    rewrites = [change for change in iterations if change.event.outcome == "rewritten"]
    held = [change.event.outcome.startswith(("held", "frozen")) for change in iterations]
    start, start_input = before[0] if before else (row.instruction, row.input)
    asked = events[-1].requests if events and events[-1].step == "respond" else ()
    return {
        "id": row.id,
        "language": row.language,
        "tasks": row.tasks,
        "words_out": len(row.output.split()),
        "held": row.is_held,
        "held_unusable": any(event.outcome.startswith("held:") for event in events),
        "blank_instruction": not row.instruction.strip(),
        "blank_output": not row.output.strip(),
        "other_messages": messages != row.messages,
        "leaked_marker": _leaks(row.instruction, start),
        "marker_in_output": _leaks(row.output, row.query),
        "unknown_option": any(change.event.option not in OPTIONS for change in iterations),
        "out_of_order": [(event.step, event.iteration) for event in events] != list(steps),
        "empty_rewrite": any(change.after == change.before for change in rewrites),
        "shorter_rewrite": any(
            len(change.after[0].split()) < len(change.before[0].split()) for change in rewrites
        ),
        "changed_unasked": any(
            change.after != change.before and change.event.outcome not in CHANGING
            for change in changes
        ),
        "thawed": any(
            (change.event.outcome == "frozen") != any(held[:index])
            for index, change in enumerate(iterations)
        ),
        "miscounted_tasks": row.tasks != count_tasks(events),
        "unanswered": bool(steps) and steps[-1][0] == "respond" and not asked,
        "answer": asked[-1] if asked else "",
        "output": row.output,
        "start": start_of(start, start_input),
    }


@dataclass(frozen=True, slots=True)
class _Change:
    """What an event did: instruction and input before and after it."""

    event: Event
    before: tuple[str, str]
    after: tuple[str, str]


def _leaks(text: str, shown: str) -> bool:
    """Whether a marker of the prompts stands in `text` which does not come from `shown`."""
    return any(
        pattern.search(text) is not None and pattern.search(shown) is None
        for pattern in (_MARKER, _AT_END)
    )


def _turns(row: Row) -> Iterator[dict[str, Any]]:
    """The query before the first iteration, and after each."""
    states = [(event.instruction, event.input) for event in row.history]
    states.append((row.instruction, row.input))
    iterations = [
        (event, states[index + 1])
        for index, event in enumerate(row.history)
        if event.step == "sequence"
    ]
    first = next((index for index, event in enumerate(row.history) if event.step == "sequence"), 0)
    yield {
        "iteration": 0, "option": "", "outcome": "", "query": join(*states[first], row.placement)
    }  # fmt: skip
    for event, state in iterations:
        yield {
            "iteration": event.iteration,
            "option": event.option,
            "outcome": event.outcome,
            "query": join(*state, row.placement),
        }
