"""The `ray` engine on a real cluster of two nodes, with an engine of the test's own inside."""

import asyncio
import hashlib
import importlib
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path

import psutil
import pytest

from stages.config.errors import BuildError
from stages.config.settings import Ray, Server
from stages.llm.engines import FINAL, Engine, take
from stages.llm.engines.openai import OpenAIEngine
from stages.llm.request import Completion, Message, ModelId, Prompt, Request, SamplingParams
from tests.loopback_llm import LoopbackLLM

ray = pytest.importorskip("ray", reason="ray is not installed")
cluster_utils = pytest.importorskip("ray.cluster_utils")
ray_engine = pytest.importorskip("stages.llm.engines.ray")

pytestmark = [
    pytest.mark.pipeline,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),  # Ray Data's own
]

DEMONSTRATION = Message("system", "An example. " * 700)  # 8 kB, as the real ones
SAMPLING = SamplingParams(0.0, 1.0, -1, 16)


class InnerEngine:
    """Answers with a hash of the key, up to 64 at a time; notes where it starts and ends.

    The first answer comes when `together` replicas have started: all of them get to work.
    """

    model = ModelId("inner", "1")
    window = 64
    serves = FINAL

    def __init__(self, notes: Path, together: int = 1) -> None:
        self._notes, self._together = notes, together

    async def generate(
        self, waiting: asyncio.Queue[Request]
    ) -> AsyncIterator[list[tuple[Request, Completion]]]:
        node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else "here"
        (self._notes / f"start-{os.getpid()}").write_text(node)
        try:
            while len(pids(self._notes, "start")) < self._together:
                await asyncio.sleep(0.05)
            while True:
                requests = await take(waiting, self.window)
                await asyncio.sleep(0.02)
                yield [(request, answer(request)) for request in requests]
                (self._notes / f"answered-{os.getpid()}").touch()
        finally:
            (self._notes / f"end-{os.getpid()}").touch()


class PairedEngine(InnerEngine):
    def __init__(self, notes: Path) -> None:
        super().__init__(notes, together=2)


class RefusedEngine(InnerEngine):
    async def generate(
        self, waiting: asyncio.Queue[Request]
    ) -> AsyncIterator[list[tuple[Request, Completion]]]:
        await take(waiting, 1)
        raise BuildError("The server refused the key in EXAMPLE_KEY (401).")
        yield []


class DyingEngine(InnerEngine):
    async def generate(
        self, waiting: asyncio.Queue[Request]
    ) -> AsyncIterator[list[tuple[Request, Completion]]]:
        await take(waiting, 1)
        os.kill(os.getpid(), signal.SIGKILL)
        yield []


def answer(request: Request) -> Completion:
    digest = hashlib.sha256(request.key.encode()).hexdigest()
    match int(digest[0], 16):
        case 0:
            return Completion("", "rejected", 7, 0, '{"engine":"inner"}', "refused: \u00fc")
        case 1:
            return Completion(f"{digest}\0\n", "truncated", 7, 16, '{"engine":"inner"}')
        case _:
            return Completion(f"{digest} \u4e16\u754c", "answered", 7, 3, '{"engine":"inner"}')


async def forward(engine: Engine, waiting: asyncio.Queue[Request]) -> None:
    async for _ in engine.generate(waiting):
        pass


def gone(processes: set[int]) -> bool:
    """Whether all end within ten seconds."""
    running = [each for each in psutil.process_iter() if each.pid in processes]
    return not psutil.wait_procs(running, timeout=10)[1]


def requests(count: int, label: str = "row") -> list[Request]:
    return [
        Request("inner", "1", Prompt((DEMONSTRATION, Message("user", f"{label} {n}"))), SAMPLING)
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster of two nodes with one CPU each, and a GPU by name only; it finds this module."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    cluster = cluster_utils.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    cluster.add_node(num_cpus=1, num_gpus=1)
    try:
        yield cluster.address
    finally:
        cluster.shutdown()
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def over(
    address: str, make: type[InnerEngine], notes: Path, replicas: int = 2, gpus: int = 0
) -> Engine:
    options = Ray(address=address, replicas=replicas, inside="openai")
    return ray_engine.RayEngine(partial(make, notes), options, gpus)


async def drain(
    engine: Engine, *waves: Sequence[Request], disturb: Callable[[], None] = lambda: None
) -> dict[str, Completion]:
    """All completions by key; each wave is put in when the one before is there.

    `disturb` is called once, when the first completions have arrived.
    """
    waiting: asyncio.Queue[Request] = asyncio.Queue()
    completions: dict[str, Completion] = {}
    async with asyncio.timeout(300), aclosing(engine.generate(waiting)) as arriving:
        for wave in waves:
            expected = len(completions) + len(wave)
            for request in wave:
                waiting.put_nowait(request)
            while len(completions) < expected:
                arrived = await anext(arriving)
                if not completions:
                    disturb()
                for request, completion in arrived:
                    assert request.key not in completions  # each comes once
                    completions[request.key] = completion
    return completions


def pids(notes: Path, event: str) -> set[int]:
    return {int(path.name.partition("-")[2]) for path in notes.glob(f"{event}-*")}


def worker(title: str) -> int:
    """The process of a Ray worker with this in its title."""
    (found,) = [
        each.pid
        for each in psutil.process_iter(["cmdline"])
        if title in " ".join(each.info["cmdline"] or [])
    ]
    return found


def expect(asked: Sequence[Request]) -> dict[str, Completion]:
    return {request.key: answer(request) for request in asked}


def test_engine_ray_two_nodes_equals_the_inner_engine_alone(address: str, tmp_path: Path) -> None:
    asked = requests(4_000)
    (tmp_path / "alone").mkdir()
    alone = asyncio.run(drain(InnerEngine(tmp_path / "alone"), asked))

    clustered = asyncio.run(drain(over(address, PairedEngine, tmp_path), asked))

    assert clustered == alone
    assert len({path.read_text() for path in tmp_path.glob("start-*")}) == 2  # nodes
    assert len(pids(tmp_path, "answered")) == 2


def test_engine_ray_servers_inside_equal_the_server_alone(address: str) -> None:
    asked = [*requests(500), *requests(5, "[[fault:400]]"), *requests(5, "[[fault:503:1]]")]
    with LoopbackLLM() as server:
        settings = Server(
            url=server.url,
            key_variable="",
            concurrency=16,
            requests_per_minute=None,
            timeout=30.0,
            patience=30.0,
        )
        make = partial(OpenAIEngine, InnerEngine.model, settings)
        alone = asyncio.run(drain(make(), asked))
        before = server.requests
        options = Ray(address=address, replicas=2, inside="openai")
        clustered = asyncio.run(drain(ray_engine.RayEngine(make, options), asked))

        assert clustered == alone
        assert Counter(each.outcome for each in alone.values()) == {"answered": 505, "rejected": 5}
        assert server.requests - before == 510  # each once


def test_engine_ray_two_waves_starts_each_replica_once_and_frees_it(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)  # where `auto` looks first
    first, second = requests(4_000, "first"), requests(300, "second")

    completions = asyncio.run(drain(over("auto", PairedEngine, tmp_path), first, second))

    assert completions == expect([*first, *second])
    started = pids(tmp_path, "start")
    assert len(started) == 2
    assert pids(tmp_path, "end") == started
    assert gone(started)


@pytest.mark.parametrize("deaths", [1, 2])
def test_engine_ray_replica_killed_loses_nothing(address: str, tmp_path: Path, deaths: int) -> None:
    asked = requests(4_000)
    killed: set[int] = set()

    def kill() -> None:
        killed.update(sorted(pids(tmp_path, "start"))[:deaths])
        for each in killed:
            os.kill(each, signal.SIGKILL)

    completions = asyncio.run(drain(over(address, PairedEngine, tmp_path), asked, disturb=kill))

    assert completions == expect(asked)
    assert len(killed) == deaths
    assert not killed & pids(tmp_path, "end")
    if deaths == 2:
        assert pids(tmp_path, "end")  # others came in their place


def test_engine_ray_worker_of_ray_data_killed_loses_nothing(address: str, tmp_path: Path) -> None:
    asked = requests(4_000)

    def kill() -> None:
        os.kill(worker("ray::MapWorker"), signal.SIGKILL)

    completions = asyncio.run(drain(over(address, PairedEngine, tmp_path), asked, disturb=kill))

    assert completions == expect(asked)
    assert len(pids(tmp_path, "start")) == 2


def test_engine_ray_inner_error_is_one_sentence(address: str, tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        asyncio.run(drain(over(address, RefusedEngine, tmp_path), requests(500)))

    assert str(caught.value) == "In a replica: The server refused the key in EXAMPLE_KEY (401)."


def test_engine_ray_replicas_that_keep_dying_stop_the_stage(address: str, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="5 replicas died, one after the other"):
        asyncio.run(drain(over(address, DyingEngine, tmp_path), requests(10)))


def test_engine_ray_closed_under_way_leaves_no_replica(address: str, tmp_path: Path) -> None:
    async def close_early() -> None:
        waiting: asyncio.Queue[Request] = asyncio.Queue()
        for request in requests(4_000):
            waiting.put_nowait(request)
        driver = asyncio.create_task(forward(over(address, InnerEngine, tmp_path), waiting))
        while not pids(tmp_path, "answered"):
            await asyncio.sleep(0.05)
        driver.cancel()
        await asyncio.wait({driver})

    asyncio.run(close_early())

    # One that was still starting has nothing to close.
    assert pids(tmp_path, "answered") <= pids(tmp_path, "end")
    assert gone(pids(tmp_path, "start"))


def test_engine_ray_no_place_says_what_the_cluster_has(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "_PATIENCE", 2)
    monkeypatch.setattr(ray_engine, "_FAREWELL", 0)
    engine = over(address, InnerEngine, tmp_path, gpus=2)

    with pytest.raises(BuildError, match="1 CPU and 2 GPUs, and the Ray cluster has 2 and 1"):
        asyncio.run(drain(engine, requests(1)))


def test_engine_ray_machine_without_the_package_is_told(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_here.py").write_text(
        "from test_engine_ray import InnerEngine\nclass Elsewhere(InnerEngine): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    elsewhere = importlib.import_module("only_here").Elsewhere

    with pytest.raises(BuildError, match="A replica cannot start .*only_here"):
        asyncio.run(drain(over(address, elsewhere, tmp_path), requests(1)))


def test_engine_ray_no_cluster_says_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray._private.services._find_address_from_flag", lambda _: set())
    monkeypatch.setattr("ray._private.services.find_bootstrap_address", lambda _: None)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    with pytest.raises(BuildError, match="No Ray cluster can be joined at 'auto'"):
        asyncio.run(drain(over("auto", PairedEngine, tmp_path), requests(1)))


def test_engine_ray_local_starts_ray_and_stops_it(tmp_path: Path) -> None:
    before = set(psutil.Process().children(recursive=True))
    asked = requests(200)

    completions = asyncio.run(drain(over("local", InnerEngine, tmp_path, replicas=3), asked))

    assert completions == expect(asked)
    left = set(psutil.Process().children(recursive=True)) - before
    psutil.wait_procs(left, timeout=5)
    assert not [each for each in left if each.is_running()]
