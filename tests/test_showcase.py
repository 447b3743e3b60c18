"""The showcase: its replies can be used, what they claim is true, and what ships is current."""

import ast
import json
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from stages import fetch
from stages.config.errors import BuildError
from stages.config.paths import ledger_file
from stages.llm.exchange import import_ledger
from stages.llm.ledger import Ledger
from stages.llm.request import ModelId
from stages.llm.written import SAMPLING, Turn, Written, read_written, record, writer
from stages.methods.preserve import lost_content
from stages.methods.replies import read_new_instruction, read_option
from stages.methods.seq_instruct import OPTIONS
from stages.record import record as record_stage
from stages.respond import answer
from stages.rows.parquet import read_rows
from stages.rows.row import Row
from stages.sequence import sequence
from tests.conftest import ROOT

FOLDER = ROOT / "showcase"
ROWS = read_written(FOLDER / "replies.yaml")
BY_NAME = {row.name: row for row in ROWS}
WRITER = writer("showcase", ROWS)
# The first words of tasks that have no answer which could be written down.
NO_TASK = re.compile(
    r"(?:read|understand|consider|familiari[sz]e|get to know|repeat|analy[sz]e|review|recall|check"
    r"|think|reflect|look|examine|study|note that|keep)\b",
    re.IGNORECASE,
)
_NUMBER = r"\d[\d,]*(?:\.\d+)?"
EQUATION = re.compile(rf"({_NUMBER}(?: [-+×/] {_NUMBER})+) = ({_NUMBER})")


def instructions(row: Written) -> list[str]:
    """The instruction before the first iteration and after each."""
    found = [row.instruction]
    for turn in row.turns:
        found.append(read_new_instruction(turn.rewrite) if turn.rewrite else found[-1])
    return found


def replies(row: Written) -> str:
    return "\n".join(row.replies)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def named(rows: list[Written]) -> Any:
    return pytest.mark.parametrize("row", rows, ids=lambda row: row.name)


def test_showcase_has_about_thirty_rows_with_the_mix_of_the_paper() -> None:
    first = [row.first.option for row in ROWS]
    second = [row.second.option for row in ROWS if row.second]
    assert [first.count(option) for option in OPTIONS.values()] == [5, 12, 8, 5]
    assert [second.count(option) for option in OPTIONS.values()] == [4, 3, 6, 12]
    assert sum(bool(row.system) for row in ROWS) == 1
    assert sum(bool(row.input) for row in ROWS) >= 10


@named(ROWS)
def test_replies_say_what_is_annotated_in_the_form_of_the_prompts(row: Written) -> None:
    before = row.instruction
    for turn in row.turns:
        assert OPTIONS[read_option(turn.classify)] == turn.option
        assert re.search(r"\nSo the option is: [ABCD]\.\Z", turn.classify)
        if turn.option == "hold":
            assert turn.rewrite == ""
            continue
        assert re.fullmatch(r'.+\n\n#New Instruction#: ".+"###', turn.rewrite, re.DOTALL)
        rewrite = read_new_instruction(turn.rewrite)
        assert lost_content(before, rewrite) is None
        assert len(rewrite.split()) > len(before.split())
        before = rewrite
    assert bool(row.final) == (row.first.option != "hold") == bool(row.second)


@named([row for row in ROWS if row.final])
def test_added_tasks_have_answers_of_their_own(row: Written) -> None:
    before, *after = instructions(row)
    for rewrite in after:
        for sentence in re.split(r"(?<=[.?!])\s+", rewrite):
            task = re.sub(r"^(?:first|then|finally|after that),? ", "", sentence, flags=re.I)
            assert sentence in before or not NO_TASK.match(task), sentence
        before = rewrite
    # Who answers the sequence writes more than who answers the instruction, and nothing twice.
    assert len(row.final.split()) > len(row.answer.split())
    lines = [line for line in row.final.splitlines() if len(line.split()) > 5]
    assert len(lines) == len(set(lines))


@named(ROWS)
def test_equations_in_the_replies_are_right(row: Written) -> None:
    for terms, result in EQUATION.findall(replies(row)):
        sum_of = terms.replace(",", "").replace("×", "*")
        assert eval(sum_of) == pytest.approx(float(result.replace(",", ""))), terms


def test_equations_are_found_at_all() -> None:
    assert sum(len(EQUATION.findall(replies(row))) for row in ROWS) >= 10


@named(ROWS)
def test_python_in_the_replies_can_be_parsed(row: Written) -> None:
    for block in blocks(f"{row.input}\n{row.answer}\n{row.final}", "python"):
        ast.parse(block)


def test_recipe_is_scaled_and_the_shopping_list_is_what_is_missing() -> None:
    row = BY_NAME["recipe-for-six"]
    had = [int(n) for n in re.findall(r"^(\d+) (?:g|ml|eggs)", row.input, re.M)]
    has = [int(n) for n in re.findall(r"^(\d+) (?:g|ml|eggs)", row.final, re.M)]
    assert has == [round(n * 1.5) for n in had]
    _, _, shopping = row.final.partition("Shopping list")
    # Flour is in the house, and so is one of the eggs.
    assert re.findall(r"\d+", shopping) == [str(has[1]), str(has[2] - 1), str(has[3])]


def test_museum_table_adds_up_to_the_quarters() -> None:
    row = BY_NAME["museum-quarters"]
    months, quarters = (
        [int(n.replace(",", "")) for n in re.findall(r"([\d,]+) \|$", table, re.M)]
        for table in (row.input, row.final)
    )
    assert quarters == [sum(months[start : start + 3]) for start in range(0, 12, 3)]
    assert max(quarters) == quarters[2] == 6430
    assert "6,430" in row.answer


def test_vowels_are_counted_wrongly_before_and_rightly_after() -> None:
    row = BY_NAME["vowels-of-banana"]
    corrected, test = blocks(row.final, "python")
    assert blocks(row.answer, "python") == [corrected]

    def run(function: str) -> Any:
        names: dict[str, Any] = {}
        exec(function + test, names)
        return names

    broken, whole = run(blocks(row.input + "\n", "python")[0]), run(corrected)
    assert (broken["count_vowels"]("banana"), whole["count_vowels"]("banana")) == (0, 3)
    assert whole["count_vowels"]("AEIOU, xyz") == 5
    whole["test_vowels_after_the_first_letter_are_counted"]()
    with pytest.raises(AssertionError):
        broken["test_vowels_after_the_first_letter_are_counted"]()


def test_palindromes_are_those_that_the_plain_comparison_overlooks() -> None:
    row = BY_NAME["palindrome"]
    names: dict[str, Any] = {}
    exec(blocks(row.final, "python")[0], names)
    examples = re.findall(r"^\d\. `(.+?)`", row.final, re.M)
    assert len(examples) == 3
    for text in examples:
        assert text != text[::-1]
        assert names["is_palindrome"](text)
    assert not names["is_palindrome"]("never even or odd")


def test_query_lists_the_customers_that_its_reply_expects() -> None:
    row = BY_NAME["customers-without-orders"]
    inserts, query = blocks(row.final, "sql")
    assert blocks(row.answer, "sql") == [query]
    database = sqlite3.connect(":memory:")
    database.executescript(blocks(row.input + "\n", "sql")[0] + inserts)
    assert [name for _, name in database.execute(query)] == ["Baker", "Okafor"]
    assert "Baker and Okafor, in this order" in row.final


def test_interest_is_compounded() -> None:
    balance = 1000.0
    table = re.findall(
        r"\| \d \| ([\d.]+) euros \| ([\d.,]+) euros", BY_NAME["compound-interest"].final
    )
    assert len(table) == 3
    for interest, after in table:
        assert float(interest) == round(balance * 0.04, 2)
        balance = round(balance * 1.04, 2)
        assert float(after.replace(",", "")) == balance
    assert f"become {balance:,.2f} euros" in BY_NAME["compound-interest"].final


def test_texts_keep_to_the_form_that_their_instructions_ask_for() -> None:
    quotation = re.match(r'"(.+)"\n', BY_NAME["last-ferry"].final)
    assert quotation and quotation[1] in BY_NAME["last-ferry"].input
    assert len(BY_NAME["tent-for-three"].final.splitlines()[-1].split()) <= 15
    agenda = BY_NAME["forty-five-minutes"].answer
    assert sum(int(n) for n in re.findall(r": (\d+) minutes$", agenda, re.M)) == 45
    assert len(re.findall(r"[.?!](?:\s|$)", agenda.partition("Invitation\n")[2])) == 3
    plan = BY_NAME["six-hours-a-week"]
    shares = dict(re.findall(r"- (\w+), (\d) hours?", plan.final))
    hours = re.findall(r"\| (\d) hours? \| (\w+) \|", plan.final)
    for subject, share in shares.items():
        assert sum(int(n) for n, s in hours if s.lower() == subject.lower()) == int(share)
    for reproach in re.findall(r'^- "(.+?)"', BY_NAME["missing-figures"].final, re.M):
        assert reproach in BY_NAME["missing-figures"].input


def test_shipped_ledger_and_source_are_what_the_replies_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "showcase").mkdir()
    shutil.copy(FOLDER / "replies.yaml", tmp_path / "showcase")
    monkeypatch.chdir(tmp_path)
    record_stage("showcase")
    again = "run `python -m stages.record showcase`"
    made = pq.read_table("showcase/ledger.parquet")
    assert made.equals(pq.read_table(FOLDER / "ledger.parquet")), again
    assert (
        Path("showcase/showcase.jsonl").read_bytes() == (FOLDER / "showcase.jsonl").read_bytes()
    ), again
    assert made.num_rows == sum(len(row.replies) for row in ROWS)
    assert (FOLDER / "ledger.parquet").stat().st_size < 1_000_000


def test_every_profile_asks_for_the_showcase_in_the_way_in_which_it_is_recorded() -> None:
    for path in (ROOT / "profiles").glob("*.yaml"):
        generators = yaml.safe_load(path.read_text("utf-8")).get("generators", {})
        if "showcase" in generators:
            sampling = generators["showcase"]["sampling"]
            assert sampling == {name: getattr(SAMPLING, name) for name in sampling}, path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project that builds nothing but the showcase, with its ledger taken in."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    build = {
        name: type(value)() if isinstance(value, dict | list) else value
        for name, value in params.items()
    }
    build |= {
        "packages": {"datasets": [], "models": []},
        "sources": {"showcase": {"path": "showcase/showcase.jsonl"}},
        "sequences": {
            "showcase-1": {"reads": "sources/showcase", "generator": "showcase"},
            "showcase-2": {"reads": "sequences/showcase-1", "generator": "showcase"},
        },
        "answered": {
            "showcase-it": {"reads": "sources/showcase", "generator": "showcase"},
            "showcase-sit": {"reads": "sequences/showcase-2", "generator": "showcase"},
        },
    } | {name: params[name] for name in ("steps", "seq_instruct", "thresholds") if name in params}
    profile = yaml.safe_load((ROOT / "profiles/sample.yaml").read_text("utf-8"))
    profile["sources"] = {
        "showcase": {
            "origin": "file", "shape": "alpaca", "rows": None, "licence": "apache-2.0",
            "language": "en",
        }
    }  # fmt: skip
    sampling = {name: getattr(SAMPLING, name) for name in SAMPLING.__dataclass_fields__}
    profile["generators"] = {
        "showcase": {
            "name": WRITER.name, "revision": WRITER.revision, "licence": "apache-2.0",
            "sampling": sampling, "max_tokens_if_truncated": None,
        }
    }  # fmt: skip
    profile["runtime"]["engines"] = {"showcase": "replay"}
    profile["benchmarks"] = {}
    (tmp_path / "profiles").mkdir()
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(build), "utf-8")
    (tmp_path / "profiles/sample.yaml").write_text(yaml.safe_dump(profile), "utf-8")
    shutil.copytree(FOLDER, tmp_path / "showcase")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEQSMITH_LEDGER", raising=False)
    with Ledger(ledger_file()) as ledger:
        import_ledger(Path("showcase/ledger.parquet"), ledger)


def table(reference: str) -> dict[str, Row]:
    """The rows of a table by the name of what was written for them."""
    names = {(row.instruction, row.input): row.name for row in ROWS}
    rows = list(read_rows(Path(f"data/sample/{reference}.parquet")))
    started = [(row.history[0].instruction, row.history[0].input) for row in rows]
    return {names[start]: row for start, row in zip(started, rows, strict=True)}


def test_showcase_is_replayed_from_the_shipped_ledger_word_for_word(project: None) -> None:
    fetch.main("showcase")
    for name in ("showcase-1", "showcase-2"):
        sequence(name)
    for name in ("showcase-it", "showcase-sit"):
        answer(name)

    it, sit = table("datasets/showcase-it"), table("datasets/showcase-sit")
    assert it.keys() == sit.keys() == BY_NAME.keys()
    for name, written in BY_NAME.items():
        options = [turn.option for turn in written.turns]
        assert (it[name].output, it[name].tasks) == (written.answer, 1)
        assert sit[name].output == (written.final or written.answer)
        assert sit[name].tasks == 1 + sum(option != "hold" for option in options)
        assert sit[name].system == written.system
        history = [(event.option, event.outcome) for event in sit[name].history]
        outcomes = {"hold": "held"}
        assert history == [
            *((option, outcomes.get(option, "rewritten")) for option in options),
            *[("hold", "frozen")] * (2 - len(options)),
            ("", "answered"),
        ]
        assert sit[name].instruction == instructions(written)[-1]


def test_row_that_nothing_is_written_about_stops_the_replay(project: None) -> None:
    row = {"instruction": "Say it.", "input": "", "output": "It."}
    Path("showcase/showcase.jsonl").write_text(json.dumps(row), "utf-8")
    fetch.main("showcase")
    with pytest.raises(BuildError, match="have no reply in the ledger"):
        sequence("showcase-1")


WHOLE = Written(
    name="one",
    instruction="Name 3 birds.",
    answer="Wren, robin, swift.",
    first=Turn(
        option="suffix",
        classify="So the option is: C.",
        rewrite='#New Instruction#: "Name 3 birds. Then say which of them is the smallest."###',
    ),
    second=Turn(option="hold", classify="So the option is: D."),
    final="Wren, robin, swift. The wren.",
)


def replaced(**changes: Any) -> Written:
    return Written(**{**WHOLE.model_dump(), **changes})


def recorded(row: Written, folder: Path) -> set[str]:
    with Ledger(folder / "ledger.sqlite") as ledger:
        return record([row], ModelId("one", "1"), ledger)


def test_record_gives_one_key_for_each_reply(tmp_path: Path) -> None:
    assert len(recorded(WHOLE, tmp_path)) == len(WHOLE.replies) == 5


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            replaced(first={**WHOLE.first.model_dump(), "option": "prefix"}),
            r"iteration 1 came out as suffix \(rewritten\), where prefix",
        ),
        (
            replaced(
                first={
                    **WHOLE.first.model_dump(),
                    "rewrite": '#New Instruction#: "Name birds. Then say which is smallest."###',
                }
            ),
            r"iteration 1 came out as hold \(held: suffix lost-number\)",
        ),
        (
            replaced(second={"option": "hold", "classify": "No."}),
            r"iteration 2 .* classify no-option",
        ),
        (replaced(final=""), "`final`: unanswered: blank"),
        (
            replaced(first={"option": "hold", "classify": "So the option is: D."}, second=None),
            "1 replies that nothing asks for",
        ),
        (
            replaced(second={**WHOLE.second.model_dump(), "rewrite": "More."}),
            "1 replies that nothing asks for",
        ),
    ],
)
def test_record_names_the_row_whose_replies_cannot_be_used(
    tmp_path: Path, row: Written, said: str
) -> None:
    with pytest.raises(BuildError, match=f"one: .*{said}"):
        recorded(row, tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- name: one\n", "a row has a mistake in instruction"),
        ("- 3\n", "not a list of rows"),
        ("- {name: [\n", "not a list of rows"),
        (yaml.safe_dump([WHOLE.model_dump()] * 2), "used for two rows: one"),
        (yaml.safe_dump([{**WHOLE.model_dump(), "finale": "x"}]), "finale"),
    ],
)
def test_file_of_replies_that_is_not_one_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "replies.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(BuildError, match=said):
        read_written(path)


def test_revision_changes_with_any_reply() -> None:
    changed = [replaced(final="Other."), replaced(answer="Other."), replaced(system="Be kind.")]
    revisions = {writer("one", [row]).revision for row in (WHOLE, *changed)}
    assert len(revisions) == 4
