"""Untrusted text in Markdown: whatever it says, it stays inside its fence or code span."""

import re
from pathlib import Path

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from stages.texts.visible import shown, visible

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~$&])")


def card_template(path: Path) -> Template:
    """The template of a card, with the functions of this module as filters."""
    environment = Environment(
        loader=FileSystemLoader(path.parent),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown; every text passes one of the filters below
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        code=code, fence=fence, json=pretty_json, n=count, plain=plain, share=share, shown=shown
    )
    return environment.get_template(path.name)


def titled(name: str) -> str:
    """`alpaca-sit` -> `Alpaca-SIT`."""
    words = name.split("-")
    return "-".join(word.upper() if len(word) <= 3 else word.capitalize() for word in words)


def count(number: int) -> str:
    return f"{number:,}"


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def fence(text: str, language: str = "") -> str:
    """`text` as a fenced block; the fence is longer than any run of backticks inside."""
    ticks = "`" * max(3, _longest_run(text) + 1)
    return f"{ticks}{language}\n{text}\n{ticks}"


def code(value: object) -> str:
    """A value as a code span that may stand in a table; an empty one as a dash."""
    text = visible(value if isinstance(value, str) else orjson.dumps(value).decode())
    if not text.strip():
        return "-"
    ticks = "`" * (_longest_run(text) + 1)
    padding = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{padding}{text.replace('|', chr(92) + '|')}{padding}{ticks}"


def plain(text: str) -> str:
    """`text` inside a sentence: on one line, every character for itself."""
    return _SPECIAL.sub(r"\\\1", visible(text))


def pretty_json(value: object) -> str:
    """A value as indented JSON in which every unseen character is escaped."""
    return shown(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)
