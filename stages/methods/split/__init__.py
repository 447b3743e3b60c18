"""Rows of several tasks, taken apart: into rows of one task, or into dialogues (section 4.1)."""

from collections.abc import Callable

from stages.llm.tables import Method
from stages.methods.split.dialogues import dialogues
from stages.methods.split.singles import singles

METHODS: dict[str, Callable[[], Method]] = {"singles": singles, "dialogues": dialogues}
