"""The Alpaca shape: instruction, input and output, in some files a system prompt."""

import re

from stages.config.shapes import SHAPES
from stages.sources.shape import Fields, Record, Shape, Unfit, shown
from stages.sources.text import is_blank

# What annotators and models write into an input that should be empty. "Na" is sodium, not N/A.
_NO_INPUT = re.compile(
    r"""[\W_]* (?:
        no [\W_]* (?:(?:additional|further) [\W_]*)? input
            (?: [\W_]* (?:is [\W_]*)? (?:required|needed|necessary|provided|given) )?
        | none | not [\W_]+ applicable | n/a | n\.a | (?-i:NA|na)
    ) [\W_]* | [\s‐‑‒–—−-]+""",
    re.IGNORECASE | re.VERBOSE,
)
_LONGEST_NO_INPUT = 60  # characters; nothing longer is tried
# In angle brackets only: "No output." and "None" can be right answers.
_NO_OUTPUT = re.compile(r"\W*<\s*no\s?(?:in|out)put\s*>\W*", re.IGNORECASE)


def _parse(record: Record) -> Fields:
    """Counts `inputs_cleared`: null, and inputs that only say that there is none, become empty."""
    instruction = record.filled("instruction", "empty-instruction")
    is_null = record.value("input") is None
    input = "" if is_null else record.text("input")
    output = record.filled("output", "empty-output")
    if _NO_OUTPUT.fullmatch(output):
        raise Unfit("empty-output", f"{record.name('output')} only stands for one: {shown(output)}")
    if is_null or _says_nothing(input):
        record.counts["inputs_cleared"] += 1
        input = ""
    return Fields(instruction, input, output, record.text_or_empty("system"))


def _says_nothing(input: str) -> bool:
    if not input:
        return False
    if is_blank(input):
        return True
    return len(input) <= _LONGEST_NO_INPUT and _NO_INPUT.fullmatch(input) is not None


ALPACA = Shape("alpaca", *SHAPES["alpaca"], _parse)
