"""Task-driven sequences: which task goes in front of a row that has an input."""

from collections.abc import Callable, Sequence
from pathlib import Path

from stages.llm.tables import Method
from stages.methods.compose.repeat import repeat

METHODS: dict[str, Callable[[Sequence[Path]], Method]] = {
    "repeat": repeat,
}
"""Each takes the tables that a dataset is made from, the first of which holds the rows."""
