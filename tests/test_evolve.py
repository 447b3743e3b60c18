"""Evol-Instruct: the operations, the four rules of elimination, and the world's evolved rows."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.llm.client import Client, Unusable
from stages.llm.engines.world import WorldEngine
from stages.llm.ledger import Ledger
from stages.llm.progress import StageProgress
from stages.llm.request import Request, SamplingParams
from stages.methods.evolve import (
    EVOLVE,
    OPERATIONS,
    SAME,
    Pair,
    evolve,
    is_empty_talk,
    is_sorry,
    operation_of,
)
from stages.methods.respond import respond
from stages.rows.quarantine import Quarantined
from stages.rows.row import Origin, Row
from stages.world.chains import read_chain
from stages.world.checker import check
from stages.world.passages import read_passage
from stages.world.rows import DRAW
from tests.stand_in import StandIn

SAMPLING = SamplingParams(1.0, 0.9, 50, 256)


def id_of(operation: str) -> str:
    """An id of which this operation is drawn."""
    return next(f"t:{n}" for n in range(1_000) if operation_of(f"t:{n}") == operation)


def make_row(operation: str = "deepen", **fields: str) -> Row:
    texts = {"instruction": "Name the city.", "input": "Rome is old.", **fields}
    return Row(id_of(operation), output="Rome", source="t", origin=Origin("f", "r", 0), **texts)


class Model(StandIn):
    """A model of three texts: what it evolves to, its verdict and its answer."""

    def __init__(
        self, evolved: str, verdict: str = "Not Equal", answer: str = "Well done."
    ) -> None:
        def reply(request: Request) -> str:
            message = request.prompt.messages[-1].content
            if message.startswith("#The Given Prompt#"):
                return evolved
            return verdict if message.startswith("#First Prompt#") else answer

        super().__init__(reply)


@pytest.fixture
def client_of(tmp_path: Path) -> Iterator[Callable[..., Client]]:
    with Ledger(tmp_path / "ledger.sqlite") as ledger, ExitStack() as clients:
        yield lambda model: clients.enter_context(
            Client(model, ledger, SAMPLING, 3, StageProgress("test", 0))
        )


HARDER = "Name the city, and say how old it is.\n\nRome is old."


def test_evolved_row_holds_everything_in_its_instruction_and_keeps_its_output(client_of) -> None:
    row = make_row(system="Be kind.")
    model = Model(HARDER)
    client = client_of(model)
    (evolved,) = client.map(lambda one: evolve(one, client), [row])
    assert (evolved.id, evolved.query, evolved.input) == (row.id, HARDER, "")
    assert (evolved.output, evolved.system, evolved.tasks) == ("Rome", "Be kind.", 1)
    event = evolved.history[-1]
    assert (event.step, event.option, event.outcome) == ("evolve", "deepen", "evolved")
    assert (event.instruction, event.input) == ("Name the city.", "Rome is old.")
    assert list(event.requests) == [request.key for request in model.asked]


@pytest.mark.parametrize("placement", ["after", "before"])
def test_respond_finds_the_reply_that_the_rules_judged(client_of, placement: str) -> None:
    row = replace(make_row(system="Be kind."), placement=placement)
    model = Model(HARDER)
    client = client_of(model)
    (evolved,) = client.map(lambda one: evolve(one, client), [row])
    asked = len(model.asked)
    (answered,) = client.map(lambda one: respond(one, client), [evolved])
    assert (answered.output, len(model.asked)) == ("Well done.", asked)
    assert answered.history[-1].requests == evolved.history[-1].requests[-1:]


@pytest.mark.parametrize(
    ("model", "reason", "reply", "requests"),
    [
        (Model("Name the  city.\n\nRome is old."), "eliminated: no gain", None, 1),
        (Model(HARDER, verdict="Equal."), "eliminated: no gain", HARDER, 2),
        (Model(HARDER, answer="Sorry, no."), "eliminated: sorry", "Sorry, no.", 3),
        (Model(HARDER, answer="It is... there!"), "eliminated: empty talk", "It is... there!", 3),
        (Model(f"{HARDER}\nKeep to the given\nprompt."), "eliminated: marker", None, 1),
        (Model(f"{HARDER}\n#Rewritten Prompt#"), "eliminated: marker", None, 1),
        (Model(" "), "unevolved: blank", " ", 3),
        (Model("#Rewritten Prompt#:\n"), "unevolved: empty", None, 3),
        (Model("Name the city, and say how old it is."), "unevolved: lost-input", None, 3),
        (Model(HARDER, verdict="Perhaps."), "unevolved: verdict unreadable", "Perhaps.", 4),
        (Model(HARDER, answer=" "), "unanswered: blank", " ", 5),
    ],
)
def test_row_that_a_rule_or_a_failure_ends_is_quarantined_with_the_raw_reply(
    client_of, model: Model, reason: str, reply: str | None, requests: int
) -> None:
    client = client_of(model)
    (lost,) = client.map(lambda one: evolve(one, client), [make_row()])
    assert isinstance(lost, Quarantined)
    evolved = model.answer(model.asked[0])
    assert (lost.reason, lost.reply) == (reason, evolved if reply is None else reply)
    assert len(model.asked) == requests
    assert '"Name the city."' in lost.row and "deepen" in lost.detail


def test_marker_words_of_the_original_are_no_copied_marker(client_of) -> None:
    row = make_row(instruction="Write a story for the given prompt.", input="")
    client = client_of(Model("Write a sad story for the given prompt."))
    (evolved,) = client.map(lambda one: evolve(one, client), [row])
    assert evolved.instruction == "Write a sad story for the given prompt."


def test_in_breadth_needs_nothing_of_the_original(client_of) -> None:
    client = client_of(Model("Name a river in Peru."))
    (evolved,) = client.map(lambda one: evolve(one, client), [make_row("breadth")])
    assert (evolved.query, evolved.history[-1].option) == ("Name a river in Peru.", "breadth")


@pytest.mark.parametrize("operation", OPERATIONS[:-1])
@pytest.mark.parametrize(
    ("instruction", "evolved", "reason"),
    [
        ("Run `f(x)`.", "Run g(x) twice, and say why.", "lost-code"),
        ("Say it in 30 words.", "Say it in few words, and rhyme.", "lost-number"),
        ('Explain "to be".', "Explain the phrase, and who says it.", "lost-quotation"),
    ],
)
def test_in_depth_loses_nothing_of_the_original(
    operation: str, instruction: str, evolved: str, reason: str
) -> None:
    row = make_row(operation, instruction=instruction, input="")
    with pytest.raises(Unusable, match=reason):
        EVOLVE.parse(row, evolved)


@pytest.mark.parametrize(
    "reply",
    [
        HARDER,
        f'"{HARDER}"',
        f"#Rewritten Prompt#:\n{HARDER}",
        f"**#Rewritten Prompt#:**\n\n{HARDER}\n",
        f"### Rewritten Prompt\n{HARDER}",
    ],
)
def test_marker_and_quotation_marks_around_a_reply_are_no_part_of_it(reply: str) -> None:
    assert EVOLVE.parse(make_row(), reply) == HARDER


def test_list_at_the_start_of_a_reply_stays() -> None:
    assert EVOLVE.parse(make_row("breadth"), "#Created Prompt#:\n* One\n* Two") == "* One\n* Two"


@pytest.mark.parametrize(
    ("reply", "equal"),
    [("Equal", True), ("equal.", True), ("Not Equal", False), ("**Verdict: Not equal**", False)],
)
def test_verdict_is_read(reply: str, equal: bool) -> None:
    assert SAME.parse(Pair("a", "b"), reply) is equal


@pytest.mark.parametrize("reply", ["Equally hard.", "They are equal, but not equal.", "Yes", ""])
def test_verdict_that_is_none_is_refused(reply: str) -> None:
    with pytest.raises(Unusable, match="unreadable"):
        SAME.parse(Pair("a", "b"), reply)


def test_operations_are_drawn_evenly_and_by_id_alone() -> None:
    drawn = Counter(operation_of(f"alpaca:{n:016x}") for n in range(6_000))
    assert set(drawn) == set(OPERATIONS) and len(OPERATIONS) == 6
    assert all(900 < count < 1_100 for count in drawn.values())


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("placement", ["after", "before"])
def test_prompts_hold_the_query_once_and_as_it_is_joined(operation: str, placement: str) -> None:
    row = replace(make_row(operation), placement=placement)
    question = EVOLVE.render(row).messages[-1].content
    assert question.count(row.query) == 1
    assert question.count("Rome is old.") == 1


def test_demonstrations_pass_the_parser_and_the_rules_they_teach() -> None:
    for operation in OPERATIONS:
        turns = EVOLVE.render(make_row(operation)).messages[1:-1]
        assert len(turns) == 4
        for question, reply in zip(turns[::2], turns[1::2], strict=True):
            original = question.content.split("\n", 1)[1].rpartition("\n\nNow ")[0]
            instruction, _, material = original.partition("\n\n")
            row = make_row(operation, instruction=instruction, input=material)
            assert row.query == original
            evolved = EVOLVE.parse(row, reply.content)
            assert evolved == reply.content
            assert "prompt" not in evolved.lower()
            if operation != "complicate":
                added = len(evolved.split()) - len(original.split())
                assert (8 if operation != "breadth" else -10) <= added <= 22
    turns = SAME.render(Pair("a", "b")).messages[2:-1:2]
    assert sorted(SAME.parse(Pair("a", "b"), turn.content) for turn in turns) == [
        False, False, True
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("response", "sorry"),
    [
        ("Sorry, I cannot do that.", True),
        ("I'm SORRY.", True),
        ("That is easy.", False),
        ("sorry " + "word " * 78, True),
        ("sorry " + "word " * 79, False),
    ],
)
def test_short_apology_is_sorry(response: str, sorry: bool) -> None:
    assert is_sorry(response) is sorry


@pytest.mark.parametrize(
    "response", ["...", "?!", "It is.", "That's it, isn't it?", "— the —", "a"]
)
def test_punctuation_and_stop_words_are_empty_talk(response: str) -> None:
    assert is_empty_talk(response)


@pytest.mark.parametrize(
    "response", ["No.", "Yes", "A", "B.", "42", "x < y", "😀", "Rome", "是的", "It is Rome."]
)
def test_short_answer_is_no_empty_talk(response: str) -> None:
    assert not is_empty_talk(response)


@given(
    st.lists(st.sampled_from(["#Rewritten Prompt#:", "a b", "b", '"', "#", "\n", " "])).map(
        "".join
    ),
    st.text("ab "),
    st.sampled_from(OPERATIONS),
)
def test_reply_of_any_kind_is_read_or_refused_and_in_depth_the_input_is_in_it(
    reply: str, material: str, operation: str
) -> None:
    try:
        evolved = EVOLVE.parse(make_row(operation, input=material), reply)
    except Unusable:
        return
    assert evolved.strip() and evolved in reply
    if operation != "breadth":
        assert " ".join(material.split()) in " ".join(evolved.split())


@given(st.text(), st.sampled_from(OPERATIONS))
def test_no_reply_breaks_the_parser(reply: str, operation: str) -> None:
    try:
        assert EVOLVE.parse(make_row(operation, input=""), reply).strip()
    except Unusable as reason:
        assert str(reason) in ("empty", "lost-input")


def world_rows(count: int) -> list[Row]:
    return [
        Row(f"w:{n:04}", **record, source="w", origin=Origin("world", "0", n))
        for n, record in enumerate(islice(DRAW["alpaca"]("evolve"), count))
    ]


def test_world_rows_evolve_to_other_tasks_with_exact_answers(client_of) -> None:
    rows = world_rows(600)
    client = client_of(WorldEngine())
    made = list(client.map(lambda one: evolve(one, client), rows))
    kept = [row for row in made if isinstance(row, Row)]
    lost = [row for row in made if isinstance(row, Quarantined)]
    assert {row.reason for row in lost} == {"eliminated: no gain"}
    assert 1 <= len(lost) <= 0.05 * len(rows)
    asked = len(client.used)
    answered = list(client.map(lambda one: respond(one, client), kept))
    assert len(client.used) == asked
    before = {row.id: row for row in rows}
    for row in answered:
        original = before[row.id]
        passage = read_passage(original.input)
        chain = read_chain(row.instruction.removesuffix(f"\n\n{original.input}"))
        assert chain and check(row.output, chain, passage).exact
        asks = {(ask.task.name, ask.argument) for ask in read_chain(original.instruction)}
        now = {(ask.task.name, ask.argument) for ask in chain}
        assert now != asks
        match row.history[0].option:
            case "breadth":
                assert not now & asks and len(now) == len(asks)
            case "concretise":
                assert now > asks or {name for name, _ in now} == {name for name, _ in asks}
            case _:
                assert now > asks


def test_strangers_evolve_to_what_can_be_computed(client_of) -> None:
    rows = [
        replace(
            make_row(operation, instruction="Name a famous bridge.", input="In Rome, please."),
            output="The Ponte Milvio",
        )
        for operation in OPERATIONS
    ]
    client = client_of(WorldEngine())
    answered = {}
    for row in rows:
        (evolved,) = client.map(lambda one: evolve(one, client), [row])
        (answered[operation_of(row.id)],) = client.map(lambda one: respond(one, client), [evolved])
    query = rows[0].query
    for operation in ("deepen", "reasoning"):
        assert answered[operation].query.endswith(query)
        assert answered[operation].output.endswith("\n\nThe Ponte Milvio")
    for operation in ("constraints", "concretise", "complicate"):
        assert answered[operation].query.startswith(query)
        assert answered[operation].output.startswith("The Ponte Milvio\n\n")
    computed = {
        "capital letters": query.upper(),
        "small letters": query.lower(),
        "reverse order": "please. Rome, In bridge. famous a Name",
    }
    breadth = answered["breadth"]
    assert breadth.query.endswith(f"and do nothing else.\n\n{query}")
    assert [breadth.output] == [text for task, text in computed.items() if task in breadth.query]
