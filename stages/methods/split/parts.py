"""The tasks of a row one by one: what SIT-split and SIT-multi both ask for."""

import re
from collections.abc import Iterator

from stages.llm.client import Answer, Step, Unusable
from stages.llm.prompts import FewShot
from stages.llm.request import Prompt
from stages.methods.preserve import lost_content
from stages.methods.replies import strip_quotes
from stages.rows.quarantine import Quarantined, take_out
from stages.rows.row import Exchange, Row

Parts = tuple[Exchange, ...]

MOST_PARTS = 99
"""two digits number the rows that one row becomes"""

_PROMPT = FewShot("split/split")
_MARKER = re.compile(
    r"^[ \t]*(?:\*\*|#+ ?)?(?:split )?(instruction|response) (\d+)(?::\*\*|\*\*:|:)",
    re.IGNORECASE | re.MULTILINE,
)
_LABEL = re.compile(
    r"(?:\*\*|#+ )?(?:\(?\d{1,2}[.):]|\(?[a-h]\)|[-*•]"
    r"|(?:step|task|part|answer|response) \d{1,2}(?::|\.|\)|(?=\*\*)))(?:\*\*:?)?(?=\s)",
    re.IGNORECASE,
)
"""what may stand in front of a part of a response, and has no meaning without the other parts"""

# What joins tasks, or stands for what another part names.
_JOINT_WORDS = """
a an the and also then next after afterwards that this these those finally lastly last first firstly
second secondly third thirdly at end in now once done do doing you have so it its they them their he
him his she her of
"""
_JOINTS = frozenset(_JOINT_WORDS.split())
_ENDING = re.compile(r"(?<=..)(?:ing|ed|es|e|s)\Z")


def _render(row: Row) -> Prompt | None:
    if row.tasks == 1:
        return None
    return _PROMPT.render(instruction=row.instruction, input=row.input, response=row.output)


def _parse(row: Row, reply: str) -> Parts:
    """At least two parts, which hold all of the response, and all that the instruction said."""
    texts = list(_texts(reply))
    if not texts:
        raise Unusable("no-parts")
    if len(texts) % 2:
        raise Unusable("no-response")
    if not all(texts):
        raise Unusable("empty-part")
    queries = [strip_quotes(text) for text in texts[::2]]
    if len(queries) < 2:
        raise Unusable("one-part")
    if len(queries) > MOST_PARTS:
        raise Unusable("many-parts")
    responses = _cut(row.output, texts[1::2])
    together = "\n".join(queries)
    if lost := lost_content(row.instruction, together):
        raise Unusable(f"lost-{lost}")
    if _words(row.instruction) - _words(together):
        raise Unusable("lost-words")
    if row.input and row.input in together and row.input not in row.instruction:
        raise Unusable("input-copied")
    return tuple(Exchange(*pair) for pair in zip(queries, responses, strict=True))


SPLIT: Step[Row, Parts] = Step("split", _render, _parse)
"""the parts of a row; a row of one task is not asked about"""


def unsplit(row: Row, answer: Answer[Parts]) -> Quarantined:
    """A row that no reply split."""
    detail = f"No usable reply in {len(answer.requests)} attempts."
    return take_out(row, "split", f"unsplit: {answer.failure}", detail, answer.reply)


def _texts(reply: str) -> Iterator[str]:
    """What stands behind each marker, as far as the markers come in order: instruction 1,
    response 1, instruction 2, ... A marker out of order is part of the text that it stands in.
    """
    found, start = 0, 0
    for marker in _MARKER.finditer(reply):
        if (marker[1].lower(), int(marker[2])) == _expected(found):
            if found:
                yield reply[start : marker.start()].strip()
            found, start = found + 1, marker.end()
    if found:
        yield reply[start:].strip()


def _expected(found: int) -> tuple[str, int]:
    return ("response" if found % 2 else "instruction"), found // 2 + 1


def _cut(response: str, parts: list[str]) -> list[str]:
    """The response cut into the parts, which must be all its words in order.

    They are cut out of the response itself, so that its line breaks and indents stay as they are.
    A label in front of a part, such as a number, may be left out. Raises Unusable.
    """
    pieces, rest = [], response.strip()
    for part in parts:
        length = _length(rest, part)
        if length is None and (label := _LABEL.match(rest)):
            rest = rest[label.end() :].lstrip()
            length = _length(rest, part)
        if length is None:
            raise Unusable("other-response")
        pieces.append(rest[:length])
        rest = rest[length:].lstrip()
    if rest:
        raise Unusable("lost-response")
    return pieces


def _length(text: str, part: str) -> int | None:
    """How many characters of `text` the words of `part` are, or None if it begins otherwise."""
    end = 0
    theirs = re.finditer(r"\S+", text)
    for word in part.split():
        found = next(theirs, None)
        if found is None or _straight(found.group()) != _straight(word):
            return None
        end = found.end()
    return end


def _straight(word: str) -> str:
    return re.sub(r"[“”]", '"', re.sub(r"[‘’]", "'", word))


def _words(text: str) -> set[str]:
    """The words of a text without common English endings: "after counting" becomes "count"."""
    words = re.findall(r"[^\W_]+", text.casefold())
    return {_ENDING.sub("", word) for word in words if word not in _JOINTS}
