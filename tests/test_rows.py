"""Rows: ids, joining, and Parquet files that are the same bytes however they were written."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.config.errors import BuildError
from stages.rows.parquet import RowWriter, file_hash, read_batches, read_rows
from stages.rows.quarantine import Quarantined, conserve, reasons, write_quarantine
from stages.rows.row import Event, Origin, Row, from_record, row_id, to_record

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
events = st.builds(
    Event,
    step=st.sampled_from(["sequence", "respond"]),
    iteration=st.integers(0, 3),
    option=st.sampled_from(["decompose", "prefix", "suffix", "hold", ""]),
    instruction=text,
    requests=st.lists(text, max_size=3).map(tuple),
    outcome=st.sampled_from(["rewritten", "held", "frozen", "answered"]),
)
rows = st.builds(
    Row,
    id=st.uuids().map(str),
    instruction=text,
    input=text,
    output=text,
    source=text,
    origin=st.builds(Origin, repo=text, revision=text, row=st.integers(0, 2**40)),
    system=text,
    placement=st.sampled_from(["after", "before"]),
    tasks=st.integers(1, 9),
    history=st.lists(events, max_size=3).map(tuple),
    language=st.just("en"),
)


def make_row(name: str, **fields: str) -> Row:
    row = Row(name, "Do it.", "", "Done.", "test", Origin("file", "r", 0))
    return replace(row, **fields)


def write(path: Path, batches: list[list[Row]]) -> Path:
    with RowWriter(path) as out:
        for batch in batches:
            out.write(batch)
    return path


@settings(max_examples=50)
@given(rows)
def test_row_through_its_record_comes_back_equal(row: Row) -> None:
    assert from_record(to_record(row)) == row


def test_rows_written_and_read_in_any_batches_are_equal(tmp_path: Path) -> None:
    many = [make_row(f"test:{number:06}", instruction=f"Do {number}.") for number in range(11_000)]
    one = write(tmp_path / "one.parquet", [many])
    other = write(tmp_path / "other.parquet", [many[:7], many[7:5_001], many[5_001:]])
    assert file_hash(one) == file_hash(other)
    assert [row for batch in read_batches(one, 999) for row in batch] == many


def test_writer_with_descending_ids_raises_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="'test:1' comes after 'test:2'"):
        write(tmp_path / "x.parquet", [[make_row("test:2"), make_row("test:1")]])
    assert list(tmp_path.iterdir()) == []


def test_writer_with_repeated_id_raises(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no id may occur twice"):
        write(tmp_path / "x.parquet", [[make_row("test:1")], [make_row("test:1")]])


def test_writer_on_an_impossible_folder_raises_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(BuildError, match="cannot be written"):
        write(tmp_path / "file" / "x.parquet", [[make_row("test:1")]])


def test_writer_interrupted_leaves_the_old_file(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", [[make_row("test:1")]])
    before = file_hash(path)
    with pytest.raises(RuntimeError), RowWriter(path) as out:
        out.write([make_row("test:2")])
        raise RuntimeError("killed")
    assert file_hash(path) == before
    assert list(tmp_path.iterdir()) == [path]


def test_reader_of_a_missing_file_raises_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no such file. Run `dvc repro`"):
        list(read_rows(tmp_path / "x.parquet"))


def test_row_id_depends_on_content_alone() -> None:
    assert row_id("alpaca", "a", "b", "c") == row_id("alpaca", "a", "b", "c")
    others = {
        row_id("alpaca", *fields) for fields in [("a", "b", "c"), ("ab", "", "c"), ("a", "bc", "")]
    }
    assert len(others) == 3


@pytest.mark.parametrize(
    ("placement", "input", "query"),
    [
        ("after", "", "Do it."),
        ("before", "", "Do it."),
        ("after", "This.", "Do it.\n\nThis."),
        ("before", "This.", "This.\n\nDo it."),
    ],
)
def test_query_joins_instruction_and_input_once(placement: str, input: str, query: str) -> None:
    row = make_row("test:1", placement=placement, input=input)
    assert row.query == query
    assert row.messages[-2:] == [
        {"role": "user", "content": query},
        {"role": "assistant", "content": "Done."},
    ]


def test_messages_hold_a_system_turn_only_when_there_is_one() -> None:
    assert [m["role"] for m in make_row("test:1").messages] == ["user", "assistant"]
    with_system = make_row("test:1", system="Be brief.").messages
    assert with_system[0] == {"role": "system", "content": "Be brief."}


def test_conservation_with_a_lost_row_raises_with_the_difference() -> None:
    conserve("stage", rows_in=10, rows_out=8, quarantined=2)
    with pytest.raises(BuildError, match=r"\+1 unaccounted"):
        conserve("stage", rows_in=10, rows_out=8, quarantined=1)


def test_quarantine_beside_an_output_counts_reasons(tmp_path: Path) -> None:
    output = tmp_path / "x.parquet"
    lost = [Quarantined(f"test:{n}", "fetch", "blank" if n else "odd", "", "{}") for n in range(3)]
    write_quarantine(output, lost)
    assert reasons(output) == {"blank": 2, "odd": 1}
