"""Two builds of a dataset compared: what became of each row, why, and how it is told."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path

import orjson
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from stages.config.errors import BuildError
from stages.diff.compare import Comparison, compare
from stages.diff.diff import diff, to_json
from stages.diff.page import render
from stages.diff.replies import Replies
from stages.diff.sides import Side, open_side
from stages.diff.text import comparison_text
from stages.diff.words import pieces, shortened
from stages.llm.exchange import export_ledger
from stages.llm.ledger import Ledger
from stages.llm.request import Completion, Message, Prompt, Request, SamplingParams
from stages.rows.parquet import RowWriter, read_rows
from stages.rows.quarantine import Quarantined, write_quarantine
from stages.rows.row import SCHEMA_WITH_IMAGE, Origin, Picture, Row, row_id

HOSTILE = "</p><script>document.title='taken'</script><b onclick=x>"
CHAIN = ["sources/alpaca", "sequences/alpaca-1", "datasets/alpaca-sit"]


@dataclass
class Build:
    """A build of three tables from one text for each position upstream, as its steps would."""

    texts: dict[int, str] = field(default_factory=lambda: {n: f"Name town {n}." for n in range(6)})
    model: str = "model"
    revision: str = "1"
    temperature: float = 1.0
    grow: str = "Add a task to the instruction."
    demonstration: str = "Name a river."
    respond: str = ""
    """system prompt"""
    reply: Callable[[str], str] = lambda question: f"Reply to {question}"
    read: Callable[[str], str] = lambda reply: reply.removeprefix("Reply to ")
    """what the step that rewrites makes of a reply"""
    finish: Callable[[str], str] = lambda reply: reply
    """what the step that answers makes of a reply"""
    upstream: str = "1"
    """revision of the source"""
    taken_out: dict[int, str] = field(default_factory=dict)
    """position -> reason of quarantine at the sequence"""
    iterations: int = 1
    hands_out: int = 1
    """rows that are made from each row at the end"""
    joined: str | None = None
    """text of another table, which the last step asks about too"""
    has_ledger: bool = True

    def write(self, folder: Path) -> Side:
        ledger = Ledger(folder / "ledger.sqlite")
        source, grown, made, lost = [], [], [], []
        for position, text in self.texts.items():
            origin = Origin("repo", self.upstream, position)
            row = Row(
                row_id("alpaca", text, "", "Upstream."), text, "", "Upstream.", "alpaca", origin
            )
            source.append(row)
            if position in self.taken_out:
                lost.append(Quarantined(row.id, "sequence", self.taken_out[position], "-", "{}"))
                continue
            for iteration in range(1, self.iterations + 1):
                key, reply = self._ask(ledger, row.instruction, self.grow, self.demonstration)
                row = row.after(
                    "sequence", "rewritten", option="suffix", iteration=iteration, requests=(key,),
                    instruction=f"{self.read(reply)} And more.", tasks=row.tasks + 1,
                )  # fmt: skip
            grown.append(row)
            question = f"{row.instruction} {self.joined}" if self.joined else row.instruction
            key, reply = self._ask(ledger, question, self.respond)
            done = row.after("respond", "answered", requests=(key,), output=self.finish(reply))
            for part in range(self.hands_out):
                id = f"{done.id}#{part}" if self.hands_out > 1 else done.id
                made.append(replace(done, id=id, output=f"{done.output} {part or ''}"))
        for reference, rows in zip(CHAIN, (source, grown, made), strict=True):
            _write(folder / f"{reference}.parquet", rows)
            if reference != CHAIN[0] and self.has_ledger:
                keys = {key for row in rows for event in row.history for key in event.requests}
                export_ledger(ledger, keys, folder / f"{reference}.ledger.parquet")
        write_quarantine(folder / "sequences/alpaca-1.parquet", lost)
        joins = {}
        if self.joined:
            other = Row("other:1", self.joined, "", "", "other", Origin("repo", "1", 0))
            _write(folder / "sources/other.parquet", [other])
            joins = {CHAIN[2]: ("sources/other",)}

        def find(name: str) -> Path | None:
            return folder / name if (folder / name).is_file() else None

        exports = [folder / f"{one}.ledger.parquet" for one in CHAIN[1:] if self.has_ledger]
        return Side(
            folder.name, [folder / f"{CHAIN[2]}.parquet"], CHAIN, joins, find, lambda: exports
        )

    def _ask(self, ledger: Ledger, question: str, system: str, *turn: str) -> tuple[str, str]:
        context = [Message("system", system)] if system else []
        for text in turn:
            context += [Message("user", text), Message("assistant", f"{text} Then spell it.")]
        request = Request(
            self.model, self.revision, Prompt((*context, Message("user", question))),
            SamplingParams(self.temperature, 0.9, 50, 100),
        )  # fmt: skip
        reply = self.reply(question)
        ledger.record([(request, Completion(reply, "answered", 1, 1, "{}"))])
        return request.key, reply


def _write(path: Path, rows: list[Row]) -> None:
    schema = {"schema": SCHEMA_WITH_IMAGE} if rows and rows[0].image else {}
    with RowWriter(path, **schema) as out:
        out.write(sorted(rows, key=lambda row: row.id))


def compared(folder: Path, before: Build, after: Build, examples: int = 2) -> Comparison:
    return compare(
        "alpaca-sit", before.write(folder / "before"), after.write(folder / "after"), examples
    )


def causes(found: Comparison) -> dict[tuple[str, str], int]:
    return {(one.kind, one.cause): one.rows for one in found.causes}


def only(found: Comparison) -> tuple[str, list[str]]:
    """The one cause of all rows that changed, with its evidence."""
    (cause,) = found.causes
    assert (cause.kind, cause.rows) == ("changed", found.changed)
    return cause.cause, list(cause.evidence)


def printed(found: Comparison) -> str:
    out = StringIO()
    Console(file=out, width=100).print(comparison_text(found))
    return out.getvalue()


def test_diff_of_equal_builds_finds_every_row_the_same(tmp_path: Path) -> None:
    found = compared(tmp_path, Build(), Build())
    assert (found.same, found.causes) == (6, [])
    assert "No row differs." in printed(found)


# What differs between two builds -> cause, evidence, and whether the rows differ in content.
CHANGES = {
    "revision": (Build(revision="2"), "model", "sequence 1: revision 1 -> 2", False),
    "another model": (
        Build(model="other", reply=lambda question: f"Reply to {question} Truly."),
        "model", "sequence 1: model model -> other", True,
    ),
    "sampling": (
        Build(temperature=0.0, reply=lambda question: f"Reply to {question} Truly."),
        "model", "sequence 1: sampling temperature 1.0 -> 0.0", True,
    ),
    "system prompt": (
        Build(grow="Add one.", reply=lambda question: f"Reply to {question} Truly."),
        "prompt", "sequence 1: another system prompt", True,
    ),
    "demonstration": (
        Build(demonstration="Name a hill."), "prompt", "sequence 1: another demonstrations", False,
    ),
    "prompt of the answer": (
        Build(respond="Answer.", reply=lambda q: f"Reply to {q}" + " So." * q.endswith("more.")),
        "prompt", "respond: another system prompt", True,
    ),
    "parser of the rewriter": (
        Build(read=lambda reply: reply.upper()), "parser", "sequence 1: read as another text", True,
    ),
    "parser of the answer": (
        Build(finish=lambda reply: reply.upper()), "parser", "respond: read as another text", True,
    ),
    "parser, though the model moved": (
        Build(revision="2", read=lambda reply: reply.upper()),
        "parser", "sequence 1: read as another text, and revision 1 -> 2", True,
    ),
    "reply": (
        Build(reply=lambda question: f"Reply to {question} Truly."),
        "reply", "sequence 1: another reply to the same request", True,
    ),
    "reply of the answer": (
        Build(reply=lambda q: f"Reply to {q}" + " So." * q.endswith("more.")),
        "reply", "respond: another reply to the same request", True,
    ),
    "step added": (
        Build(iterations=2),
        "method", "steps sequence 1, respond -> sequence 1, sequence 2, respond", True,
    ),
    "upstream revision": (
        Build(upstream="2"), "source", "the same text, upstream revision 1 -> 2", False,
    ),
    "no ledger": (
        Build(revision="2", has_ledger=False),
        "not known", "sequence 1: requests are others, and no ledger at hand has them", False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_changed_row_is_told_by_its_cause(tmp_path: Path, name: str) -> None:
    after, cause, evidence, in_content = CHANGES[name]
    found = compared(tmp_path, Build(), after)
    assert (found.same, found.changed) == (0, 6)
    assert only(found) == (cause, [evidence])
    assert found.causes[0].content == (6 if in_content else 0)
    assert len(found.causes[0].examples) == 2


def test_joined_row_that_differs_is_told_apart_from_the_prompt(tmp_path: Path) -> None:
    found = compared(tmp_path, Build(joined="Lisbon"), Build(joined="Porto"))
    assert only(found) == ("upstream row", ["respond: sources/other differs"])


def test_question_that_differs_beside_equal_joined_rows_is_the_prompt(tmp_path: Path) -> None:
    before, after = Build(joined="Lisbon").write(tmp_path / "a"), Build().write(tmp_path / "b")
    # The same other table on both sides: what the question says about it is the prompt's.
    after = replace(after, joins=before.joins, find=before.find)
    found = compare("alpaca-sit", before, after, 1)
    assert only(found) == ("prompt", ["respond: another question"])


def test_step_without_requests_whose_result_differs_is_the_method(tmp_path: Path) -> None:
    def side(name: str, task: str) -> Side:
        built = Build().write(tmp_path / name)
        rows = [
            row.after("compose", "composed", instruction=f"{task}, {row.instruction}")
            for row in read_rows(built.tables[0])
        ]
        _write(built.tables[0], rows)
        return built

    found = compare("alpaca-sit", side("a", "First"), side("b", "At first"), 1)
    assert only(found) == ("method", ["compose: it asks no model, and its code or settings differ"])


def test_reply_that_one_side_refused_and_asked_again_is_the_parser(tmp_path: Path) -> None:
    def side(name: str, attempts: int, outcome: str) -> Side:
        built = Build().write(tmp_path / name)
        ledger = Ledger(tmp_path / name / "ledger.sqlite")
        keys = []
        for attempt in range(1, attempts + 1):
            request = Request(
                "model", "1", Prompt((Message("user", "Evolve."),)),
                SamplingParams(1.0, 0.9, 50, 100), attempt,
            )  # fmt: skip
            reply = Completion(f"No. {attempt}", "answered", 1, 1, "{}")
            ledger.record([(request, reply)])
            keys.append(request.key)
        rows = [
            row.after("evolve", outcome, requests=tuple(keys), instruction=f"Evolved {attempts}.")
            for row in read_rows(built.tables[0])
        ]
        _write(built.tables[0], rows)
        export = tmp_path / name / "datasets/evolved.ledger.parquet"
        export_ledger(ledger, keys, export)
        exports = [*built.ledgers(), export]
        return replace(built, ledgers=lambda: exports)

    again = compare("alpaca-sit", side("a", 1, "evolved"), side("b", 2, "evolved"), 1)
    assert only(again)[0] == "parser"
    more = compare("alpaca-sit", side("c", 1, "kept: unusable"), side("d", 2, "evolved"), 1)
    assert only(more) == ("method", ["evolve: 1 -> 2 requests"])


def test_output_is_laid_to_the_step_that_made_it_whatever_else_was_asked_anew(
    tmp_path: Path,
) -> None:
    # The rewriter was asked in other words, and said the same; the answer was read otherwise.
    after = Build(grow="Add one.", finish=lambda reply: reply.upper())
    found = compared(tmp_path, Build(), after)
    assert only(found) == ("parser", ["respond: read as another text"])

    def side(name: str, build: Build, temperature: float, reply: str) -> Side:
        built = build.write(tmp_path / name)
        ledger = Ledger(tmp_path / name / "ledger.sqlite")
        sampling = SamplingParams(temperature, 0.9, 50, 100)
        request = Request("model", "1", Prompt((Message("user", "Go on."),)), sampling)
        ledger.record([(request, Completion(reply, "answered", 1, 1, "{}"))])
        rows = [
            row.after("compose", "composed", requests=(request.key,), output=row.output + reply)
            for row in read_rows(built.tables[0])
        ]
        _write(built.tables[0], rows)
        export = tmp_path / name / "datasets/composed.ledger.parquet"
        export_ledger(ledger, [request.key], export)
        exports = [*built.ledgers(), export]
        return replace(built, ledgers=lambda: exports)

    # The answers are those of another revision, and the same; what was put to them is not.
    one, other = side("a", Build(), 1.0, "x"), side("b", Build(revision="2"), 0.5, "y")
    found = compare("alpaca-sit", one, other, 1)
    assert only(found) == ("model", ["compose: sampling temperature 1.0 -> 0.5"])


def test_rows_edited_removed_and_added_upstream_are_told_apart(tmp_path: Path) -> None:
    texts = Build().texts
    after = {n: text for n, text in texts.items() if n != 5}
    after |= {2: "Name the town 2.", 9: "Name town 9."}
    found = compared(tmp_path, Build(), Build(texts=after))
    assert causes(found) == {
        ("edited", "source"): 1,
        ("removed", "source"): 1,
        ("added", "source"): 1,
    }
    assert (found.same, found.changed, found.edited) == (4, 0, 1)
    edited = found.causes[0].examples[0]
    assert edited.before == row_id("alpaca", texts[2], "", "Upstream.")
    assert edited.after == row_id("alpaca", after[2], "", "Upstream.")
    assert "instruction" in [one.field for one in edited.fields]
    assert "Name{+ the+} town 2." in printed(found)


def test_row_in_quarantine_on_one_side_is_told_with_its_reason(tmp_path: Path) -> None:
    found = compared(tmp_path, Build(), Build(taken_out={3: "unanswered: truncated"}))
    assert causes(found) == {("removed", "quarantine"): 1}
    assert list(found.causes[0].evidence) == [
        "taken out of sequences/alpaca-1 after: unanswered: truncated"
    ]
    back = compared(tmp_path / "back", Build(taken_out={3: "unanswered: blank"}), Build())
    assert causes(back) == {("added", "quarantine"): 1}


def test_row_made_of_a_row_in_another_number_has_the_cause_of_its_siblings(tmp_path: Path) -> None:
    after = Build(hands_out=3, revision="2", reply=lambda question: f"Reply to {question} Truly.")
    found = compared(tmp_path, Build(hands_out=2), after)
    assert causes(found) == {("changed", "model"): 12, ("added", "model"): 6}


def test_rows_of_a_release_alone_are_not_known_to_be_upstream(tmp_path: Path) -> None:
    before = Build().write(tmp_path / "a")
    few = Build(texts={0: "Name town 0."}).write(tmp_path / "b")
    release = replace(few, chain=[], find=lambda _: None)
    found = compare("alpaca-sit", before, release, 1)
    assert causes(found) == {("removed", "not known"): 5}


def test_older_table_is_compared_by_the_columns_that_both_have(tmp_path: Path) -> None:
    before, after = Build().write(tmp_path / "a"), Build().write(tmp_path / "b")
    old = pl.read_parquet(before.tables[0]).drop("further")
    without = [
        name for name in ("step", "iteration", "option", "instruction", "requests", "outcome")
    ]
    event = pl.struct(*(pl.element().struct.field(name) for name in without))
    old.with_columns(pl.col("history").list.eval(event)).write_parquet(before.tables[0])
    found = compare("alpaca-sit", before, after, 1)
    assert (found.same, found.left_out) == (6, ["further", "history.input"])
    assert "one side alone has it: further, history.input" in printed(found)


def test_table_that_holds_no_rows_of_ours_is_refused(tmp_path: Path) -> None:
    before, after = Build().write(tmp_path / "a"), Build().write(tmp_path / "b")
    pl.DataFrame({"text": ["a"]}).write_parquet(after.tables[0])
    with pytest.raises(BuildError, match="no column id"):
        compare("alpaca-sit", before, after, 1)
    after.tables[0].write_bytes(b"no Parquet")
    with pytest.raises(BuildError, match="not a readable Parquet file"):
        compare("alpaca-sit", before, after, 1)


def test_unsorted_table_is_refused(tmp_path: Path) -> None:
    before, after = Build().write(tmp_path / "a"), Build().write(tmp_path / "b")
    pl.read_parquet(after.tables[0]).reverse().write_parquet(after.tables[0])
    with pytest.raises(BuildError, match="must be sorted by id"):
        compare("alpaca-sit", before, after, 1)


def test_another_picture_is_a_change_of_the_source(tmp_path: Path) -> None:
    def side(name: str, data: bytes) -> Side:
        built = Build().write(tmp_path / name)
        rows = [replace(row, image=Picture(data, "1.png")) for row in read_rows(built.tables[0])]
        _write(built.tables[0], rows)
        return built

    found = compare("alpaca-sit", side("a", b"one"), side("b", b"two"), 1)
    assert only(found) == ("source", ["another picture"])
    assert found.causes[0].examples[0].fields[0].field == "image"


@pytest.mark.parametrize("examples", [0, 1, 4])
def test_examples_are_as_many_as_asked_for_and_prefer_other_content(
    tmp_path: Path, examples: int
) -> None:
    # Two of six rows differ in content, the other four in their history alone.
    after = Build(revision="2", reply=lambda q: f"Reply to {q}" + " Oh." * ("3" in q or "4" in q))
    found = compared(tmp_path, Build(), after, examples)
    (cause,) = found.causes
    assert (cause.rows, cause.content, len(cause.examples)) == (6, 2, examples)
    told = [any(one.field == "instruction" for one in example.fields) for example in cause.examples]
    assert told == [True, True, False, False][:examples]


def test_requests_for_two_continuations_differ_in_what_goes_with_the_question(
    tmp_path: Path,
) -> None:
    def asked(continuation: str) -> Request:
        prompt = Prompt((Message("user", "Which?"),), continuation=continuation)
        return Request("m", "1", prompt, SamplingParams(0.0, 1.0, -1, 8))

    text, first, second = asked(""), asked(" A"), asked(" B")
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        for request in (text, first, second):
            ledger.record([(request, Completion("{}", "answered", 1, 1, "{}"))])
        for name, requests in (("plain", [text]), ("all", [text, first, second])):
            export_ledger(ledger, [one.key for one in requests], tmp_path / f"{name}.parquet")
    plain, every = (Replies([tmp_path / f"{name}.parquet"]) for name in ("plain", "all"))
    joined = [found.joined for one in (text, first, second) if (found := every.get(one.key))]
    assert len(set(joined)) == 3
    assert (found := plain.get(text.key)) and found.joined == joined[0]
    assert every.texts([second.key])[second.key]["continuation"] == " B"


def test_example_shows_what_the_request_and_the_reply_said(tmp_path: Path) -> None:
    after = Build(grow="Add one.", reply=lambda question: f"Reply to {question} Truly.")
    found = compared(tmp_path, Build(), after)
    fields = {one.field: one for one in found.causes[0].examples[0].fields}
    assert fields["request, system prompt"].before == "Add a task to the instruction."
    assert fields["request, system prompt"].after == "Add one."
    assert fields["reply"].after == f"{fields['reply'].before} Truly."
    assert "request, question" not in fields


row_texts = st.dictionaries(
    st.sampled_from(["a", "aa", "b", "b#1", "b#2", "bb#1", "c", "d#1"]),
    st.sampled_from(["", "x", "y"]),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(row_texts, row_texts)
def test_comparison_conserves_rows_and_is_symmetric(
    tmp_path: Path, before: dict[str, str], after: dict[str, str]
) -> None:
    def side(name: str, texts: dict[str, str]) -> Side:
        rows = [
            Row(id, "Say.", "", text, "s", Origin("r", "1", "abcd".index(id[0])))
            for id, text in texts.items()
        ]
        _write(tmp_path / f"{name}.parquet", rows)
        return Side(name, [tmp_path / f"{name}.parquet"], [], {}, lambda _: None, lambda: [])

    one, other = side("one", before), side("other", after)
    there, back = compare("s", one, other, 2), compare("s", other, one, 2)
    both = before.keys() & after.keys()
    assert there.same == sum(before[id] == after[id] for id in both)
    assert there.changed == len(both) - there.same
    assert there.rows_before == len(before) == len(both) + there.edited + there.removed
    assert there.rows_after == len(after) == len(both) + there.edited + there.added
    mirrored = (back.same, back.changed, back.edited, back.added, back.removed)
    assert mirrored == (there.same, there.changed, there.edited, there.removed, there.added)
    for kind in ("changed", "edited", "removed", "added"):
        ours = [cause for cause in there.causes if cause.kind == kind]
        assert sum(cause.rows for cause in ours) == getattr(there, kind)
        assert all(cause.evidence.total() == cause.rows for cause in ours)


@given(st.text(max_size=80), st.text(max_size=80))
def test_pieces_put_together_are_the_two_texts(before: str, after: str) -> None:
    found = pieces(before, after)
    assert "".join(text for kind, text in found if kind != "new") == before
    assert "".join(text for kind, text in found if kind != "old") == after
    assert all(text for _, text in found)


def test_long_stretches_that_are_the_same_are_cut_beside_the_difference() -> None:
    same = "word " * 200
    found = shortened(pieces(f"{same}old {same}", f"{same}new {same}"))
    assert [kind for kind, _ in found] == ["same", "old", "new", "same"]
    assert all(len(text) < 200 for _, text in found)
    assert found[1:3] == [("old", "old"), ("new", "new")]


def test_chinese_is_compared_by_character() -> None:
    assert pieces("我喜欢茶", "我喜欢水") == [("same", "我喜欢"), ("old", "茶"), ("new", "水")]


def test_text_marks_differences_without_colour_and_takes_no_markup_from_rows(
    tmp_path: Path,
) -> None:
    texts = {0: "Name [red]town[/red] 0."}
    text = printed(
        compared(tmp_path, Build(texts), Build(texts, finish=lambda reply: f"{reply} [bold]")),
    )
    assert "parser: 1 changed, all of them in content" in text
    assert "{+ [bold]+}" in text.replace("\n", "") or "[bold]" in text
    assert "[red]town[/red]" in text
    assert max(map(len, text.splitlines())) <= 100


def test_page_escapes_rows_needs_no_script_and_is_the_same_again(tmp_path: Path) -> None:
    texts = {0: f"Name {HOSTILE}.", 1: "Name town 1."}
    after = Build({0: texts[0], 1: f"Name {HOSTILE}"}, finish=lambda reply: reply + HOSTILE)
    pages = [render(compared(tmp_path / name, Build(texts), after)) for name in "ab"]
    assert pages[0] == pages[1]
    assert "<script" not in pages[0] and "onclick=x>" not in pages[0].replace("&gt;", "")
    assert "&lt;script&gt;" in pages[0]
    assert "default-src 'none'" in pages[0]
    assert "<ins>" in pages[0] and "<del>" in pages[0]
    for word in ("http://", "https://", "src="):
        assert word not in pages[0].replace("&lt;", "")


def test_json_holds_counts_causes_and_examples_and_is_the_same_again(tmp_path: Path) -> None:
    after = Build(revision="2", taken_out={1: "no reply"})
    first = to_json(compared(tmp_path / "a", Build(), after))
    assert first == to_json(compared(tmp_path / "b", Build(), after))
    found = orjson.loads(first)
    assert (found["same"], found["changed"], found["removed"]) == (0, 5, 1)
    assert found["causes"][0]["evidence"] == {"sequence 1: revision 1 -> 2": 5}
    assert {"before", "after", "evidence", "fields"} == found["causes"][0]["examples"][0].keys()


@pytest.fixture
def releases(tmp_path: Path) -> tuple[Path, Path]:
    """Two releases of one dataset: the second model gave other answers to the same questions."""
    folders = tmp_path / "v1", tmp_path / "v2"
    builds = Build(), Build(revision="2", reply=lambda question: f"Reply to {question} Truly.")
    for folder, build in zip(folders, builds, strict=True):
        side = build.write(tmp_path / f"build-{folder.name}")
        (folder / "data").mkdir(parents=True)
        (folder / "ledger").mkdir()
        side.tables[0].rename(folder / "data/train-00000-of-00001.parquet")
        merged = pl.concat([pl.read_parquet(path) for path in side.ledgers()]).unique("key")
        merged.sort("key").write_parquet(folder / "ledger/ledger-00000-of-00001.parquet")
        address = {"path": "somebody/alpaca-sit", "revision": folder.name}
        manifest = {"name": "alpaca-sit", "address": address}
        (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    return folders


def test_diff_between_releases_writes_text_json_and_page(
    releases: tuple[Path, Path], tmp_path: Path
) -> None:
    report, page = tmp_path / "out/diff.json", tmp_path / "out/diff.html"
    before, after = map(str, releases)
    out = StringIO()
    text = diff("alpaca-sit", before, after, json=report, page=page, examples=1)
    Console(file=out, width=100).print(text)
    assert "release somebody/alpaca-sit v1 -> release somebody/alpaca-sit v2" in out.getvalue()
    assert "sequence 1: revision 1 -> 2" in out.getvalue()
    found = orjson.loads(report.read_bytes())
    assert [(one["cause"], one["rows"]) for one in found["causes"]] == [("model", 6)]
    assert str(tmp_path) not in page.read_text("utf-8")


def test_release_of_another_dataset_or_without_rows_is_refused(
    releases: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(BuildError, match="a release of 'alpaca-sit', not of 'alpaca-it'"):
        open_side("alpaca-it", str(releases[0]), tmp_path)
    (releases[0] / "data/train-00000-of-00001.parquet").unlink()
    with pytest.raises(BuildError, match="holds no data"):
        open_side("alpaca-sit", str(releases[0]), tmp_path)
    (releases[1] / "manifest.json").write_text("[]", "utf-8")
    with pytest.raises(BuildError, match="not a manifest"):
        open_side("alpaca-sit", str(releases[1]), tmp_path)
    with pytest.raises(BuildError, match="without manifest.json"):
        open_side("alpaca-sit", str(tmp_path), tmp_path)
