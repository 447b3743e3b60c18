"""The client: nothing asked twice, nothing failed served, order kept, memory bounded."""

import asyncio
import sqlite3
from asyncio import Queue
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from stages.config.errors import BuildError
from stages.llm.client import Answer, Client, Step, Unusable
from stages.llm.engines.replay import ReplayEngine
from stages.llm.exchange import export_ledger
from stages.llm.ledger import Ledger
from stages.llm.progress import StageProgress
from stages.llm.request import Completion, Message, Prompt, Request, SamplingParams
from tests.stand_in import StandIn

SAMPLING = SamplingParams(temperature=1.0, top_p=0.9, top_k=50, max_tokens=64)

Opener = Callable[..., Client]


def read_number(item: str, reply: str) -> int:
    if not reply.isdigit():
        raise Unusable("no-number")
    return int(reply)


STEP: Step[str, int] = Step(
    "number", lambda item: Prompt((Message("user", item),)) if item else None, read_number
)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    """Opens clients on one ledger, each through a connection of its own."""
    with ExitStack() as stack:

        def client(engine, attempts: int = 3, **options) -> Client:
            ledger = stack.enter_context(Ledger(tmp_path / "ledger.sqlite"))
            progress = StageProgress("test", 0)
            made = Client(engine, ledger, SAMPLING, attempts, progress, **options)
            return stack.enter_context(made)

        yield client


def ask(client: Client, items: list[str], step: Step = STEP) -> list[Answer]:
    return list(client.map(lambda item: client.ask(item, step), items))


def text_of(request: Request) -> str:
    return request.prompt.messages[-1].content


def test_ask_again_asks_nothing(opened: Opener) -> None:
    assert [a.value for a in ask(opened(StandIn(text_of)), ["1", "2"])] == [1, 2]
    second = StandIn(lambda request: "9")
    assert [a.value for a in ask(opened(second), ["2", "1"])] == [2, 1]
    assert second.asked == []


def test_equal_items_at_once_are_asked_once_and_each_answered(opened: Opener) -> None:
    engine = StandIn(text_of)
    assert [a.value for a in ask(opened(engine), ["7", "8", "7"])] == [7, 8, 7]
    assert len(engine.asked) == 2


def test_nothing_to_ask_gives_no_value_and_no_failure(opened: Opener) -> None:
    (answer,) = ask(opened(StandIn(lambda _: "1")), [""])
    assert (answer.value, answer.failure, answer.requests) == (None, "", ())


def test_unusable_reply_is_asked_again_under_the_next_attempt(opened: Opener) -> None:
    engine = StandIn(lambda request: "5" if request.attempt == 3 else "hm")
    (answer,) = ask(opened(engine), ["five"])
    assert answer.value == 5
    assert [request.attempt for request in engine.asked] == [1, 2, 3]
    assert answer.requests == tuple(request.key for request in engine.asked)
    assert len({request.seed for request in engine.asked}) == 3


def test_reply_that_stays_unusable_is_a_typed_failure_with_the_raw_reply(opened: Opener) -> None:
    (answer,) = ask(opened(StandIn(lambda request: "hm")), ["five"])
    assert (answer.value, answer.failure, answer.reply) == (None, "no-number", "hm")


@pytest.mark.parametrize("blank", ["", "  \n"])
def test_blank_reply_is_a_failure_and_never_an_answer(opened: Opener, blank: str) -> None:
    step = Step("any", STEP.render, lambda item, reply: reply)
    (answer,) = ask(opened(StandIn(lambda request: blank)), ["x"], step)
    assert (answer.value, answer.failure) == (None, "blank")


def test_failed_request_is_recorded_and_asked_again_next_time(opened: Opener) -> None:
    (answer,) = ask(opened(StandIn(lambda request: None), attempts=1), ["1"])
    assert (answer.failure, answer.reply) == ("failed", "down")
    up = StandIn(lambda request: "1")
    (answer,) = ask(opened(up, attempts=1), ["1"])
    assert answer.value == 1
    assert len(up.asked) == 1


def test_rejected_request_is_recorded_and_not_asked_again(opened: Opener) -> None:
    refused = Completion("", "rejected", 0, 0, "{}", "HTTP 400: too long")
    (answer,) = ask(opened(StandIn(lambda request: refused), attempts=2), ["1"])
    assert (answer.failure, answer.reply) == ("rejected", "HTTP 400: too long")
    up = StandIn(lambda request: "1")
    assert ask(opened(up, attempts=2), ["1"]) == [answer]
    assert up.asked == []


def test_changed_parser_reads_recorded_replies_and_asks_nothing(opened: Opener) -> None:
    ask(opened(StandIn(lambda request: "12")), ["x"])
    engine = StandIn(lambda request: "99")
    other = Step("number", STEP.render, lambda item, reply: int(reply[::-1]))
    (answer,) = ask(opened(engine), ["x"], other)
    assert answer.value == 21
    assert engine.asked == []


def test_truncated_replies_are_asked_again_with_a_larger_cap_and_good_ones_stay(
    opened: Opener,
) -> None:
    def cut(request: Request) -> Completion | str:
        long = text_of(request) == "2000"
        if long and request.sampling.max_tokens < 100:
            return Completion("20", "truncated", 1, request.sampling.max_tokens, "{}")
        return text_of(request)

    answers = ask(opened(StandIn(cut), attempts=2), ["1", "2000"])
    assert [answer.failure for answer in answers] == ["", "truncated"]
    engine = StandIn(cut)
    client = opened(engine, attempts=2, max_tokens_if_truncated=100)
    assert [answer.value for answer in ask(client, ["1", "2000"])] == [1, 2000]
    assert [(r.sampling.max_tokens, r.attempt) for r in engine.asked] == [(100, 2)]


def test_reference_is_shown_to_an_open_book_model_only(opened: Opener) -> None:
    step = Step("r", lambda item: Prompt((Message("user", item),), reference="known"), read_number)
    engine = StandIn(text_of)
    ask(opened(engine), ["1"], step)
    assert engine.asked[0].prompt.reference == ""


def test_replay_with_a_missing_reply_names_count_and_request(opened: Opener) -> None:
    client = opened(ReplayEngine(StandIn.model))
    with pytest.raises(BuildError, match=r"2 of the first requests have no reply(.|\n)*'one'"):
        ask(client, ["one", "two"])


def test_replay_takes_a_recorded_failure_for_what_it_was(opened: Opener) -> None:
    before = ask(opened(StandIn(lambda request: None), attempts=2), ["1"])
    assert ask(opened(ReplayEngine(StandIn.model), attempts=2), ["1"]) == before


def test_error_of_an_engine_ends_the_stage_and_keeps_what_had_come(opened: Opener) -> None:
    class Dying(StandIn):
        async def generate(self, waiting):
            request = await waiting.get()
            yield [(request, self._complete(request))]
            raise BuildError("The key is wrong.")

    with pytest.raises(BuildError, match="The key is wrong"):
        ask(opened(Dying(text_of)), ["1", "2", "3"])
    engine = StandIn(text_of)
    ask(opened(engine), ["1", "2", "3"])
    assert [text_of(request) for request in engine.asked] == ["2", "3"]


def test_reply_is_on_disk_before_the_engine_goes_on(opened: Opener, tmp_path: Path) -> None:
    seen: list[bool] = []

    class Watching(StandIn):
        async def generate(self, waiting):
            while True:
                request = await waiting.get()
                yield [(request, self._complete(request))]
                with Ledger(tmp_path / "ledger.sqlite") as ledger:
                    seen.append(request.key in ledger.get([request.key]))

    ask(opened(Watching(text_of)), ["1", "2", "3"])
    assert seen[:2] == [True, True]


def test_damaged_messages_are_made_whole_by_the_next_build(opened: Opener, tmp_path: Path) -> None:
    client = opened(StandIn(text_of))
    (answer,) = ask(client, ["1"])
    with sqlite3.connect(tmp_path / "ledger.sqlite") as db:
        db.execute("UPDATE contexts SET messages = x'00'")
    with pytest.raises(BuildError, match="are damaged"):
        export_ledger(client.ledger, answer.requests, tmp_path / "x.parquet")
    again = opened(StandIn(text_of))
    assert ask(again, ["1"]) == [answer]
    assert export_ledger(again.ledger, answer.requests, tmp_path / "x.parquet") == 1


def test_ledger_that_cannot_be_read_ends_the_stage_with_a_sentence(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = opened(StandIn(text_of))

    def fail(keys: object) -> None:
        raise BuildError("The ledger cannot be read.")

    monkeypatch.setattr(client.ledger, "get", fail)
    with pytest.raises(BuildError, match="cannot be read"):
        ask(client, ["1", "2"])


def test_item_that_waits_holds_up_no_other_and_order_is_kept(opened: Opener) -> None:
    class Late(StandIn):
        """Answers "1" only when everything else was answered, retries of "3" included."""

        async def generate(self, waiting: Queue[Request]):
            held: list[Request] = []
            done = 0
            while True:
                request = await waiting.get()
                if text_of(request) == "1":
                    held.append(request)
                else:
                    done += request.attempt == (2 if text_of(request) == "3" else 1)
                    yield [(request, self._complete(request))]
                if done == 9:
                    yield [(request, self._complete(request)) for request in held]

    def answer(request: Request) -> str:
        return "hm" if text_of(request) == "3" and request.attempt == 1 else text_of(request)

    client = opened(Late(answer))
    assert [a.value for a in ask(client, [str(n) for n in range(1, 11)])] == list(range(1, 11))


def test_no_more_items_are_under_way_than_the_engine_wants(opened: Opener) -> None:
    engine = StandIn(text_of)
    engine.window = 10
    client = opened(engine)
    read = []

    def items() -> Iterator[str]:
        for number in range(100):
            read.append(number)
            yield str(number)

    for done, answer in enumerate(client.map(lambda item: client.ask(item, STEP), items())):
        assert answer.value == done
        assert len(read) - done <= 11


def test_engine_is_freed_when_the_client_closes(opened: Opener, tmp_path: Path) -> None:
    freed = []

    class Holding(StandIn):
        async def generate(self, waiting):
            try:
                while True:
                    request = await waiting.get()
                    yield [(request, self._complete(request))]
            finally:
                await asyncio.sleep(0)
                freed.append(True)

    with Ledger(tmp_path / "l") as ledger:
        with Client(Holding(text_of), ledger, SAMPLING, 1, StageProgress("t", 0)) as client:
            ask(client, ["1"])
            assert freed == []
        assert freed == [True]


def test_run_is_remembered_for_the_next_plan(opened: Opener, tmp_path: Path) -> None:
    with Ledger(tmp_path / "l") as ledger:
        for _ in range(2):  # the second asks nothing and adds no run
            progress = StageProgress("sequence a", 2)
            with Client(StandIn(text_of), ledger, SAMPLING, 1, progress) as client:
                ask(client, ["1", "2"])
        (run,) = ledger.runs("model", "revision")
        assert (run.stage, run.engine, run.requests) == ("sequence a", "stand-in", 2)
        assert (run.prompt_tokens, run.completion_tokens) == (2, 2)
        assert run.seconds > 0


def test_closing_line_counts_requests_tokens_price_and_damage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def build() -> None:
        progress = StageProgress("sequence a", 3, dollars=(0.5, 1.0))
        with (
            Ledger(tmp_path / "l") as ledger,
            progress,
            Client(StandIn(text_of), ledger, SAMPLING, 1, progress) as client,
        ):
            ask(client, ["1", "2", "3"])

    build()
    first = capsys.readouterr().err
    assert "sequence a: 3 rows, 3 requests asked, 0 served from the ledger" in first
    assert "$4.50" in first
    with sqlite3.connect(tmp_path / "l") as db:
        db.execute("UPDATE replies SET reply = x'5b5d' WHERE rowid = 2")
    build()
    second = capsys.readouterr().err
    assert "1 record of the ledger damaged on disk" in second
    assert "1 requests asked, 2 served" in second
