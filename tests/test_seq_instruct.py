"""Seq-Instruct: options, rewrites, holds, and the faults of the reference implementation."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from stages.llm.client import Client
from stages.llm.ledger import Ledger
from stages.llm.progress import StageProgress
from stages.llm.request import Request, SamplingParams
from stages.methods.respond import respond
from stages.methods.seq_instruct import CLASSIFY, REWRITE, Chosen, iterate
from stages.rows.quarantine import Quarantined
from stages.rows.row import Event, Origin, Row
from tests.stand_in import StandIn

SAMPLING = SamplingParams(1.0, 0.9, 50, 256)
REWRITE_TO = 'Why.\n\n#New Instruction#: "{}"###'


class Model(StandIn):
    """A model made of two functions: what it chooses and how it rewrites, per instruction."""

    def __init__(
        self,
        choose: Callable[[str, int], str],
        rewrite: Callable[[str, int], str],
        answer: str = "An answer.",
    ) -> None:
        def reply(request: Request) -> str:
            message = request.prompt.messages[-1].content
            if message.startswith("The instruction is:"):
                return choose(message, request.attempt)
            if message.startswith("#Original Instruction#"):
                return rewrite(message, request.attempt)
            return answer

        super().__init__(reply)


@pytest.fixture
def client_of(tmp_path: Path) -> Iterator[Callable[[Model], Client]]:
    with Ledger(tmp_path / "ledger.sqlite") as ledger, ExitStack() as clients:
        yield lambda model: clients.enter_context(
            Client(model, ledger, SAMPLING, 3, StageProgress("test", 0))
        )


def iterate_all(rows: list[Row], iteration: int, client: Client) -> list[Row]:
    return list(client.map(lambda row: iterate(row, iteration, client), rows))


def respond_all(rows: list[Row], client: Client) -> tuple[list[Row], list[Quarantined]]:
    done = list(client.map(lambda row: respond(row, client), rows))
    return (
        [row for row in done if isinstance(row, Row)],
        [row for row in done if isinstance(row, Quarantined)],
    )


def make_row(name: str, instruction: str, input: str = "", system: str = "") -> Row:
    return Row(f"t:{name}", instruction, input, "Old.", "t", Origin("file", "r", 0), system)


def choosing(letter: str) -> Callable[[str, int], str]:
    return lambda message, attempt: f"Because.\nSo the option is: {letter}."


def test_iterate_keeps_count_order_and_ids(client_of) -> None:
    rows = [make_row(str(n), f"Say {n}.") for n in range(5)]

    def choose(message: str, attempt: int) -> str:
        return f"So the option is: {'D' if 'Say 2' in message else 'B'}."

    def rewrite(message: str, attempt: int) -> str:
        number = next(n for n in range(5) if f"Say {n}." in message)
        return REWRITE_TO.format(f"Name a letter. Then say {number}.")

    grown = iterate_all(rows, 1, client_of(Model(choose, rewrite)))
    assert [row.id for row in grown] == [row.id for row in rows]
    assert [row.tasks for row in grown] == [2, 2, 1, 2, 2]
    assert grown[0].instruction == "Name a letter. Then say 0."
    assert grown[0].history[0].instruction == "Say 0."
    assert grown[0].history[0].option == "prefix"
    assert grown[2].instruction == "Say 2."
    assert (grown[2].history[0].option, grown[2].history[0].outcome) == ("hold", "held")


def test_row_that_held_once_is_frozen_and_not_asked_again(client_of) -> None:
    held = iterate_all([make_row("1", "Say 1.")], 1, client_of(Model(choosing("D"), choosing("D"))))
    model = Model(choosing("B"), choosing("B"))
    (again,) = iterate_all(held, 2, client_of(model))
    assert model.asked == []
    assert again.instruction == "Say 1."
    assert [event.outcome for event in again.history] == ["held", "frozen"]


def test_blank_classification_is_asked_again_and_never_read_as_hold(client_of) -> None:
    """Faults 1 and 10: the reference records a blank or unreadable reply as D."""

    def choose(message: str, attempt: int) -> str:
        return ["", "assistant", "So the option is: C."][attempt - 1]

    model = Model(choose, lambda m, a: REWRITE_TO.format("Say 1. Then say why."))
    (row,) = iterate_all([make_row("1", "Say 1.")], 1, client_of(model))
    assert row.history[0].option == "suffix"
    assert len(row.history[0].requests) == 4


def test_classification_that_stays_unreadable_is_held_with_its_reason(client_of) -> None:
    model = Model(lambda m, a: "Option A or B, who knows.", choosing("B"))
    (row,) = iterate_all([make_row("1", "Say 1.")], 1, client_of(model))
    event = row.history[0]
    assert (event.option, event.outcome) == ("hold", "held: classify no-option")
    assert len(event.requests) == 3


@pytest.mark.parametrize(
    ("rewrite", "reason"),
    [
        ("I will not.", "no-marker"),
        (REWRITE_TO.format(""), "empty"),
        (REWRITE_TO.format("Say  `x = 1` in 3 words."), "unchanged"),
        (REWRITE_TO.format("Explain it. Then say `x = 1` in a few words."), "lost-number"),
        (REWRITE_TO.format("Explain it. Then say it in 3 words."), "lost-code"),
        (REWRITE_TO.format("#Original Instruction#: Say `x = 1` in 3 words."), "leaked-marker"),
        (
            REWRITE_TO.format("Explain. Then say `x = 1` in 3 words. The material is long."),
            "input-copied",
        ),
    ],
)
def test_rewrite_that_is_no_use_is_asked_again_then_held(client_of, rewrite, reason) -> None:
    """Faults 7 to 9: the reference accepts any text after a marker."""
    original = make_row("1", "Say `x = 1` in 3 words.", "The material is long.")
    model = Model(choosing("B"), lambda m, a: rewrite)
    (row,) = iterate_all([original], 1, client_of(model))
    assert row.instruction == original.instruction
    assert row.tasks == 1
    assert row.history[0].outcome == f"held: prefix {reason}"
    assert row.history[0].option == "hold"
    assert len(row.history[0].requests) == 4  # one classification, three rewrites


def test_equal_instructions_are_each_rewritten(client_of) -> None:
    """Fault 2: a map from prompt to output loses rows."""
    rows = [make_row("1", "Say 1."), make_row("2", "Say 1."), make_row("3", "Say 3.")]
    model = Model(choosing("C"), lambda m, a: REWRITE_TO.format("Say 1. Say 3. Then say why."))
    grown = iterate_all(rows, 1, client_of(model))
    assert [row.tasks for row in grown] == [2, 2, 2]
    assert len(model.asked) == 4  # two distinct rows, two steps


@pytest.mark.parametrize("letter", "ABC")
def test_row_without_an_input_is_rewritten(client_of, letter: str) -> None:
    """Fault 3: the reference stops on every such row."""
    model = Model(choosing(letter), lambda m, a: REWRITE_TO.format("Count. Then say it."))
    (row,) = iterate_all([make_row("1", "Say it.")], 1, client_of(model))
    assert row.tasks == 2


@pytest.mark.parametrize("option", ["decompose", "prefix", "suffix"])
def test_prompts_hold_instruction_and_input_once(option: str) -> None:
    """Fault 4: the reference joins the input up to four times."""
    row = make_row("1", "Say the unusual thing.", "Unusual material.")
    for prompt in (CLASSIFY.render(row), REWRITE.render(Chosen(row, option))):
        whole = "\n".join(message.content for message in prompt.messages)
        assert whole.count("Say the unusual thing.") == 1
        assert whole.count("Unusual material.") == 1
        assert whole.rstrip().endswith("Let's think step by step.")
    assert row.query.count("Unusual material.") == 1


@pytest.mark.parametrize("placement", ["after", "before"])
def test_placement_and_system_prompt_survive_iterations(client_of, placement: str) -> None:
    """Faults 5 and 13: the reference drops the position of the input and renumbers the rows."""
    row = Row("t:1", "Say it.", "M.", "Old.", "t", Origin("f", "r", 7), "Be kind.", placement)
    client = client_of(
        Model(choosing("B"), lambda m, a: REWRITE_TO.format(f"Add {a}. Then say it."))
    )
    (one,) = iterate_all([row], 1, client)
    (two,) = iterate_all([one], 2, client)
    assert (two.id, two.origin.row, two.placement, two.system) == ("t:1", 7, placement, "Be kind.")
    assert [event.instruction for event in two.history] == ["Say it.", "Add 1. Then say it."]


def test_demonstrations_are_in_one_order_per_request_and_in_all_orders_overall() -> None:
    """Fault 18: the reference shuffles them unseeded."""
    prompts = [CLASSIFY.render(make_row("1", f"Say {n}.")) for n in range(600)]
    assert prompts[0] == CLASSIFY.render(make_row("1", "Say 0."))
    orders = {prompt.messages[:-1] for prompt in prompts}
    assert len(orders) > 100  # of the 120 orders of five demonstrations
    assert len({frozenset(order) for order in orders}) == 1


def test_demonstrations_pass_the_parsers_and_checks_they_teach() -> None:
    """Fault 14: the reference's demonstrations break its own rules."""
    letters = []
    turns = CLASSIFY.render(make_row("1", "x")).messages[1:-1]
    for reply in turns[1::2]:
        letters.append(CLASSIFY.parse(make_row("1", "x"), reply.content))
    assert sorted(letters) == ["decompose", "hold", "hold", "prefix", "suffix"]
    banned = ("read ", "understand", "consider", "familiari", "repeat", "analy", "review", "recall")
    for option in ("decompose", "prefix", "suffix"):
        messages = REWRITE.render(Chosen(make_row("1", "x"), option)).messages[1:-1]
        for question, reply in zip(messages[::2], messages[1::2], strict=True):
            instruction = question.content.partition("#Original Instruction#: '")[2]
            instruction = instruction.partition("'\n#Input#")[0].partition("'\nNow ")[0]
            rewrite = REWRITE.parse(Chosen(make_row("1", instruction), option), reply.content)
            assert not any(verb in rewrite.lower() for verb in banned)


def test_respond_answers_rows_and_keeps_the_request(client_of) -> None:
    rows = [make_row("1", "Say 1.", "M.", "Be kind.")]
    model = Model(choosing("B"), choosing("B"), answer="  One.\n")
    (answered,), lost = respond_all(rows, client_of(model))
    assert (answered.output, lost) == ("One.", [])
    assert answered.history[-1] == Event(
        "respond", 0, "", "Say 1.", (model.asked[0].key,), "answered", "M."
    )
    asked = [(m.role, m.content) for m in model.asked[0].prompt.messages]
    assert asked == [("system", "Be kind."), ("user", "Say 1.\n\nM.")]
    # Only the oracle is shown the upstream response.
    assert model.asked[0].prompt.reference == ""


def test_respond_without_a_usable_reply_quarantines_the_row_whole(client_of) -> None:
    """Faults 1 and 11: blanks and placeholders become data."""
    answered, (lost,) = respond_all(
        [make_row("1", "Say 1.")], client_of(Model(None, None, answer=" "))
    )
    assert answered == []
    assert (lost.id, lost.reason) == ("t:1", "unanswered: blank")
    assert "Say 1." in lost.row
