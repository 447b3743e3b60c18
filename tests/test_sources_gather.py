"""Gathering: conservation, duplicates, samples, and independence of the order upstream."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.config.errors import BuildError
from stages.rows.row import Origin
from stages.sources.alpaca import ALPACA
from stages.sources.gather import Gathered, gather, metrics
from stages.sources.messages import MESSAGES
from stages.sources.shape import Refusal
from stages.sources.upstream import Upstream


def numbered(numbers: Sequence[int]) -> list[object]:
    return [{"instruction": f"Say {n}.", "input": "", "output": str(n)} for n in numbers]


def gathered(records: Sequence[object], limit: int | None = None) -> Gathered:
    return gather("alpaca", "en", limit, Upstream("mine.json", "abc", iter(records), ALPACA))


def test_gather_rows_carry_source_language_and_origin() -> None:
    found = gather(
        "other", "de", None, Upstream("mine.json", "abc", iter(numbered([1, 2, 3])), ALPACA)
    )
    assert {row.origin.row for row in found.rows} == {0, 1, 2}
    for row in found.rows:
        assert row.instruction == f"Say {row.origin.row + 1}."
        assert row.origin == Origin("mine.json", "abc", row.origin.row)
        assert (row.source, row.language, row.tasks, row.history) == ("other", "de", 1, ())
        assert row.id.startswith("other:")


def test_gather_duplicates_first_kept_and_others_name_it() -> None:
    records = numbered([1, 2, 1, 1])
    found = gathered(records)
    [kept] = [row for row in found.rows if row.output == "1"]
    assert kept.origin.row == 0
    assert [row.id for row in found.quarantined] == ["alpaca:row-2", "alpaca:row-3"]
    for row in found.quarantined:
        assert (row.stage, row.reason) == ("fetch", "duplicate")
        assert kept.id in row.detail
        assert json.loads(row.row) == records[0]


def test_gather_rows_equal_after_cleaning_are_duplicates() -> None:
    first = {"instruction": "Say it.", "input": "No input", "output": "a\r\nb"}
    second = {"instruction": "\ufeffSay it.", "input": "", "output": "a\nb"}
    found = gathered([first, second])
    assert len(found.rows) == 1
    assert [row.reason for row in found.quarantined] == ["duplicate"]


def test_gather_rows_that_differ_in_white_space_or_normal_form_are_not_duplicates() -> None:
    texts = ["caf\u00e9", "cafe\u0301", "cafe\u0301 ", "CAFÉ"]
    records = [{"instruction": text, "input": "", "output": "x"} for text in texts]
    assert len(gathered(records).rows) == 4


def test_gather_refused_record_kept_as_json_even_with_lone_surrogates() -> None:
    record = {"instruction": "x", "input": "ä", "output": "\ud83d", "more": [1, None]}
    found = gathered([*numbered([1]), record])
    [row] = found.quarantined
    row.row.encode()
    assert json.loads(row.row) == record
    assert "ä" in row.row


def test_gather_refused_record_of_other_types_kept_as_json() -> None:
    inner = Refusal("repeated-key", "twice", [("a", 1), ("a", 2)])
    found = gathered([*numbered([1]), {"instruction": b"x", "input": "", "output": inner}])
    assert json.loads(found.quarantined[0].row) == {
        "instruction": "b'x'",
        "input": "",
        "output": [["a", 1], ["a", 2]],
    }


def test_gather_columns_that_are_not_read_are_named() -> None:
    record = {**numbered([1])[0], "text": "x", "half \ud800": 1}  # type: ignore[dict-item]
    upstream = Upstream("mine.json", "abc", iter([record]), ALPACA, unread=("image",))
    found = gather("alpaca", "en", None, upstream)
    assert metrics(found, upstream)["columns_not_read"] == ["half \\ud800", "image", "text"]


def test_gather_part_of_an_upstream_the_rest_is_no_row_of_it() -> None:
    records = [{**record, "id": f"cot.{n}"} for n, record in enumerate(numbered(range(3)))]  # type: ignore[dict-item]
    others = [{**records[0], "id": "flan.1"}, {**records[0], "id": None}, {"instruction": "x"}]
    upstream = Upstream("some/flan", "abc", iter([*others, *records]), ALPACA, only={"id": "cot."})
    found = gather("flancot", "en", None, upstream)
    assert sorted(row.origin.row for row in found.rows) == [3, 4, 5]
    counts = metrics(found, upstream)
    assert (counts["not_selected"], counts["rows_in"], counts["rows_out"]) == (3, 3, 3)


def test_gather_part_without_rows_error_names_the_part() -> None:
    upstream = Upstream("some/flan", "a", iter(numbered([1])), ALPACA, only={"id": "cot."})
    with pytest.raises(BuildError, match=r"some/flan: has no rows whose id begins 'cot\.'"):
        gather("flancot", "en", None, upstream)


def test_gather_rows_that_differ_in_the_system_prompt_alone_are_not_duplicates() -> None:
    [record] = numbered([1])
    found = gathered([record, {**record, "system": "Be brief."}, {**record, "system": ""}])  # type: ignore[dict-item]
    assert sorted(row.system for row in found.rows) == ["", "Be brief."]
    assert [row.reason for row in found.quarantined] == ["duplicate"]


def test_gather_chats_dropped_turns_counted_for_rows_alone() -> None:
    def chat(*contents: str) -> dict[str, object]:
        roles = ("user", "assistant") * 3
        return {
            "messages": [{"role": r, "content": c} for r, c in zip(roles, contents, strict=False)]
        }

    records = [chat("a", "b", "c", "d"), chat("a", "", "c"), chat("e", "f", "g"), chat("h", "i")]
    upstream = Upstream("mine.jsonl", "abc", iter(records), MESSAGES)
    counts = metrics(gather("chats", "en", None, upstream), upstream)
    assert counts["turns_dropped"] == 3
    assert counts["reasons"] == {"empty-message": 1}


def test_metrics_hold_every_count() -> None:
    records = [
        *numbered(range(10)),
        *numbered([3]),
        {"instruction": "x\x00", "input": "N/A", "output": "\u200by\r\n"},
        {"instruction": "x", "input": "", "output": ""},
    ]
    upstream = Upstream("mine.json", "abc", iter(records), ALPACA)
    assert metrics(gather("alpaca", "en", 4, upstream), upstream) == {
        "origin": {"repo": "mine.json", "revision": "abc"},
        "not_selected": 0,
        "rows_in": 13,
        "rows_out": 4,
        "sampled_out": 7,
        "quarantined": 2,
        "reasons": {"duplicate": 1, "empty-output": 1},
        "inputs_cleared": 1,
        "turns_dropped": 0,
        "line_ends_changed": 1,
        "control_characters_removed": 1,
        "zero_width_characters_removed": 1,
        "columns_not_read": [],
    }


numbers = st.lists(st.integers(0, 40), min_size=1, max_size=60)


@given(numbers=numbers, limit=st.none() | st.integers(1, 30))
def test_gather_any_rows_all_accounted_for(numbers: list[int], limit: int | None) -> None:
    found = gathered([*numbered(numbers), 7, None], limit)
    assert found.rows_in == len(numbers) + 2
    assert found.rows_in == len(found.rows) + len(found.quarantined) + found.sampled_out
    assert len(found.rows) == min(len(set(numbers)), limit or len(numbers))


@given(numbers=numbers, order=st.randoms(), limit=st.none() | st.integers(1, 30))
def test_gather_other_order_upstream_gives_the_same_rows(
    numbers: list[int], order: "st.random.Random", limit: int | None
) -> None:
    shuffled = [*numbers]
    order.shuffle(shuffled)
    first, second = gathered(numbered(numbers), limit), gathered(numbered(shuffled), limit)
    assert [(r.id, r.messages) for r in first.rows] == [(r.id, r.messages) for r in second.rows]


@given(numbers=numbers, small=st.integers(1, 20), more=st.integers(0, 20))
def test_gather_larger_sample_holds_the_smaller(numbers: list[int], small: int, more: int) -> None:
    first = gathered(numbered(numbers), small).rows
    second = gathered(numbered(numbers), small + more).rows
    assert second[: len(first)] == first


def test_gather_sample_is_spread_over_the_file() -> None:
    positions = [row.origin.row for row in gathered(numbered(range(2_000)), 200).rows]
    quarters = [sum(start <= p < start + 500 for p in positions) for start in range(0, 2_000, 500)]
    assert all(30 <= quarter <= 70 for quarter in quarters)
