"""FLAN records: a question with its response, and a system prompt where there is one."""

from collections import Counter

import pytest

from stages.sources.flan import FLAN
from stages.sources.shape import Fields, Refusal


def record(**changes: object) -> dict[str, object]:
    return {"id": "cot.1", "system_prompt": "", "question": "Is it?", "response": "No.", **changes}


def test_read_question_whole_is_the_instruction() -> None:
    question = "Premise: it rains.\n\nDoes it rain?"
    fields = FLAN.read(record(question=question), Counter())
    assert fields == Fields(question, "", "No.")


@pytest.mark.parametrize("system", ["", " ", None])
def test_read_system_prompt_may_be_empty(system: object) -> None:
    assert FLAN.read(record(system_prompt=system), Counter()) == Fields("Is it?", "", "No.")


def test_read_system_prompt_may_be_absent_or_kept() -> None:
    without = {"question": "Is it?", "response": "No."}
    assert FLAN.read(without, Counter()) == Fields("Is it?", "", "No.")
    fields = FLAN.read(record(system_prompt="Think."), Counter())
    assert fields == Fields("Is it?", "", "No.", "Think.")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"question": ""}, "empty-instruction"),
        ({"question": None}, "not-text"),
        ({"response": " "}, "empty-output"),
        ({"system_prompt": 7}, "not-text"),
    ],
)
def test_read_unusable_refused_with_reason(changes: dict[str, object], reason: str) -> None:
    answer = FLAN.read(record(**changes), Counter())
    assert isinstance(answer, Refusal)
    assert answer.reason == reason


def test_with_names_refusals_speak_of_the_upstreams_columns() -> None:
    shape = FLAN.with_names({"question": "prompt", "system_prompt": "who"})
    found = {"prompt": "", "response": "No.", "who": None, "question": "another"}
    answer = shape.read(found, Counter())
    assert isinstance(answer, Refusal)
    assert answer.detail == "there is nothing in prompt"
    missing = shape.read({"prompt": "a", "response": "b"}, Counter())
    assert isinstance(missing, Refusal)
    assert missing.reason == "missing-column"  # who names a column expects it to be there
    assert missing.detail.startswith("no who among the columns")


def test_with_names_column_that_stands_for_another_is_not_read_twice() -> None:
    shape = FLAN.with_names({"question": "system_prompt"})
    fields = shape.read({"system_prompt": "Is it?", "response": "No."}, Counter())
    assert fields == Fields("Is it?", "", "No.")
