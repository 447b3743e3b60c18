"""Local files: the same rows from every format, and a sentence for everything that is broken."""

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.config.errors import BuildError
from stages.rows.parquet import file_hash
from stages.sources.alpaca import ALPACA
from stages.sources.files import READERS, find_file, open_file
from stages.sources.flan import FLAN
from stages.sources.gather import Gathered, gather
from stages.sources.messages import MESSAGES
from stages.sources.shape import MAX_FIELD, Refusal, Shape

RECORDS = [
    {"instruction": "Add.", "input": "1, 2", "output": "3"},
    {"instruction": 'Say "hi"', "input": "", "output": "line\nline\r\nline, and\ttab"},
    {"instruction": "Übersetze\u2028ins Deutsche", "input": "😆 \x07", "output": "ja"},
]


def write_json(path: Path, records: list[dict[str, str]]) -> None:
    path.write_text(json.dumps(records), "utf-8")


def write_jsonl(path: Path, records: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), "utf-8")


def write_parquet(path: Path, records: list[dict[str, str]]) -> None:
    pq.write_table(pa.Table.from_pylist(records), path)


def write_csv(path: Path, records: list[dict[str, str]], separator: str = ",") -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]), delimiter=separator)
        writer.writeheader()
        writer.writerows(records)


def write_tsv(path: Path, records: list[dict[str, str]]) -> None:
    write_csv(path, records, "\t")


WRITERS: dict[str, Callable[[Path, list[dict[str, str]]], None]] = {
    ".json": write_json,
    ".jsonl": write_jsonl,
    ".parquet": write_parquet,
    ".csv": write_csv,
    ".tsv": write_tsv,
}


def read(path: Path, shape: Shape = ALPACA) -> list[object]:
    return list(open_file(path, shape).records)


def gathered(path: Path, shape: Shape = ALPACA) -> Gathered:
    return gather("alpaca", "en", None, open_file(path, shape))


def error_of(path: Path, shape: Shape = ALPACA) -> str:
    with pytest.raises(BuildError) as error:
        gathered(path, shape)
    return str(error.value)


def file(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("suffix", READERS)
def test_open_file_any_format_gives_the_records_in_order(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mine{suffix}"
    WRITERS[suffix](path, RECORDS)
    upstream = open_file(path, ALPACA)
    assert list(upstream.records) == RECORDS
    assert upstream.repo == path.name
    assert upstream.revision == file_hash(path)


@pytest.mark.parametrize("suffix", [*READERS, ".JSON", ".Csv"])
def test_open_file_any_format_gives_the_same_ids(tmp_path: Path, suffix: str) -> None:
    write_jsonl(tmp_path / "reference.jsonl", RECORDS)
    path = tmp_path / f"mine{suffix}"
    WRITERS[suffix.lower()](path, RECORDS)
    expected = [row.id for row in gathered(tmp_path / "reference.jsonl").rows]
    assert [row.id for row in gathered(path).rows] == expected


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".csv", ".tsv"])
def test_open_file_byte_order_mark_at_the_start_is_no_text(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mine{suffix}"
    WRITERS[suffix](path, RECORDS)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read(path) == RECORDS


def test_open_file_blank_lines_are_no_rows(tmp_path: Path) -> None:
    one = json.dumps(RECORDS[0])
    assert read(file(tmp_path, "a.jsonl", f"\n{one}\r\n  \n{one}\n\n")) == [RECORDS[0]] * 2
    text = "\ninstruction,input,output\n\na,b,c\n\n"
    assert read(file(tmp_path, "a.csv", text)) == [
        {"instruction": "a", "input": "b", "output": "c"}
    ]


def test_open_file_parquet_with_other_columns_reads_three_and_names_the_rest(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"id": [1], "instruction": ["a"], "text": ["d"], "input": [""], "output": "c"})
    pq.write_table(table, path)
    upstream = open_file(path, ALPACA)
    assert upstream.unread == ("id", "text")
    assert list(upstream.records) == [{"instruction": "a", "input": "", "output": "c"}]


def test_find_file_folder_with_file_of_that_name_found(tmp_path: Path) -> None:
    wanted = file(tmp_path, "alpaca.jsonl", "")
    file(tmp_path, "README.md", "")
    file(tmp_path, "alpacas.json", "")
    assert find_file(tmp_path, "alpaca", ALPACA) == wanted


def test_find_file_folder_without_gives_none(tmp_path: Path) -> None:
    file(tmp_path, "README.md", "")
    (tmp_path / "alpaca").mkdir()
    assert find_file(tmp_path, "alpaca", ALPACA) is None


def test_find_file_two_of_that_name_error_names_both(tmp_path: Path) -> None:
    file(tmp_path, "alpaca.json", "")
    file(tmp_path, "Alpaca.csv", "")
    with pytest.raises(BuildError, match=r"Alpaca\.csv and alpaca\.json are all named after"):
        find_file(tmp_path, "alpaca", ALPACA)


def test_find_file_nothing_there_error(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"'sources\.alpaca\.path' is '.*gone\.json', but there"):
        find_file(tmp_path / "gone.json", "alpaca", ALPACA)


@pytest.mark.parametrize("name", ["alpaca.txt", "alpaca.json.gz", "alpaca", "alpaca.xlsx"])
def test_find_file_unknown_suffix_error_names_the_known(tmp_path: Path, name: str) -> None:
    path = file(tmp_path, name, "")
    for given_path in (path, tmp_path):
        with pytest.raises(
            BuildError, match=r"is not known\. .*\.json, \.jsonl, \.parquet, \.csv, \.tsv"
        ):
            find_file(given_path, "alpaca", ALPACA)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", '[\n{"a": 1},\n{"b" 2}]', "a.json, line 3, column 6: not valid JSON"),
        ("a.json", "", "a.json, line 1, column 1: not valid JSON"),
        ("a.json", '{"a": 1}\n{"a": 2}', "line 2, column 1: not valid JSON: Extra data. If each"),
        ("a.jsonl", '{"a": 1}\n\n{"a": }\n', "a.jsonl, line 3, column 7: not valid JSON"),
        ("a.jsonl", "[\n{}\n]", "a.jsonl, line 1, column 2: not valid JSON"),
        ("a.json", '{"instruction": "x"}', "found dict at the top, expected an array"),
        ("a.json", '"text"', "found str at the top"),
        ("a.json", "[" * 100_000, "line 1: JSON nested too deeply"),
        ("a.jsonl", "{}\n" + "9" * 5_000, "line 2: JSON that cannot be read"),
        ("a.json", "[]", "a.json: has no rows"),
        ("a.jsonl", "\n", "a.jsonl: has no rows"),
        ("a.csv", "", "a.csv: has no rows"),
        ("a.csv", "instruction,input,output\n", "a.csv: has no rows"),
        ("a.csv", "prompt,input,output\na,b,c\n", "a.csv, line 1 (separated by commas): column"),
        (
            "a.csv",
            'instruction,input,output\na,b,c\n"d""\ne,f,g\n',
            "a.csv, the row that starts in line 3: not valid CSV",
        ),
        ("a.csv", 'instruction,input,output\n"a"b,c,d\n', "starts in line 2: not valid CSV"),
        ("a.parquet", "PAR1 not really PAR1", "a.parquet: not a readable Parquet file"),
        ("a.parquet", "", "a.parquet: not a readable Parquet file"),
        ("a.jsonl", b'{"a": 1}\n{"b": "\xff"}\n', "line 2, byte 16 of the file: 0xFF is not UTF-8"),
        ("a.json", b'[\n\n{"b": "\xe9t"}]', "line 3, byte 10 of the file: 0xE9 is not UTF-8"),
        ("a.csv", b"instruction,input,output\na,\xe9,c\n", "line 2, byte 27 of the file"),
        ("a.json", "[]".encode("utf-16"), "line 1, byte 0 of the file: 0xFF is not UTF-8"),
        ("a.json", '[{"question": "x"}]', "none of its 1 rows can be used (missing-column 1)"),
        ("a.jsonl", '{"question": "x"}\n[1]\n', "(missing-column 1, not-an-object 1). The first"),
    ],
)
def test_open_file_broken_file_error_says_where(
    tmp_path: Path, name: str, content: str | bytes, said: str
) -> None:
    assert said in error_of(file(tmp_path, name, content))


def test_open_file_parquet_without_a_column_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"instruction": ["a"], "input": ["b"]}), path)
    assert "column 'output' occurs 0 times" in error_of(path)


def test_open_file_parquet_without_rows_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    empty: list[str] = []
    pq.write_table(pa.table({"instruction": empty, "input": empty, "output": empty}), path)
    assert "a.parquet: has no rows" in error_of(path)


def test_open_file_parquet_with_text_that_is_not_utf8_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    broken = pa.StringArray.from_buffers(
        1, pa.array([0, 2], pa.int32()).buffers()[1], pa.py_buffer(b"a\xff")
    )
    pq.write_table(pa.table({"instruction": broken, "input": ["b"], "output": ["c"]}), path)
    assert "a.parquet: holds text that is not UTF-8" in error_of(path)


def test_open_file_unreadable_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file(tmp_path, "a.jsonl", json.dumps(RECORDS[0]))
    upstream = open_file(path, ALPACA)

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BuildError, match="cannot be read"):
        list(upstream.records)
    with pytest.raises(BuildError, match="cannot be read"):
        open_file(path, ALPACA)


def test_open_file_key_given_twice_refused(tmp_path: Path) -> None:
    line = '{"instruction": "a", "instruction": "b", "input": "", "output": "c"}'
    [record] = read(file(tmp_path, "a.jsonl", line))
    assert isinstance(record, Refusal)
    assert record.reason == "repeated-key"
    assert record.record[:2] == [("instruction", "a"), ("instruction", "b")]


def test_open_file_csv_with_too_few_and_too_many_fields_refused(tmp_path: Path) -> None:
    text = 'instruction,input,output\na,b\n"a\n1",b,c\na,b,c,d\n'
    short, good, long = read(file(tmp_path, "a.csv", text))
    assert isinstance(short, Refusal) and isinstance(long, Refusal)
    assert (short.reason, short.record) == ("field-count", ["a", "b"])
    assert short.detail == "line 2 has 2 fields, the header has 3"
    assert long.detail == "line 5 has 4 fields, the header has 3"
    assert good == {"instruction": "a\n1", "input": "b", "output": "c"}


@pytest.mark.parametrize("suffix", READERS)
def test_open_file_field_of_five_megabytes_quarantined_whole(tmp_path: Path, suffix: str) -> None:
    long = {"instruction": "a", "input": "x" * 5_000_000, "output": "c"}
    path = tmp_path / f"a{suffix}"
    WRITERS[suffix](path, [*RECORDS, long])
    [row] = gathered(path).quarantined
    assert row.reason == "too-long"
    assert row.detail == f"input has 5,000,000 characters, {MAX_FIELD:,} are allowed"
    assert json.loads(row.row) == long


def test_open_file_tsv_of_flan_without_a_header_reasoning_then_answer(tmp_path: Path) -> None:
    lines = 'Which?\\nOptions:\\n- a\\n- b\ta\t"A" comes first.\n\nYes?\tno\tIt is not so.\r\n'
    found = gathered(file(tmp_path, "flancot.tsv", lines), FLAN)
    rows = sorted(found.rows, key=lambda row: row.origin.row)
    assert [(row.instruction, row.input, row.output) for row in rows] == [
        ("Which?\nOptions:\n- a\n- b", "", '"A" comes first.\nThe answer is a.'),
        ("Yes?", "", "It is not so.\nThe answer is no."),
    ]


def test_open_file_tsv_of_flan_unusable_lines_quarantined_with_reason(tmp_path: Path) -> None:
    lines = "q\ta\tc\nq\ta\n\ta\tc\nq\t\tc\nq\ta\t \nq\ta\tc\td\n"
    found = gathered(file(tmp_path, "flancot.tsv", lines), FLAN)
    assert len(found.rows) == 1
    assert [row.reason for row in found.quarantined] == [
        "field-count",
        "empty-instruction",
        "empty-output",
        "empty-chain-of-thought",
        "field-count",
    ]
    assert found.quarantined[0].detail == "line 2 has 2 fields, expected 3"


def test_open_file_tsv_of_flan_with_a_header_read_by_it(tmp_path: Path) -> None:
    path = file(tmp_path, "flancot.tsv", 'id\tquestion\tresponse\n1\ta\t"b\n""c"""\n')
    [row] = gathered(path, FLAN).rows
    assert (row.instruction, row.output) == ("a", 'b\n"c"')


def test_open_file_tsv_where_columns_are_mapped_must_have_a_header(tmp_path: Path) -> None:
    shape = FLAN.with_names({"question": "prompt"})
    said = error_of(file(tmp_path, "a.tsv", "promt\tresponse\tid\na\tb\tc\n"), shape)
    assert "column 'prompt' occurs 0 times, expected once. Is it 'promt'?" in said


def test_open_file_tsv_neither_with_header_nor_of_three_columns_error_says_both(
    tmp_path: Path,
) -> None:
    said = error_of(file(tmp_path, "a.tsv", "one\ttwo\n"), FLAN)
    assert "(separated by tabs; without a header: question, answer, chain_of_thought)" in said
    assert "Needed: question, response." in said


@pytest.mark.parametrize(
    ("name", "rows", "duplicates"),
    [("ecqa", 7_112, 0), ("gsm8k", 7_473, 0), ("qasc", 1_084, 0), ("strategyqa", 2_061, 1)],
)
def test_open_file_flan_chain_of_thought_itself_all_accounted_for(
    shared_data: Path, name: str, rows: int, duplicates: int
) -> None:
    found = gathered(shared_data / f"flan_cot/{name}_train.tsv", FLAN)
    assert (found.rows_in, len(found.rows)) == (rows, rows - duplicates)
    assert [row.reason for row in found.quarantined] == ["duplicate"] * duplicates
    assert not any("\\n" in row.query + row.output for row in found.rows)


CHAT = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".parquet"])
def test_open_file_chats_from_formats_that_hold_lists(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"chats{suffix}"
    WRITERS[suffix](path, [{"id": "1", "messages": CHAT}])  # type: ignore[dict-item]
    [row] = gathered(path, MESSAGES).rows
    assert (row.instruction, row.output) == ("a", "b")


def test_open_file_chats_as_text_in_a_table_refused(tmp_path: Path) -> None:
    path = tmp_path / "chats.csv"
    write_csv(path, [{"messages": json.dumps(CHAT)}])
    assert "none of its 1 rows can be used (not-messages 1)" in error_of(path, MESSAGES)


@pytest.mark.parametrize("suffix", READERS)
def test_open_file_renamed_columns_from_any_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mine{suffix}"
    WRITERS[suffix](path, [{"n": "7", "prompt": "a", "who": "Be brief.", "completion": "b"}])
    columns = {"question": "prompt", "response": "completion", "system_prompt": "who"}
    found = gathered(path, FLAN.with_names(columns))
    [row] = found.rows
    assert (row.instruction, row.output, row.system) == ("a", "b", "Be brief.")
    upstream = open_file(path, FLAN.with_names(columns))
    assert found.unread == {"n"} | set(upstream.unread)


@given(content=st.text(st.sampled_from('a1"\\n \t\n\r'), max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_open_file_any_tsv_of_flan_every_line_a_row_or_quarantined(
    tmp_path: Path, content: str
) -> None:
    path = file(tmp_path, "any.tsv", f"q\ta\tc\n{content}")
    found = gathered(path, FLAN)
    lines = [line for line in path.read_bytes().decode().split("\n") if line.strip()]
    assert found.rows_in == len(lines) == len(found.rows) + len(found.quarantined)


@given(content=st.binary(max_size=300), suffix=st.sampled_from(list(READERS)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_open_file_any_bytes_rows_or_build_error(
    tmp_path: Path, content: bytes, suffix: str
) -> None:
    path = file(tmp_path, f"any{suffix}", content)
    try:
        found = gathered(path)
    except BuildError as error:
        assert str(path.name) in str(error)
    else:
        assert found.rows_in == len(found.rows) + len(found.quarantined)


@given(
    cut=st.integers(0, 400),
    put=st.sampled_from(
        ['"', ",", "\n", "\r", "{", "}", "[", "\\", "\\ud800", "\0", "\ufeff", "é"]
    ),
    suffix=st.sampled_from([".json", ".jsonl", ".csv", ".tsv"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_open_file_damaged_text_rows_or_build_error(
    tmp_path: Path, cut: int, put: str, suffix: str
) -> None:
    path = tmp_path / f"any{suffix}"
    WRITERS[suffix](path, RECORDS)
    text = path.read_text("utf-8")
    path.write_text(text[:cut] + put + text[cut:], "utf-8")
    try:
        found = gathered(path)
    except BuildError as error:
        assert str(path.name) in str(error)
    else:
        assert found.rows_in == len(found.rows) + len(found.quarantined)
