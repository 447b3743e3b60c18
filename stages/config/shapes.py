"""The shapes of sources: which columns each has, by the names that `columns` in a profile maps."""

from typing import NamedTuple


class Columns(NamedTuple):
    """The columns of a shape."""

    needed: tuple[str, ...]
    optional: tuple[str, ...] = ()


SHAPES = {
    "alpaca": Columns(("instruction", "input", "output"), ("system",)),
    "flan": Columns(("question", "response"), ("system_prompt",)),
    "messages": Columns(("messages",)),
    "vqa": Columns(("question", "answers", "image"), ("image_id", "multiple_choice_answer")),
    "captions": Columns(("image_id", "captions")),
    "tasks": Columns(("task", "definition", "input", "output"), ("instance",)),
}
