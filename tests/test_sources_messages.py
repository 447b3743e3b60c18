"""Chats: the first exchange becomes a row, everything else has a reason."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.sources.messages import MESSAGES
from stages.sources.shape import Fields, Refusal

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"


def chat(*turns: tuple[object, object]) -> dict[str, object]:
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def read(found: object) -> tuple[Fields | Refusal, int]:
    counts: Counter[str] = Counter()
    return MESSAGES.read(found, counts), counts["turns_dropped"]


def test_read_one_exchange_kept() -> None:
    assert read(chat((USER, "Add."), (ASSISTANT, "3"))) == (Fields("Add.", "", "3"), 0)


def test_read_system_message_at_the_start_kept_apart() -> None:
    found = chat((SYSTEM, "Be brief."), (USER, "Add."), (ASSISTANT, "3"))
    assert read(found) == (Fields("Add.", "", "3", "Be brief."), 0)


@pytest.mark.parametrize("content", ["", " \n", None])
def test_read_empty_system_message_is_no_system_prompt(content: object) -> None:
    found = chat((SYSTEM, content), (USER, "Add."), (ASSISTANT, "3"))
    assert read(found) == (Fields("Add.", "", "3"), 0)


def test_read_further_turns_dropped_counted_and_not_looked_into() -> None:
    found = chat((USER, "Add."), (ASSISTANT, "3"), (USER, ""), (USER, "x"), ("tool", 7))
    found["messages"].append("no message")  # type: ignore[attr-defined]
    assert read(found) == (Fields("Add.", "", "3"), 4)


def test_read_text_is_cleaned_and_changes_counted() -> None:
    counts: Counter[str] = Counter()
    fields = MESSAGES.read(chat((USER, "a\r\nb"), (ASSISTANT, "\ufeffc")), counts)
    assert fields == Fields("a\nb", "", "c")
    assert (counts["line_ends"], counts["zero_width_characters"]) == (1, 1)


@pytest.mark.parametrize(
    ("found", "reason", "said"),
    [
        (chat((USER, ""), (ASSISTANT, "3")), "empty-message", "message 1, the user's"),
        (chat((USER, "a"), (ASSISTANT, "")), "empty-message", "message 2, the assistant's"),
        (chat((USER, " \u200b"), (ASSISTANT, "3")), "empty-message", "message 1"),
        (chat((USER, "a"), (ASSISTANT, None)), "empty-message", "message 2"),
        (chat((SYSTEM, "s"), (USER, "a"), (ASSISTANT, "")), "empty-message", "message 3"),
        (chat((USER, "a"), (ASSISTANT, ""), (USER, "b"), (ASSISTANT, "c")), "empty-message", "2"),
        (chat((ASSISTANT, "3"), (USER, "a")), "role-order", "message 1 is the assistant's"),
        (chat((USER, "a"), (USER, "b"), (ASSISTANT, "c")), "role-order", "message 2 is the user's"),
        (chat((USER, "a"), (SYSTEM, "s"), (ASSISTANT, "c")), "role-order", "the system's"),
        (chat((SYSTEM, "s"), (SYSTEM, "t"), (USER, "a")), "role-order", "message 2"),
        (chat(), "missing-role", "no message 1, expected the user's"),
        (chat((SYSTEM, "s")), "missing-role", "no message 2, expected the user's"),
        (chat((USER, "a")), "missing-role", "no message 2, expected the assistant's"),
        (chat(("human", "a"), ("gpt", "b")), "unknown-role", "'human'; known: system, user"),
        (chat((None, "a")), "unknown-role", "None"),
        (chat((["user"], "a")), "unknown-role", "message 1"),
        (chat((USER, 7), (ASSISTANT, "3")), "not-text", "message 1 is no text but 7"),
        (chat((USER, "a"), (ASSISTANT, "\ud83d")), "invalid-unicode", "message 2"),
        ({"messages": None}, "not-messages", "messages is no list but None"),
        ({"messages": "Add."}, "not-messages", "no list"),
        ({"messages": {"role": USER}}, "not-messages", "no list"),
        ({"messages": ["Add.", "3"]}, "not-messages", "message 1 is no object"),
        ({"messages": [{"from": "human", "value": "a"}]}, "not-messages", "message 1"),
        ({"conversations": []}, "missing-column", "no messages among the columns"),
        ([], "not-an-object", "expected an object"),
    ],
)
def test_read_unusable_refused_with_a_reason_of_its_own(
    found: object, reason: str, said: str
) -> None:
    answer, dropped = read(found)
    assert isinstance(answer, Refusal)
    assert (answer.reason, dropped) == (reason, 0)
    assert said in answer.detail
    assert answer.record is found


def test_read_list_under_another_name_read_and_named_in_refusals() -> None:
    shape = MESSAGES.with_names({"messages": "conversations"})
    counts: Counter[str] = Counter()
    found = {"conversations": chat((USER, "a"), (ASSISTANT, "b"))["messages"], "messages": 7}
    assert shape.read(found, counts) == Fields("a", "", "b")
    refusal = shape.read({"conversations": 7}, counts)
    assert isinstance(refusal, Refusal)
    assert refusal.detail == "conversations is no list but 7"


contents = st.text(max_size=4) | st.none() | st.integers()
roles = st.sampled_from([SYSTEM, USER, ASSISTANT, "human", ""]) | st.none()
messages = st.fixed_dictionaries({"role": roles, "content": contents}) | st.none() | st.text()


@given(st.lists(messages, max_size=5) | st.text() | st.none())
def test_read_anything_row_or_refusal_and_rows_come_from_the_first_exchange(found: object) -> None:
    answer, dropped = read({"messages": found})
    if isinstance(answer, Refusal):
        answer.detail.encode()
        return
    assert isinstance(found, list)
    start = found[0]["role"] == SYSTEM
    assert [turn["role"] for turn in found[start : start + 2]] == [USER, ASSISTANT]
    assert answer.instruction.strip() and answer.output.strip() and not answer.input
    assert dropped == len(found) - start - 2
