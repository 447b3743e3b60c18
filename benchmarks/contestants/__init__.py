"""The contestants of the overhead benchmark: `python -m benchmarks.contestants.NAME URL ROWS`.

Each asks the server at URL one short question for each of ROWS rows, and must not return before it
has all answers. Peers run in environments of their own, so that nothing here may import ours.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

IN_FLIGHT = 64
"""requests under way at once"""
MODEL = "loopback"
SAMPLING: dict[str, Any] = {"temperature": 1.0, "top_p": 0.9, "max_tokens": 2048}


def question(number: int) -> str:
    """The question of a row."""
    return f"Name a word that goes with number {number}."


def count_rows(folder: str) -> int:
    """The rows of the Parquet files in a folder."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - not every contestant needs it

    return sum(pq.read_metadata(path).num_rows for path in Path(folder).rglob("*.parquet"))


def run(ask: Callable[[str, int], int]) -> None:
    """Call `ask(URL, ROWS)` as the command line says; it gives the number of answers, ROWS."""
    url, rows = sys.argv[1], int(sys.argv[2])
    answers = ask(url, rows)
    if answers != rows:
        sys.exit(f"{rows:,} rows went in and {answers:,} answers came out")
