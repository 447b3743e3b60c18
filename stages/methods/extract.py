"""Input extraction: the material of a query apart from its task (the paper's FlanCoT rows).

A rewriter must change only the task, and the material must come back whole and where it stood.
So a reply decides on one thing: between which two words of the query to cut. Both parts are then
taken from the query itself, never from the reply.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from stages.llm.client import Client, Step, Unusable
from stages.llm.prompts import FewShot
from stages.llm.request import Prompt
from stages.rows.row import Row

_EXTRACT = FewShot("extract/extract")

# A marker begins a line, in whatever Markdown; that of the input may follow right on the close.
_INSTRUCTION = re.compile(r"^[^\w\n]*instruction[*_ ]*:[*_ ]*", re.IGNORECASE | re.MULTILINE)
_INPUT = re.compile(r"(?:^[^\w\n]*|(?<=###)[*_ ]*)input[*_ ]*:[*_ ]*", re.IGNORECASE | re.MULTILINE)
# `###` closes where nothing but quotation marks stands behind it on its line, or the other marker.
# `### Heading` inside the material does not.
_CLOSE = re.compile(r"(?<!#)###+[^\w\n#]*?(?=$|[ *_]*input[*_ ]*:)", re.IGNORECASE | re.MULTILINE)
_NOTHING = re.compile(r"\W*(?:none|n/?a|null|nil|empty|nothing|no (?:input|material))\b", re.I)

# One character for one, so that positions stay.
_QUOTES = str.maketrans("“”„‟«»″‘’‚‛`´", '"' * 7 + "'" * 6)
_AT_ENDS = " \"'"
_CONNECTING = ".,:;–—-"
_LABELS = (
    "abstract|answer|article|code|content|context|conversation|data|dialogue|document|email|facts?"
    "|hypothesis|input|instruction|message|note|notice|output|paragraph|passage|premise|problem"
    "|question|response|review|sentence|source|statement|story|table|task|text|title|topic|tweet"
)
_LABEL = re.compile(rf"(?:{_LABELS})(?: \d+)?", re.IGNORECASE)
# Answer options: at the head of a line what announces them, or the first one. Lists that are
# material look like this too; such a query stays whole, which does no harm.
_OPTIONS = re.compile(
    r"^[^\w\n]*(?:[ai][)\]]"
    r"|(?:opt|options|(?:answer |available )?choices|possible answers"
    r"|(?:select|choose|pick)\b[^\n:.]{0,40}\bfrom\b[^\n:.]{0,30})[^\S\n]*[:.\n])",
    re.IGNORECASE | re.MULTILINE,
)
# What a model may leave out in front of a part, as it is no word of it: a label, quotation marks,
# a bullet.
_LEAD = rf"\W*(?:{_LABEL.pattern} ?:\W*)?"
_BEFORE = re.compile(_LEAD, re.IGNORECASE)
# Between the parts: what closes the first one, the space to cut at, what leads the second one.
_BETWEEN = re.compile(rf"([^\w\s]*+(?: [.,:;!?…)\]}}]++(?= ))*+) ({_LEAD})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Parts:
    """A query in two parts, both its own text."""

    instruction: str
    input: str
    placement: str
    """where the input stood: `after` or `before` the instruction"""


@dataclass(frozen=True, slots=True)
class Whole:
    """A query that has no material, or none that could be taken out and put back."""

    why: str = ""


def read_parts(query: str, reply: str) -> Parts | Whole:
    """What a reply `Instruction: "..."###`, `Input: ...###` says about `query`.

    The two must be all of the query, word for word, one behind the other. What may differ: white
    space, the style of quotation marks; at the ends of a part quotation marks and punctuation; a
    label such as `Context:` in front of it. These stay in the query: a label goes with what it
    stands in front of. An empty input is right only beside an instruction that is the whole query.

    Where the reply leaves open where a part ends (no close, or one inside the material), each way
    to read it is checked, the most literal one first.

    Raises Unusable: `no instruction marker`, `no input marker`, `blank instruction`, `instruction
    is a label`, `input not verbatim`, `overlap` (the instruction holds the input too), `words
    added`, `words lost`, `words reordered`, `no space between`, `options as input` (they are task,
    see the prompt). Material in the middle of the instruction is a sound reading, but `join` could
    not put it back: Whole.
    """
    faults: list[Unusable] = []
    for instruction, material in dict.fromkeys(_readings(reply)):
        try:
            return _check(query, instruction, material)
        except Unusable as fault:
            faults.append(fault)
    # Of a reading that went on into an explanation one learns nothing about the reply.
    raise next((fault for fault in faults if str(fault) != "input not verbatim"), faults[0])


def _readings(reply: str) -> Iterator[tuple[str, str]]:
    opening = _INSTRUCTION.search(reply)
    if not opening:
        raise Unusable("no instruction marker")
    rest = reply[opening.end() :]
    markers = list(_INPUT.finditer(rest))
    if not markers:
        raise Unusable("no input marker")
    for marker in (markers[0], markers[-1]):
        for instruction in _ends(rest[: marker.start()]):
            for material in _last_ends(rest[marker.end() :]):
                yield _plain(instruction), _plain(material)


def _ends(text: str) -> list[str]:
    """The text up to where it may end: at the first close, at the last one, or whole."""
    closes = [close.start() for close in _CLOSE.finditer(text)]
    return [*(text[:end] for end in (*closes[:1], *closes[-1:])), text]


def _last_ends(text: str) -> list[str]:
    """The same for the last part, which a blank line ends where an explanation follows unclosed."""
    ends = _ends(text)
    if len(ends) > 1:
        return ends
    whole = text.strip()
    return [whole, whole.partition("\n\n")[0], whole.rpartition("\n\n")[0]]


def _plain(text: str) -> str:
    """The text with single spaces and straight quotation marks."""
    return " ".join(text.translate(_QUOTES).split())


def _check(query: str, instruction: str, material: str) -> Parts | Whole:
    plain = _plain(query)
    task = instruction.strip(_AT_ENDS + _CONNECTING)
    given = material.strip(_AT_ENDS)
    if not re.search(r"\w", task):
        raise Unusable("blank instruction")
    if not given or (_NOTHING.match(given) and given not in plain):
        given = ""
        if _is_all(plain, task):
            return Whole()
    elif _LABEL.fullmatch(task):
        raise Unusable("instruction is a label")
    else:
        for placement, first, second in (("after", task, given), ("before", given, task)):
            if words := _words_in_first(plain, first, second):
                return _parts(query, words, placement)
    return _why_not(plain, task, given)


def _parts(query: str, words: int, placement: str) -> Parts:
    """The query cut behind its first `words` words."""
    tail = query.split(None, words)[words]
    first, second = query.removesuffix(tail).strip(), tail.strip()
    parts = (first, second) if placement == "after" else (second, first)
    if _OPTIONS.search(parts[1]):
        raise Unusable("options as input")
    return Parts(*parts, placement)


def _is_all(plain: str, task: str) -> bool:
    before, found, behind = plain.partition(task)
    return bool(found and _BEFORE.fullmatch(before)) and not re.search(r"\w", behind)


def _words_in_first(plain: str, first: str, second: str) -> int | None:
    """How many words of `plain` belong to `first`, where `second` is all the rest; else None."""
    start, begin = plain.find(first), plain.rfind(second)
    end = start + len(first)
    if start < 0 or begin < end or not _BEFORE.fullmatch(plain[:start]):
        return None
    if re.search(r"\w", plain[begin + len(second) :]):
        return None
    between = _BETWEEN.fullmatch(plain[end:begin])
    return plain.count(" ", 0, end + between.end(1)) + 1 if between else None


def _why_not(plain: str, task: str, material: str) -> Whole:
    """The query whole, where only the place of the material is wrong; else raises Unusable."""
    if material not in plain:
        raise Unusable("input not verbatim")
    if material and material in task:
        raise Unusable("overlap")
    before, _, behind = plain.partition(material) if material else (plain, "", "")
    rest, told = Counter(_words(before) + _words(behind)), Counter(_words(task))
    if told - rest:
        raise Unusable("words added")
    if any(not _LABEL.fullmatch(word) for word in rest - told):
        raise Unusable("words lost")
    if material and _words(before) and _words(behind):
        return Whole("input in the middle")
    in_order = _words(before) + _words(behind) == _words(task)
    raise Unusable("no space between" if in_order else "words reordered")


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def _render(row: Row) -> Prompt:
    return _EXTRACT.render(text=row.instruction)


def _parse(row: Row, reply: str) -> Parts | Whole:
    return read_parts(row.instruction, reply)


EXTRACT: Step[Row, Parts | Whole] = Step("extract", _render, _parse)


async def extract(row: Row, client: Client) -> Row:
    """The row with its material as input, or as it was: then the outcome says why, if anything."""
    if row.input:
        return row.after("extract", "kept: has an input")
    answer = await client.ask(row, EXTRACT)
    parts = answer.value
    if isinstance(parts, Parts):
        return row.after(
            "extract",
            "extracted",
            option=parts.placement,
            requests=answer.requests,
            instruction=parts.instruction,
            input=parts.input,
            placement=parts.placement,
        )
    why = parts.why if parts else answer.failure
    return row.after("extract", f"kept: {why}" if why else "kept", requests=answer.requests)
