"""Whether a rewrite kept what must not be lost: code, tables, options, quoted text, numbers."""

import re
from collections.abc import Iterator

_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
_URL = re.compile(r"https?://[^\s\"'<>)]+")
_TABLE_ROW = re.compile(r"^[^|\n]*\|[^|\n]*\|.*$", re.MULTILINE)
_OPTION = re.compile(
    r"(?:^|(?<=[\s;,:.]))(?:[(\[]?(?:[A-Ha-h]|[ivx]{1,4}|\d{1,2})[)\]]\.?)[^\S\n]+([^\n;]+?)"
    r"(?=\s*(?:$|[\n;]|[(\[]?(?:[A-Ha-h]|[ivx]{1,4}|\d{1,2})[)\]]))"
)
_BULLET = re.compile(r"^\s*(?:[-*•]|--)\s*(\S.*)$", re.MULTILINE)
_QUOTED = re.compile(r"\"([^\"\n]{2,})\"|“([^”\n]{2,})”")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*(?!\w)")


def lost_content(original: str, rewrite: str) -> str | None:
    """The kind of the first piece of `original` that `rewrite` lacks, or None when all is there.

    Kinds: `code`, `link`, `table`, `option`, `quotation`, `number`. Letter case, spacing, the
    style of quotation marks and full stops at the end of a piece do not matter.
    """
    kept = _plain(rewrite)
    numbers = set(_NUMBER.findall(rewrite))
    for kind, piece in _pieces(original):
        if kind == "number":
            if piece not in numbers:
                return kind
        elif _plain(piece) not in kept:
            return kind
    return None


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    for kind, pattern in (("code", _CODE), ("link", _URL), ("table", _TABLE_ROW)):
        for found in pattern.finditer(text):
            yield kind, found.group()
    for pattern in (_OPTION, _BULLET):
        for found in pattern.finditer(text):
            yield "option", found[1]
    for found in _QUOTED.finditer(text):
        yield "quotation", found[1] or found[2]
    for found in _NUMBER.finditer(text):
        yield "number", found.group()


def _plain(text: str) -> str:
    text = re.sub(r"[“”]", '"', re.sub(r"[‘’]", "'", text))
    return re.sub(r"\s+", " ", text).strip(" .,;:\"'").casefold()
