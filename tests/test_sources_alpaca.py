"""Alpaca records: what becomes a row, what is refused and why."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.config.errors import BuildError
from stages.sources.alpaca import ALPACA
from stages.sources.shape import MAX_FIELD, Fields, Refusal

read_record, check_columns = ALPACA.read, ALPACA.check


def record(**changes: object) -> dict[str, object]:
    return {"instruction": "Add.", "input": "1 and 2", "output": "3", **changes}


def refusal(found: object) -> Refusal:
    answer = read_record(found, Counter())
    assert isinstance(answer, Refusal)
    return answer


def test_read_record_good_record_kept_as_it_is() -> None:
    counts: Counter[str] = Counter()
    assert read_record(record(), counts) == Fields("Add.", "1 and 2", "3")
    assert not +counts


@pytest.mark.parametrize(
    ("system", "kept"), [("Be brief.", "Be brief."), ("", ""), (" \n", ""), (None, "")]
)
def test_read_record_system_prompt_kept_where_there_is_one(system: object, kept: str) -> None:
    fields = read_record(record(system=system), Counter())
    assert fields == Fields("Add.", "1 and 2", "3", kept)


def test_read_record_other_columns_ignored() -> None:
    assert read_record(record(text="whole prompt", score=3), Counter()) == Fields(
        "Add.", "1 and 2", "3"
    )


@pytest.mark.parametrize(
    "found",
    [
        "No input", "Noinput", "<no input>", "NO INPUT.", "<noinput>", '"<noinput>"', "`<noinput>`",
        "\\<noinput\\>", "< noinput >", "[noinput]", "(No input)", "No input required.",
        "No input needed", "No additional input is required.", "no_input", "N/A", "n/a.", "<N/A>",
        "n.a.", "NA", "na", "None", "<none>", "none.", "Not applicable", "-", "--", "—", " ", "\n",
        None,
    ],
)  # fmt: skip
def test_read_record_input_that_says_there_is_none_cleared_and_counted(found: object) -> None:
    counts: Counter[str] = Counter()
    assert read_record(record(input=found), counts) == Fields("Add.", "", "3")
    assert counts["inputs_cleared"] == 1


@pytest.mark.parametrize(
    "found",
    [
        "", "Na", "+", ">", "?", "0", "null", "No", "No pain, no gain", "None of these",
        "He was <noinput>", "Larry <noinput> the door.", "..-. --- -.-.", "Banana", "no output",
        "*\n**", "Input: none of the above",
    ],
)  # fmt: skip
def test_read_record_input_with_content_kept(found: str) -> None:
    counts: Counter[str] = Counter()
    assert read_record(record(input=found), counts) == Fields("Add.", found, "3")
    assert counts["inputs_cleared"] == 0


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (["Add.", "", "3"], "not-an-object"),
        ("Add.", "not-an-object"),
        (None, "not-an-object"),
        ({"instruction": "Add.", "output": "3"}, "missing-column"),
        ({}, "missing-column"),
        (record(instruction=None), "not-text"),
        (record(output=None), "not-text"),
        (record(output=3), "not-text"),
        (record(input=1.5), "not-text"),
        (record(output=["3"]), "not-text"),
        (record(input={"a": 1}), "not-text"),
        (record(output=b"3"), "not-text"),
        (record(system=3), "not-text"),
        (record(instruction=""), "empty-instruction"),
        (record(instruction=" \n\u200b"), "empty-instruction"),
        (record(output=""), "empty-output"),
        (record(output="\t"), "empty-output"),
        (record(output="<nooutput>"), "empty-output"),
        (record(output="<No output>"), "empty-output"),
        (record(output="<noinput>"), "empty-output"),
        (record(output="half \ud83d"), "invalid-unicode"),
        (record(input="a" * (MAX_FIELD + 1)), "too-long"),
        (record(output="é" * 5_000_000), "too-long"),
    ],
)
def test_read_record_unusable_refused_with_reason_and_whole(found: object, reason: str) -> None:
    answer = refusal(found)
    assert answer.reason == reason
    assert answer.record == found
    assert answer.detail
    assert len(answer.detail) < 300


@pytest.mark.parametrize("output", ["No output.", "None.", "N/A", "No", "-", "< no output"])
def test_read_record_output_that_may_be_an_answer_kept(output: str) -> None:
    assert read_record(record(output=output), Counter()) == Fields("Add.", "1 and 2", output)


def test_read_record_longest_field_kept() -> None:
    text = "a" * MAX_FIELD
    assert read_record(record(input=text), Counter()) == Fields("Add.", text, "3")


def test_read_record_refusal_of_the_reader_passed_on() -> None:
    found = Refusal("field-count", "line 3 has 2 fields", ["a", "b"])
    assert read_record(found, Counter()) is found


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
any_text = st.text(st.characters(exclude_categories=()))  # lone surrogates too
records = st.fixed_dictionaries(
    {"instruction": any_text | json_values, "input": any_text, "output": any_text | json_values}
)


@given(records | json_values)
def test_read_record_anything_row_or_refusal_and_rows_can_be_written(found: object) -> None:
    answer = read_record(found, Counter())
    if isinstance(answer, Refusal):
        assert answer.record is found
        answer.detail.encode()
        return
    assert answer.instruction.strip() and answer.output.strip()
    "".join(answer[:4]).encode()


def test_check_columns_all_there_passes() -> None:
    check_columns("x.csv", ["id", "output", "instruction", "input"])


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (["instruction", "output"], "column 'input' occurs 0 times"),
        (["Instruction", "input", "output"], "Is it 'Instruction'? Then rename it."),
        (["instruction", "input", "input", "output"], "column 'input' occurs 2 times"),
        (["instruction;input;output"], "Found: 'instruction;input;output'"),
        ([], "column 'instruction' occurs 0 times"),
    ],
)
def test_check_columns_missing_or_repeated_error_names_it(columns: list[str], said: str) -> None:
    with pytest.raises(BuildError) as error:
        check_columns("x.csv", columns)
    assert said in str(error.value)
    assert "Needed: instruction, input, output." in str(error.value)
