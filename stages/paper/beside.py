"""Our scores beside the published figures: plain values, as they stand in scores.json."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from math import hypot
from types import MappingProxyType
from typing import Any

from stages.paper.tables import Column, PaperRow, PaperTable, read_tables
from stages.quality.paper import TABLE_3
from stages.rows.row import OPTIONS
from stages.scoring.metrics import metric

NOT_TRANSCRIBED = "not transcribed"
NOT_IN_PAPER = "not in the paper"
NOT_RUN = "not run"
NOT_OURS = "no model of ours"
NOT_MEASURED = "not measured"
NO_OPTIONS = "no options at the source"

_PLACE_OF_3 = 2  # Table 3 has no file: its figures are those of the audit

Scores = Mapping[str, Mapping[str, Mapping[str, Any] | None]]
"""benchmark -> model -> what `summarise` gives, None where it was not run"""

Pairs = Mapping[tuple[str, str], Mapping[str, Mapping[str, Any]]]
"""(model, the one it is held against) -> benchmark -> what `summarise` gives of the verdicts"""


def paper_tables(built: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All tables with ours beside them: `built` is the content of report.json."""
    scores = {one["name"]: one["scores"] for one in built["benchmarks"]}
    pairs = {(one["model"], one["against"]): one["pairs"] for one in built["compared"]}
    tables = [beside(key, table, scores, pairs) for key, table in read_tables().items()]
    return [*tables[:_PLACE_OF_3], table_3(built["datasets"]), *tables[_PLACE_OF_3:]]


def beside(
    key: str, table: PaperTable, scores: Scores, pairs: Pairs = MappingProxyType({})
) -> dict[str, Any]:
    """A table with, in each cell, what is published and what we have, in the unit of its column.

    Where there is no figure of ours, `reason` says why; `missing` does so for the published one.
    """
    return {
        **_head(key, table.label, table.title, table.about, table.source, table.notes),
        "certain": table.certain,
        "columns": [
            {
                "name": column.name,
                "unit": metric(column.metric).unit,
                "benchmark": column.benchmark,
                "against": column.against,
                "group": column.group,
                "metric": column.metric,
                "strict": column.strict,
                "in_paper": column.published,
            }
            for column in table.columns
        ],
        "rows": [
            {
                "name": row.name,
                "model": row.ours,
                "cells": [_cell(row, column, scores, pairs) for column in table.columns],
            }
            for row in table.rows
        ],
    }


def _head(
    key: str, label: str, title: str, about: str, source: str, notes: Sequence[str]
) -> dict[str, Any]:
    return {
        "key": key, "label": label, "title": title, "about": about, "source": source,
        "notes": list(notes),
    }  # fmt: skip


def _cell(row: PaperRow, column: Column, scores: Scores, pairs: Pairs) -> dict[str, Any]:
    published = row.published.get(column.name)
    missing = NOT_TRANSCRIBED if row.in_paper and column.published else NOT_IN_PAPER
    cell: dict[str, Any] = {
        "published": published,
        "missing": missing if published is None else None,
        "ours": None,
        "strict": None,
        "reason": None,
    }
    if row.ours is None:
        return {**cell, "reason": NOT_OURS}
    if column.benchmark == "none":
        return {**cell, "reason": NOT_MEASURED}
    if column.against:
        summary = pairs.get((row.ours, column.against), {}).get(column.benchmark)
    else:
        summary = scores.get(column.benchmark, {}).get(row.ours)
    ours = summary and score(summary, column.metric, column.group)
    if not summary or not ours:
        return {**cell, "reason": NOT_RUN}
    strict = column.strict and score(summary, column.strict, column.group)
    return {**cell, "ours": ours, "strict": strict or None}


def score(summary: Mapping[str, Any], name: str, group: str | None) -> dict[str, Any] | None:
    """A metric over all items or some groups, in per cent or points; None where there is none.

    Several groups are weighed by their items. Their intervals are put together as those of
    independent strata: half-widths add up as squares.
    """
    parts = [summary] if group is None else _groups(summary["groups"], group)
    found = [part["metrics"][name] for part in parts if name in part["metrics"]]
    if not found:
        return None
    items = sum(one["items"] for one in found)
    weighed = [(one, one["items"] / items) for one in found]
    mean = sum(weight * one["mean"] for one, weight in weighed)
    below = hypot(*(weight * (one["mean"] - one["low"]) for one, weight in weighed))
    above = hypot(*(weight * (one["high"] - one["mean"]) for one, weight in weighed))
    scale = metric(name).scale
    return {
        "mean": scale * mean,
        "low": scale * (mean - below),
        "high": scale * (mean + above),
        "items": items,
    }


def _groups(groups: Mapping[str, Mapping[str, Any]], wanted: str) -> list[Mapping[str, Any]]:
    if wanted.startswith("!"):
        return [one for name, one in groups.items() if name != wanted[1:]]
    return [one for name, one in groups.items() if fnmatchcase(name, wanted)]


def table_3(datasets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The paper's Table 3, from the audits: for each source and iteration lengths and options.

    A dataset is taken that answers the sequences of the source.
    """
    of_source = {
        dataset["source"]: dataset for dataset in datasets if len(dataset["iterations"]) > 1
    }
    names = ["Tokens in", "Tokens out", *(option.capitalize() for option in OPTIONS)]
    return {
        **_head(
            "table-03",
            "Table 3",
            "The datasets by iteration",
            "Mean tokens of query and output, and the share of rows that each option took.",
            "arXiv 2403.07794, Table 3, and the counts in the authors' repository.",
            [
                "The paper's prefix and suffix are swapped for Alpaca's second iteration: Table 3 "
                "prints 3.8 and 2.8, the authors' count is the other way round.",
                "The paper counts Llama 3 tokens in replies of Llama-3-70B-Instruct; ours are "
                "counted in the tokens that the page of the dataset names.",
            ],
        ),
        "certain": True,
        "columns": [
            {
                "name": name, "unit": "tokens" if place < 2 else "percent", "benchmark": None,
                "against": None,
                "group": None, "metric": None, "strict": None, "in_paper": True,
            }
            for place, name in enumerate(names)
        ],
        "rows": [
            {
                "name": f"{source}, {f'iteration {number}' if number else 'source'}",
                "model": None,
                "cells": _cells_of_3(theirs, of_source.get(source), number),
            }
            for source, iterations in TABLE_3.items()
            for number, theirs in enumerate(iterations)
        ],
    }  # fmt: skip


def _cells_of_3(
    theirs: Any, dataset: Mapping[str, Any] | None, number: int
) -> list[dict[str, Any]]:
    iterations = dataset["iterations"] if dataset else ()
    ours = iterations[number]["ours"] if number < len(iterations) else {}
    rows = dataset["statistics"]["rows"] if dataset else 0
    pairs = [
        (theirs.tokens_in, ours.get("tokens_in")),
        (theirs.tokens_out, ours.get("tokens_out")),
        *(
            (_per_cent(theirs.options.get(option)), _per_cent(ours.get("options", {}).get(option)))
            for option in OPTIONS
        ),
    ]
    missing = NOT_RUN if theirs.options else NO_OPTIONS
    return [
        {
            "published": published,
            "missing": NOT_IN_PAPER if published is None else None,
            "ours": None
            if mean is None
            else {"mean": mean, "low": None, "high": None, "items": rows},
            "strict": None,
            "reason": (missing if published is None else NOT_RUN) if mean is None else None,
        }
        for published, mean in pairs
    ]


def _per_cent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 6)
