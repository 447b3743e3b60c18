"""The openai engine against a server that fails on demand: nothing lost, leaked or asked twice."""

import asyncio
import base64
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress
from email.utils import formatdate

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.config.errors import BuildError
from stages.config.settings import Server
from stages.llm.engines import openai
from stages.llm.engines.concurrency import AdaptiveLimit
from stages.llm.engines.openai import OpenAIEngine
from stages.llm.engines.openai_replies import Fault, ReplyReader, read_retry_after
from stages.llm.request import (
    Completion,
    Image,
    Message,
    ModelId,
    Prompt,
    Request,
    SamplingParams,
)
from tests.loopback_llm import LoopbackLLM, fixed_reply

KEY = "sk-loopback-0123456789abcdef"
VARIABLE = "SEQSMITH_TEST_KEY"
BACKOFF = 0.003
GREEDY = SamplingParams(temperature=0.0, top_p=1.0, top_k=-1, max_tokens=16)
TRIES = 6


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackLLM]:
    """A server that asks for a key, which the environment holds."""
    monkeypatch.setenv(VARIABLE, KEY)
    with LoopbackLLM() as loopback:
        loopback.key = KEY
        yield loopback


def settings(server: LoopbackLLM, **changes: object) -> Server:
    return Server.model_validate(
        {
            "url": server.url,
            "key_variable": VARIABLE,
            "concurrency": 16,
            "requests_per_minute": None,
            "timeout": 20.0,
            "patience": 20.0,
        }
        | changes
    )


def request(question: str, sampling: SamplingParams = GREEDY) -> Request:
    return Request("loopback", "", Prompt((Message("user", question),)), sampling)


async def replies(
    server: LoopbackLLM, requests: list[Request], backoff: float = BACKOFF, **changes: object
) -> AsyncIterator[tuple[Request, Completion]]:
    """Completions as they come; ends with the last of `requests`."""
    engine = OpenAIEngine(ModelId("loopback", ""), settings(server, **changes), backoff)
    waiting: asyncio.Queue[Request] = asyncio.Queue()
    for one in requests:
        waiting.put_nowait(one)
    left = len(requests)
    async with aclosing(engine.generate(waiting)) as arriving, asyncio.timeout(60):
        async for arrived in arriving:
            for pair in arrived:
                yield pair
            left -= len(arrived)
            if not left:
                return


def ask(server: LoopbackLLM, *questions: str, **changes: object) -> dict[str, Completion]:
    async def collect() -> dict[str, Completion]:
        requests = [request(question) for question in questions]
        found = [pair async for pair in replies(server, requests, **changes)]
        assert len(found) == len(requests)
        return {asked.prompt.messages[0].content: completion for asked, completion in found}

    return asyncio.run(collect())


# Faults that a later try can mend: name, what the detail says, whether there is a body to keep.
PASSING = [
    ("408", "HTTP 408: fault 408", True),
    ("429", "HTTP 429: fault 429", True),
    ("429-after", "HTTP 429: fault 429", True),
    ("500", "HTTP 500: fault 500", True),
    ("503", "HTTP 503: fault 503", True),
    ("503-after", "HTTP 503: fault 503", True),
    ("529", "HTTP 529: fault 529", True),
    ("reset", "Connection reset", False),
    ("reset-body", "the reply broke off", True),
    ("truncated", "not valid JSON", True),
    ("not-json", "not valid JSON", True),
    ("error-200", "HTTP 200 without a choice: engine dead for Bearer [key]", True),
    ("no-choices", "HTTP 200 without a choice", True),
    ("empty-choices", "HTTP 200 without a choice", True),
    ("html", "a reply of type text/html", True),
    ("gzip", "not valid JSON", True),  # it was not asked for, and could be a bomb
    ("utf8", "not valid JSON", True),
    ("surrogate", "not valid JSON", True),
    ("abort", "generation ended with 'abort'", True),
    ("list-finish", "without a choice", True),
    ("parts", "not text", True),
    ("hang", "time-out", False),
    ("hang-body", "time-out", True),
]
# Replies that a later try cannot change: name, outcome, text, detail.
FINAL_REPLIES = [
    ("400", "rejected", '{"error":{"message":"fault 400 for Bearer [key]"}}', "HTTP 400: fault"),
    ("413", "rejected", '{"error":{"message":"fault 413 for Bearer [key]"}}', "HTTP 413: fault"),
    ("422", "rejected", '{"error":{"message":"fault 422 for Bearer [key]"}}', "HTTP 422: fault"),
    ("null", "answered", "", ""),
    ("no-usage", "answered", "x", ""),
    ("length", "truncated", "as far as", ""),
    ("filter", "rejected", "so f", "content filter"),
    ("refusal", "rejected", "I cannot help with that.", "refused: I cannot help with that."),
    ("echo", "answered", "[[fault:echo]] ### Input: a", ""),
    ("tell-key", "answered", "You sent Bearer [key].", ""),
    ("10mb", "answered", "0123456789" * 1_000_000, ""),
]


def changes_for(fault: str) -> dict[str, float]:
    return {"timeout": 0.25} if fault.startswith("hang") else {}


@pytest.mark.parametrize("fault", ["refused", *(name for name, _, _ in PASSING)])
def test_fault_that_passes_costs_one_more_try(server: LoopbackLLM, fault: str) -> None:
    server.retry_after, server.outage = "0.05", 0.05
    question = f"[[fault:{fault}:1]]"
    completion = ask(server, question, **changes_for(fault))[question]
    assert completion.outcome == "answered", completion
    assert completion.text.startswith("reply ")
    assert server.requests == 2


@pytest.mark.parametrize(("fault", "detail", "has_body"), PASSING)
def test_fault_that_stays_fails_alone(
    server: LoopbackLLM, fault: str, detail: str, has_body: bool
) -> None:
    server.retry_after = "0.05"
    poisoned, sound = f"[[fault:{fault}]]", [f"question {number}" for number in range(8)]
    found = ask(server, poisoned, *sound, **changes_for(fault))
    completion = found.pop(poisoned)
    assert completion.outcome == "failed"
    assert detail in completion.detail
    assert bool(completion.text) == has_body
    assert KEY not in repr(completion)
    assert {reply.outcome for reply in found.values()} == {"answered"}
    tries = max(server.times.values())
    # A time-out may strike before the request has left.
    assert tries == TRIES or (fault.startswith("hang") and 1 < tries < TRIES)


def test_request_that_takes_the_server_down_each_time_fails_in_the_end(
    server: LoopbackLLM,
) -> None:
    server.outage = 0.05
    completion = ask(server, "[[fault:refused]]")["[[fault:refused]]"]
    assert completion.outcome == "failed"
    assert server.requests == TRIES


@pytest.mark.parametrize(("fault", "outcome", "text", "detail"), FINAL_REPLIES)
def test_reply_that_would_not_change_is_asked_once(
    server: LoopbackLLM, fault: str, outcome: str, text: str, detail: str
) -> None:
    question = f"[[fault:{fault}]] ### Input: a"
    completion = ask(server, question)[question]
    assert completion.outcome == outcome
    assert text in completion.text
    assert detail in completion.detail
    assert bool(completion.detail) == bool(detail)
    assert KEY not in repr(completion)
    assert server.requests == 1


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("401", f"refuses the key in the environment variable {VARIABLE}"),
        ("403", f"refuses the key in the environment variable {VARIABLE}"),
        ("402", "no credit"),
        ("spent", "no credit"),
        ("404", "no model loopback, or no such address (HTTP 404); it lists tiny, large."),
        ("405", "no chat completions at this address"),
        ("307", "no chat completions at this address"),
    ],
)
def test_what_no_request_can_pass_stops_at_once_with_a_sentence(
    server: LoopbackLLM, fault: str, says: str
) -> None:
    server.models = ["tiny", "large"]
    with pytest.raises(BuildError) as raised:
        ask(server, f"[[fault:{fault}]]")
    assert says in str(raised.value)
    assert server.url in str(raised.value)
    assert KEY not in str(raised.value) and "\n" not in str(raised.value)
    assert server.requests == 1


def test_wrong_key_stops_at_once(server: LoopbackLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "sk-wrong")
    with pytest.raises(BuildError, match="refuses the key") as raised:
        ask(server, *(f"question {number}" for number in range(100)))
    assert "sk-wrong" not in str(raised.value)
    assert server.requests <= 16


def test_key_that_is_asked_for_and_not_named_stops_at_once(server: LoopbackLLM) -> None:
    with pytest.raises(BuildError, match="asks for a key"):
        ask(server, "question", key_variable="")


@pytest.mark.parametrize("key", [None, "", " ", "sk-\x07", "clé"])
def test_key_that_cannot_be_one_stops_before_the_first_request(
    server: LoopbackLLM, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    if key is None:
        monkeypatch.delenv(VARIABLE)
    else:
        monkeypatch.setenv(VARIABLE, key)
    with pytest.raises(BuildError, match=VARIABLE):
        ask(server, "question")
    assert server.connections == 0


def test_engine_that_is_asked_nothing_needs_no_key_and_no_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with LoopbackLLM() as server, pytest.raises(TimeoutError):

        async def idle() -> None:
            engine = OpenAIEngine(ModelId("loopback", ""), settings(server))
            async with asyncio.timeout(0.1), aclosing(engine.generate(asyncio.Queue())) as arriving:
                await anext(arriving)

        asyncio.run(idle())
    assert server.connections == 0


def test_address_that_is_none_stops_with_a_sentence(server: LoopbackLLM) -> None:
    with pytest.raises(BuildError, match=r"runtime\.openai\.url"):
        ask(server, "question", url="http://[::1/v1")


def test_placeholder_key_is_left_alone_in_answers(
    server: LoopbackLLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.key = "EMPTY"
    monkeypatch.setenv(VARIABLE, "EMPTY")
    found = ask(server, "[[fault:echo]] the list is EMPTY", "[[fault:400]]")
    assert found["[[fault:echo]] the list is EMPTY"].text == "[[fault:echo]] the list is EMPTY"
    assert "EMPTY" not in found["[[fault:400]]"].text


def test_request_body_holds_what_the_request_says(server: LoopbackLLM) -> None:
    server.bodies = []
    image = Image(b"\x89PNG\r\n\x1a\n...")
    asked = Request(
        "loopback",
        "",
        Prompt(
            (Message("system", "Be brief."), Message("user", "What is it?", (image,))),
            reference="not for servers",
            schema='{"type": "object"}',
        ),
        SamplingParams(temperature=0.7, top_p=0.9, top_k=50, max_tokens=64),
    )

    async def once() -> None:
        async for _ in replies(server, [asked]):
            pass

    asyncio.run(once())
    data = base64.b64encode(image.data).decode()
    assert orjson.loads(server.bodies[0]) == {
        "model": "loopback",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
                    {"type": "text", "text": "What is it?"},
                ],
            },
        ],
        "temperature": 0.7,
        "top_p": 0.9,
        "top_k": 50,
        "max_tokens": 64,
        "seed": asked.seed,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "reply", "strict": True, "schema": {"type": "object"}},
        },
    }


def test_request_body_without_top_k_leaves_the_extension_out(server: LoopbackLLM) -> None:
    server.bodies = []
    ask(server, "question")
    assert not {"top_k", "response_format"} & orjson.loads(server.bodies[0]).keys()


@pytest.mark.filterwarnings("error")  # aiohttp's, of a large body given as bytes
def test_large_image_is_sent(server: LoopbackLLM) -> None:
    server.bodies = []
    image = Image(b"\xff\xd8" + bytes(3_000_000))
    asked = Request("loopback", "", Prompt((Message("user", "What?", (image,)),)), GREEDY)

    async def once() -> list[Completion]:
        return [completion async for _, completion in replies(server, [asked])]

    assert asyncio.run(once())[0].outcome == "answered"
    assert b"data:image/jpeg;base64," in server.bodies[0]


def test_completion_tells_tokens_and_what_is_stable_of_the_server(server: LoopbackLLM) -> None:
    completion = ask(server, "two words")["two words"]
    assert (completion.prompt_tokens, completion.completion_tokens) == (2, 2)
    assert orjson.loads(completion.engine) == {
        "engine": "openai",
        "system_fingerprint": "loopback-1",
    }


def test_answers_are_the_same_at_any_concurrency(server: LoopbackLLM) -> None:
    questions = [f"question {number}" for number in range(40)]
    assert ask(server, *questions, concurrency=1) == ask(server, *questions, concurrency=32)


def test_overlong_reply_is_refused_while_it_is_read(
    server: LoopbackLLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai, "_MAX_BODY", 1_000_000)
    monkeypatch.setattr(openai, "_TRIES", 2)
    completion = ask(server, "[[fault:10mb]]")["[[fault:10mb]]"]
    assert completion.outcome == "failed"
    assert "over 1,000,000 bytes" in completion.detail
    assert len(completion.text) == 10_000


def test_requests_under_way_reach_the_limit_and_stay_below(server: LoopbackLLM) -> None:
    server.latency = 0.2
    ask(server, *(f"question {number}" for number in range(240)), concurrency=32)
    assert 28 <= server.peak <= 32  # a few may be on their way when others are answered
    assert server.requests == 240


def test_limit_of_one_asks_one_at_a_time(server: LoopbackLLM) -> None:
    server.latency = 0.002
    ask(server, *(f"question {number}" for number in range(20)), concurrency=1)
    assert server.peak == 1


def test_what_is_not_recorded_yet_counts_as_under_way(server: LoopbackLLM) -> None:
    async def stall() -> tuple[int, int]:
        requests = [request(f"question {number}") for number in range(50)]
        coming = replies(server, requests, concurrency=4)
        await anext(coming)
        await asyncio.sleep(0.2)  # the consumer does not come back: nothing more may be asked
        stalled = server.requests
        rest = [pair async for pair in coming]
        return stalled, len(rest)

    stalled, rest = asyncio.run(stall())
    assert stalled <= 4
    assert rest == 49
    assert server.requests == 50


def test_connections_are_kept_alive(server: LoopbackLLM) -> None:
    ask(server, *(f"question {number}" for number in range(200)), concurrency=4)
    assert server.connections <= 4


@pytest.mark.parametrize("fault", ["503", "429", "429-after"])
def test_overloaded_server_is_given_less_and_loses_nothing(server: LoopbackLLM, fault: str) -> None:
    server.latency, server.retry_after = 0.02, "0.03"
    refused = []

    def rule(message: str, tries: int) -> str:
        if server.under_way <= 6:
            return ""
        refused.append(message)
        return fault

    server.rule = rule
    found = ask(server, *(f"question {number}" for number in range(150)), concurrency=64)
    assert {completion.outcome for completion in found.values()} == {"answered"}
    assert server.peak <= 32
    assert len(refused) < 60


def test_retry_after_is_waited_for_by_all(server: LoopbackLLM) -> None:
    server.retry_after = "0.6"

    async def run() -> None:
        requests = [request("[[fault:429-after:1]]")]
        requests += [request(f"question {number}") for number in range(40)]
        async for _ in replies(server, requests, concurrency=2):
            pass

    asyncio.run(run())
    first = server.arrivals[0]
    # The one that was under way beside it may be there already; the others wait.
    assert all(arrival - first >= 0.55 for arrival in server.arrivals[3:])


def test_server_that_asks_for_too_long_is_asked_again_after_five_minutes() -> None:
    assert read_retry_after("86400", 0.0) == 300.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        (formatdate(1_000_007, usegmt=True), 7.0),
        (formatdate(999_000, usegmt=True), 0.0),
        ("", 0.0),
        ("soon", 0.0),
        ("-3", 0.0),
        ("inf", 0.0),
        ("Wed, 21 Oct 99999999 07:28:00 GMT", 0.0),
        ("Wed, 99 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str, seconds: float) -> None:
    assert read_retry_after(header, 1_000_000.0) == seconds


def test_requests_per_minute_space_the_requests(server: LoopbackLLM) -> None:
    ask(server, *(f"question {number}" for number in range(12)), requests_per_minute=1200)
    gaps = [
        later - earlier
        for earlier, later in zip(server.arrivals, server.arrivals[1:], strict=False)
    ]
    assert server.arrivals[-1] - server.arrivals[0] >= 11 * 0.05 - 0.01
    assert sum(gap < 0.02 for gap in gaps) <= 2  # evenly, not all at once


def test_poisoned_requests_hold_up_no_others(server: LoopbackLLM) -> None:
    """12 that fail for seconds, with 4 places: the others are answered long before."""
    poisoned = [f"[[fault:500]] {number}" for number in range(12)]
    sound = [f"question {number}" for number in range(100)]

    async def order() -> list[str]:
        requests = [request(question) for question in (*poisoned, *sound)]
        found = [pair async for pair in replies(server, requests, 0.03, concurrency=4)]
        return [completion.outcome for _, completion in found]

    assert asyncio.run(order()) == ["answered"] * 100 + ["failed"] * 12


def away(server: LoopbackLLM, seconds: float) -> threading.Thread:
    """Kills the server when it has had 30 requests, and brings it back."""

    def kill() -> None:
        while server.requests < 30:
            time.sleep(0.001)
        server.die()
        time.sleep(seconds)
        server.revive()

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


@pytest.mark.parametrize(
    "seconds",
    [1.0, pytest.param(20.0, marks=pytest.mark.pipeline)],
)
def test_server_that_dies_and_returns_costs_the_wait(server: LoopbackLLM, seconds: float) -> None:
    server.latency = 0.01
    killer = away(server, seconds)
    started = time.monotonic()
    found = ask(
        server, *(f"question {number}" for number in range(200)), patience=60.0, concurrency=8
    )
    took = time.monotonic() - started
    killer.join()
    assert {completion.outcome for completion in found.values()} == {"answered"}
    assert seconds < took < seconds + 8
    assert server.requests <= 200 + 8  # what was under way when it died, once more


def test_server_that_is_gone_stops_the_stage_and_keeps_what_it_said(server: LoopbackLLM) -> None:
    server.latency = 0.01
    got = []

    async def run() -> None:
        requests = [request(f"question {number}") for number in range(200)]
        async for pair in replies(server, requests, patience=0.5, concurrency=8):
            got.append(pair)
            if len(got) == 30:
                await asyncio.to_thread(server.die)

    started = time.monotonic()
    with pytest.raises(BuildError) as raised:
        asyncio.run(run())
    assert 0.5 <= time.monotonic() - started < 6.0
    assert len(got) >= 30
    assert {completion.outcome for _, completion in got} == {"answered"}
    assert re.search(
        r"no reply .* 0.5 s \(Connection refused\).* is in the ledger", str(raised.value)
    )


def test_server_that_never_was_there_stops_the_stage(server: LoopbackLLM) -> None:
    server.die()
    with pytest.raises(BuildError, match="no reply from the server for 0.3 s"):
        ask(server, "question", patience=0.3)


def test_server_that_is_away_behind_a_proxy_costs_the_wait(server: LoopbackLLM) -> None:
    """502 from everything for longer than six tries take."""
    server.proxy = 502

    def restore() -> None:
        server.proxy = 0

    timer = threading.Timer(0.6, restore)
    timer.start()
    found = ask(server, *(f"question {number}" for number in range(100)), concurrency=4)
    timer.join()
    assert {completion.outcome for completion in found.values()} == {"answered"}
    assert server.requests <= 110  # while it is away nothing more is sent


def test_server_that_answers_others_is_there_though_it_lists_no_models(
    server: LoopbackLLM,
) -> None:
    server.models = None

    def rule(message: str, tries: int) -> str:
        server.latency = 0.4 if message == "other" else 0.0
        return "reset" if message == "first" and tries == 1 else ""

    server.rule = rule
    found = ask(server, "first", "other", patience=0.3, timeout=0.8)
    assert {completion.outcome for completion in found.values()} == {"answered"}


def test_idle_server_is_not_mistaken_for_a_silent_one(server: LoopbackLLM) -> None:
    """A long pause without requests is not silence: the clock starts with the first failure."""

    async def run() -> Completion:
        engine = OpenAIEngine(ModelId("loopback", ""), settings(server, patience=0.3), BACKOFF)
        waiting: asyncio.Queue[Request] = asyncio.Queue()
        async with aclosing(engine.generate(waiting)) as arriving, asyncio.timeout(20):
            waiting.put_nowait(request("first"))
            await anext(arriving)
            coming = asyncio.ensure_future(anext(arriving))
            await asyncio.sleep(0.5)
            server.outage = 0.1
            waiting.put_nowait(request("[[fault:refused:1]]"))
            return (await coming)[0][1]

    assert asyncio.run(run()).outcome == "answered"


@pytest.mark.parametrize("fault", ["hang", "500", "429-after"])
def test_engine_that_is_closed_leaves_nothing_behind(server: LoopbackLLM, fault: str) -> None:
    server.retry_after = "30"

    async def run() -> set[asyncio.Task[object]]:
        requests = [request("first"), *(request(f"[[fault:{fault}]] {n}") for n in range(10))]
        coming = replies(server, requests, 5.0)
        await anext(coming)
        await asyncio.sleep(0.1)
        await coming.aclose()
        await asyncio.sleep(0.05)
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(run()) == set()
    assert server.under_way == 0
    assert not server._open


def test_engine_whose_driver_is_cancelled_leaves_nothing_behind(server: LoopbackLLM) -> None:
    async def run() -> set[asyncio.Task[object]]:
        async def drive() -> None:
            async for _ in replies(server, [request("[[fault:hang]]")]):
                pass

        driver = asyncio.create_task(drive())
        await asyncio.sleep(0.1)
        assert server.under_way == 1
        driver.cancel()
        with suppress(asyncio.CancelledError):
            await driver
        await asyncio.sleep(0.05)
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(run()) == set()
    assert server.under_way == 0


def test_engine_can_be_run_again(server: LoopbackLLM) -> None:
    engine = OpenAIEngine(ModelId("loopback", ""), settings(server))

    async def once() -> str:
        waiting: asyncio.Queue[Request] = asyncio.Queue()
        waiting.put_nowait(request("question"))
        async with aclosing(engine.generate(waiting)) as arriving:
            return (await anext(arriving))[0][1].text

    assert asyncio.run(once()) == asyncio.run(once())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "content", "finish_reason", "refusal", "usage", "error",
                 "prompt_tokens", "completion_tokens", "system_fingerprint", "detail", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)  # fmt: skip
CHOICE = st.fixed_dictionaries(
    {"message": st.fixed_dictionaries({"content": JSON}, optional={"refusal": JSON}),
     "finish_reason": st.sampled_from(["stop", "length", "content_filter", "x", None]) | JSON}
)  # fmt: skip
BODIES = (
    st.binary(max_size=200)
    | JSON.map(lambda value: orjson.dumps(value, default=str) if _fits(value) else b"")
    | st.fixed_dictionaries(
        {"choices": st.lists(CHOICE, max_size=2)},
        optional={"usage": JSON, "system_fingerprint": JSON},
    ).map(lambda value: orjson.dumps(value) if _fits(value) else b"")
)


def _fits(value: object) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:  # an integer of more than 64 bits
        return False
    return True


@given(
    body=BODIES,
    status=st.sampled_from([200, 204, 400, 418, 429, 500, 502]),
    header=st.text(max_size=20),
    content_type=st.sampled_from(["application/json", "text/plain", ""]),
    where=st.integers(0, 200),
)
def test_any_response_has_a_typed_meaning_without_the_key(
    body: bytes, status: int, header: str, content_type: str, where: int
) -> None:
    body = body[:where] + KEY.encode() + body[where:]
    headers = {"Content-Type": content_type, "Retry-After": header}
    result = ReplyReader(KEY).read(status, headers, bytearray(body), 0.0)
    completion = result.completion if isinstance(result, Fault) else result
    assert (completion.outcome == "failed") == isinstance(result, Fault)
    assert KEY not in repr(completion)
    completion.text.encode(), completion.detail.encode()  # what a ledger can hold
    assert len(completion.detail) <= 300
    assert 0 <= completion.prompt_tokens < 2**31


@pytest.mark.parametrize("before", [b"x" * 9_990, b"x" * 290])
def test_key_is_not_left_in_part_where_a_text_is_cut(before: bytes) -> None:
    result = ReplyReader(KEY).read(400, {}, bytearray(before + KEY.encode()), 0.0)
    assert isinstance(result, Completion)
    assert KEY[:6] not in repr(result)


def test_error_message_is_found_where_servers_put_it() -> None:
    for body in (
        b'{"error": {"message": "too long"}}',
        b'{"error": "too long"}',
        b'{"object": "error", "message": "too long"}',
        b'{"detail": "too long"}',
        b"too long",
    ):
        result = ReplyReader("").read(400, {}, bytearray(body), 0.0)
        assert isinstance(result, Completion)
        assert (result.outcome, result.detail) == ("rejected", "HTTP 400: too long")


async def play_round(places: AdaptiveLimit, demand: int) -> int:
    """`demand` requests want places; those that get one are answered together. How many did?"""
    waiting = [asyncio.create_task(places.enter()) for _ in range(demand)]
    await asyncio.sleep(0)
    entered = sum(task.done() for task in waiting)
    for _ in range(entered):
        places.grow()
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    places.leave(entered)
    return entered


def test_limit_doubles_in_a_round_while_all_is_well_and_then_adds_one() -> None:
    async def run() -> list[int]:
        places = AdaptiveLimit(100, None)
        seen = [await play_round(places, 200) for _ in range(5)]
        places.shrink(asyncio.get_running_loop().time())
        return [*seen, *[await play_round(places, 200) for _ in range(3)]]

    assert asyncio.run(run()) == [16, 32, 64, 100, 100, 50, 51, 52]


def test_limit_that_nobody_waits_for_does_not_grow() -> None:
    async def run() -> list[int]:
        places = AdaptiveLimit(100, None)
        few = [await play_round(places, 10) for _ in range(5)]
        return [*few, await play_round(places, 200)]

    assert asyncio.run(run()) == [10, 10, 10, 10, 10, 16]


def test_limit_halves_once_for_requests_that_were_under_way_together() -> None:
    async def run() -> list[int]:
        places = AdaptiveLimit(100, None)
        began = asyncio.get_running_loop().time()
        seen = []
        await asyncio.sleep(0.001)
        for _ in range(5):
            places.shrink(began)
            seen.append(places.limit)
        for _ in range(5):
            await asyncio.sleep(0.001)
            places.shrink(asyncio.get_running_loop().time())
            seen.append(places.limit)
        return seen

    assert asyncio.run(run()) == [8, 8, 8, 8, 8, 4, 2, 1, 1, 1]


def test_places_go_to_who_waited_longest_and_not_to_who_gave_up() -> None:
    async def run() -> list[int]:
        places = AdaptiveLimit(1, None)
        await places.enter()
        order: list[int] = []

        async def wait(number: int) -> None:
            await places.enter()
            order.append(number)
            places.leave()

        waiting = [asyncio.create_task(wait(number)) for number in range(4)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        places.leave()
        await asyncio.gather(*waiting, return_exceptions=True)
        return order

    assert asyncio.run(run()) == [0, 2, 3]


def test_fixed_reply_of_the_loopback_server_is_a_completion(server: LoopbackLLM) -> None:
    server.fixed = fixed_reply("always this")
    assert ask(server, "question")["question"].text == "always this"
