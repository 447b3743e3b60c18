"""The `openai` engine against a real `vllm serve` on loopback, with a tiny model."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from stages.config.settings import Server
from stages.llm.engines.openai import OpenAIEngine
from stages.llm.engines.transformers import TransformersEngine
from stages.llm.request import Message, ModelId, Prompt, Request, SamplingParams
from tests.stand_in import complete
from tests.tiny_models import make_parrot

pytestmark = [
    pytest.mark.pipeline,
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed: `make engines`"),
]

GREEDY = SamplingParams(temperature=0.0, top_p=1.0, top_k=-1, max_tokens=12)
SAMPLED = SamplingParams(temperature=2.0, top_p=0.95, top_k=50, max_tokens=12)
START = 180  # seconds at most; 30 on two idle cores


@pytest.fixture(scope="module")
def parrot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_parrot(tmp_path_factory.mktemp("models") / "parrot")


@pytest.fixture(scope="module")
def url(parrot: Path) -> Iterator[str]:
    """The address of a server that serves the model as docs/engines.md says."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
    }
    command = [
        Path(sys.executable).with_name("vllm"), "serve", parrot, "--served-model-name", "parrot",
        "--generation-config", "vllm", "--host", "127.0.0.1", "--port", str(port),
        "--enforce-eager", "--dtype", "float32", "--no-enable-chunked-prefill",
    ]  # fmt: skip
    server = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", server)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)


def wait_for(address: str, server: subprocess.Popen) -> None:
    until = time.monotonic() + START
    while time.monotonic() < until:
        assert server.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    raise TimeoutError(f"no server after {START} s")


def engine(url: str, concurrency: int = 32) -> OpenAIEngine:
    server = Server(
        url=url, key_variable="", concurrency=concurrency, requests_per_minute=None,
        timeout=60.0, patience=60.0,
    )  # fmt: skip
    return OpenAIEngine(ModelId("parrot", "1"), server)


def requests(sampling: SamplingParams) -> list[Request]:
    system = Message("system", "Answer what is asked. " * 25)
    questions = ["Name one.", "Name all.", *(f"Name {number} things." for number in range(2, 60))]
    return [
        Request("parrot", "1", Prompt((system, Message("user", question))), sampling)
        for question in questions
    ]


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_answers_do_not_depend_on_order_or_concurrency(url: str, sampling: SamplingParams) -> None:
    asked = requests(sampling)
    first = complete(engine(url), asked)
    assert {one.outcome for one in first} <= {"answered", "truncated"}
    assert len({one.text for one in first}) > 10 or sampling is GREEDY
    assert complete(engine(url, concurrency=3), asked[::-1]) == first[::-1]


def test_answers_are_those_of_the_transformers_engine(url: str, parrot: Path) -> None:
    asked = [
        Request("parrot", "1", Prompt((Message("user", question),)), GREEDY)
        for question in ("Name one.", "Name all.")
    ]
    served = complete(engine(url), asked)
    local = complete(TransformersEngine(str(parrot), "", "cpu", 2), asked)
    # The server turns tokens into text one by one, and keeps the space that a first word begins
    # with; parsers strip it.
    assert [(one.text.strip(), one.outcome) for one in served] == [
        (one.text, one.outcome) for one in local
    ]
    assert [one.prompt_tokens for one in served] == [one.prompt_tokens for one in local]
    assert local[0].text == "red"


def test_prompt_that_does_not_fit_is_rejected_with_the_words_of_the_server(url: str) -> None:
    long = Request("parrot", "1", Prompt((Message("user", "Name all. " * 600),)), GREEDY)
    short = Request("parrot", "1", Prompt((Message("user", "Name one."),)), GREEDY)
    refused, answered = complete(engine(url), [long, short])
    assert refused.outcome == "rejected"
    assert re.search(r"HTTP 400: .*(context|length)", refused.detail)
    assert answered.text.strip() == "red"
