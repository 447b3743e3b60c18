"""The FLAN shapes: Open-Orca's question and response, and FLAN's own chain-of-thought files."""

from stages.config.shapes import SHAPES
from stages.sources.shape import Fields, Record, Shape


def _parse(record: Record) -> Fields:
    """The question is the instruction, whole: task and material stand in one text."""
    return Fields(
        record.filled("question", "empty-instruction"),
        "",
        record.filled("response", "empty-output"),
        record.text_or_empty("system_prompt"),
    )


def _parse_chain_of_thought(record: Record) -> Fields:
    """The response is the reasoning, then the answer, which is the order of FLAN's templates.

    Of their several wordings it is always the same one, so that equal rows stay equal.
    """
    question = record.filled("question", "empty-instruction")
    answer = record.filled("answer", "empty-output")
    reasoning = record.filled("chain_of_thought", "empty-chain-of-thought")
    response = f"{_unescape(reasoning).rstrip()}\nThe answer is {_unescape(answer).strip()}."
    return Fields(_unescape(question), "", response)


def _unescape(text: str) -> str:
    """The files hold one row on each line: a line end inside a text is a backslash and an n."""
    return text.replace("\\n", "\n")


_COLUMNS = ("question", "answer", "chain_of_thought")
FLAN = Shape("flan", *SHAPES["flan"], _parse, Shape("flan", _COLUMNS, (), _parse_chain_of_thought))
