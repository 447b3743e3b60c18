"""The messages shape: a chat as a list of {role, content}, of which the first exchange is taken."""

from collections import Counter
from collections.abc import Sequence

from stages.config.shapes import SHAPES
from stages.sources.shape import Fields, Record, Shape, Unfit, read_text, shown
from stages.sources.text import is_blank

_ROLES = ("system", "user", "assistant")


def _parse(record: Record) -> Fields:
    """An optional system message, then a user's, then an assistant's.

    Counts `turns_dropped`: the messages after these, which are not looked into.
    """
    messages = record.value("messages")
    if not isinstance(messages, list | tuple):
        raise Unfit("not-messages", f"{record.name('messages')} is no list but {shown(messages)}")
    roles = _ROLES if _begins_with_system(messages) else _ROLES[1:]
    texts = {
        role: _text(messages, number, role, record.counts) for number, role in enumerate(roles, 1)
    }
    record.counts["turns_dropped"] += len(messages) - len(roles)
    return Fields(texts["user"], "", texts["assistant"], texts.get("system", ""))


def _begins_with_system(messages: Sequence[object]) -> bool:
    first = messages[0] if messages else None
    return isinstance(first, dict) and first.get("role") == "system"


def _text(messages: Sequence[object], number: int, role: str, counts: Counter[str]) -> str:
    """The text of message `number`, from 1, which must be that of `role`. Raises Unfit."""
    if number > len(messages):
        raise Unfit("missing-role", f"there is no message {number}, expected the {role}'s")
    message = messages[number - 1]
    if not isinstance(message, dict) or not {"role", "content"} <= message.keys():
        detail = f"message {number} is no object with role and content: {shown(message)}"
        raise Unfit("not-messages", detail)
    found, content = message["role"], message["content"]
    if found not in _ROLES:
        known = ", ".join(_ROLES)
        raise Unfit("unknown-role", f"message {number} has the role {shown(found)}; known: {known}")
    if found != role:
        raise Unfit("role-order", f"message {number} is the {found}'s, expected the {role}'s")
    text = "" if content is None else read_text(f"message {number}", content, counts)
    if not is_blank(text):
        return text
    if role == "system":
        return ""
    raise Unfit("empty-message", f"there is nothing in message {number}, the {role}'s first")


MESSAGES = Shape("messages", *SHAPES["messages"], _parse)
