"""Task-driven sequences: which task goes in front of a row that has an input."""

from collections.abc import Callable, Sequence
from pathlib import Path

from stages.llm.tables import Method
from stages.methods.compose.caption import answer, describe
from stages.methods.compose.paraphrase import paraphrase, repeat_paraphrase
from stages.methods.compose.repeat import repeat
from stages.methods.compose.translate import translate, translate_input

METHODS: dict[str, Callable[[Sequence[Path]], Method]] = {
    "repeat": repeat,
    "paraphrase": paraphrase,
    "repeat-paraphrase": repeat_paraphrase,
    "translate": translate,
    "translate-input": translate_input,
    "answer": answer,
    "describe": describe,
}
"""Each takes the tables that a dataset is made from, the first of which holds the rows."""
