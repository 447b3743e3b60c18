"""World rows in every shape: endless, distinct, right, and apart from the benchmark."""

import random
from collections import Counter
from itertools import islice

from stages.sources.messages import MESSAGES
from stages.sources.shape import Refusal
from stages.world.chains import answer_chain, read_chain
from stages.world.passages import Passage, draw_passage, read_passage
from stages.world.rows import DRAW, is_benchmark

draw_alpaca, draw_flan, draw_messages = DRAW["alpaca"], DRAW["flan"], DRAW["messages"]
ROWS = list(islice(draw_alpaca("alpaca"), 3_000))


def test_draw_rows_more_rows_begin_with_the_same() -> None:
    assert list(islice(draw_alpaca("alpaca"), 50)) == ROWS[:50]
    assert list(islice(draw_alpaca("other"), 50)) != ROWS[:50]


def test_draw_rows_no_two_ask_the_same() -> None:
    assert len({(row["instruction"], row["input"]) for row in ROWS}) == len(ROWS)


def test_draw_rows_one_task_each_answered_right() -> None:
    for row in ROWS:
        asks = read_chain(row["instruction"])
        passage = read_passage(row["input"]) if row["input"] else None
        assert asks and len(asks) == 1
        assert asks[0].task.about == ("text" if passage else "nothing")
        assert row["output"] == answer_chain(asks, passage)


def test_draw_rows_most_are_about_a_passage() -> None:
    first = [row["input"] == "" for row in ROWS[:500]]
    assert 0.05 <= sum(first) / 500 <= 0.13
    assert 0.04 <= sum(row["input"] == "" for row in ROWS) / len(ROWS) <= 0.10


def test_draw_rows_no_passage_of_the_benchmark() -> None:
    passages = [read_passage(row["input"]) for row in ROWS if row["input"]]
    assert not any(is_benchmark(passage) for passage in passages if passage)


def test_is_benchmark_one_passage_in_ten_told_from_its_text_alone() -> None:
    rng = random.Random(1)
    passages = [draw_passage(rng) for _ in range(4_000)]
    chosen = [is_benchmark(passage) for passage in passages]
    assert 0.085 <= sum(chosen) / len(chosen) <= 0.12
    again = [read_passage(passage.text) for passage in passages]
    assert [is_benchmark(passage) for passage in again if passage] == chosen


def test_draw_rows_supply_about_nothing_used_up_goes_on() -> None:
    rows = list(islice(draw_alpaca("alpaca"), 20_000))
    assert len(rows) == 20_000
    assert sum(row["input"] == "" for row in rows) <= 567


FLAN_ROWS = list(islice(draw_flan("flancot"), 1_000))
CHATS = list(islice(draw_messages("tulu-v2"), 2_000))


def read_question(question: str) -> tuple[str, Passage | None, bool]:
    """The task, the passage, and whether the passage comes first."""
    first, _, last = question.partition("\n\n")
    if passage := read_passage(first):
        return last, passage, True
    return first, read_passage(last), False


def test_draw_flan_task_and_passage_in_one_question_in_both_orders_answered_right() -> None:
    first: Counter[bool] = Counter()
    for row in FLAN_ROWS:
        task, passage, passage_first = read_question(row["question"])
        asks = read_chain(task)
        assert asks and len(asks) == 1
        assert asks[0].task.about == ("text" if passage else "nothing")
        assert row["response"] == answer_chain(asks, passage)
        assert not passage or not is_benchmark(passage)
        first[passage_first] += passage is not None
    assert 0.45 <= first[True] / first.total() <= 0.55


def test_draw_flan_half_with_a_system_prompt_and_no_question_twice() -> None:
    assert 0.45 <= sum(bool(row["system_prompt"]) for row in FLAN_ROWS) / len(FLAN_ROWS) <= 0.55
    assert len({row["question"] for row in FLAN_ROWS}) == len(FLAN_ROWS)
    assert list(islice(draw_flan("flancot"), 50)) == FLAN_ROWS[:50]


def test_draw_messages_one_to_three_exchanges_about_one_passage_answered_right() -> None:
    lengths: Counter[int] = Counter()
    for row in CHATS:
        turns = [m["content"] for m in row["messages"] if m["role"] != "system"]
        roles = [m["role"] for m in row["messages"] if m["role"] != "system"]
        assert roles == ["user", "assistant"] * (len(turns) // 2)
        lengths[len(turns) // 2] += 1
        if not turns[0]:
            continue
        task, passage, _ = read_question(turns[0])
        for question, answer in zip([task, *turns[2::2]], turns[1::2], strict=True):
            asks = read_chain(question)
            assert asks
            assert answer in ("", answer_chain(asks, passage))
    assert lengths.keys() == {1, 2, 3}
    assert min(lengths.values()) > 300


def test_draw_messages_one_in_fifty_has_an_empty_message_and_is_refused() -> None:
    refusals = [MESSAGES.read(row, Counter()) for row in CHATS]
    reasons = [one.reason for one in refusals if isinstance(one, Refusal)]
    assert set(reasons) == {"empty-message"}
    assert 0.01 <= len(reasons) / len(CHATS) <= 0.03
