"""The `ray` engine: replicas of another engine on the machines of a Ray cluster, by Ray Data."""

import asyncio
import logging
import os
from asyncio import Queue
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import ray
import ray.data
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayTaskError

from stages.config.errors import BuildError
from stages.config.settings import Ray
from stages.llm.engines import FINAL, Engine, take
from stages.llm.request import Completion, Request

_CHUNK = 128  # requests in one call to a replica: what comes back together
_CALLS = 16  # calls under way at one replica: 2,048 requests, twice what vLLM runs at once
_CHANCES = 5  # replicas that may die under one chunk
_PATIENCE = 600  # seconds for a first replica to get its place: clusters start machines on demand
_FAREWELL = 10  # seconds for the replicas to free what they hold


class RayEngine:
    """`options.replicas` engines made by `make`, each in a process of its own.

    What waits is a wave: one Ray Data pipeline, drained before the next begins, so `window` is
    large. Ray Data ends its workers with each pipeline; the replicas are actors that outlive it,
    so that an engine starts once in a stage. A replica takes one CPU, and `gpus` GPUs where the
    cluster has any. A process that dies costs time only: what it had under way is asked again.
    `make` is pickled; keys are read from the environment in which a machine's Ray was started.
    """

    window = 50_000
    serves = FINAL

    def __init__(self, make: Callable[[], Engine], options: Ray, gpus: int = 0) -> None:
        self.model = make().model
        self._make, self._options, self._gpus = make, options, gpus

    async def generate(
        self, waiting: Queue[Request]
    ) -> AsyncIterator[list[tuple[Request, Completion]]]:
        wave = await take(waiting, self.window)
        replicas: list[Any] = []
        pipeline = _run(wave, replicas)  # begins with the first `next`
        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(1)
        try:
            _join(self._options)
            replicas += self._start()
            await loop.run_in_executor(thread, self._wait_for_place, replicas)
            while True:
                while rows := await loop.run_in_executor(thread, next, pipeline, None):
                    yield [(wave[row.pop("row")], Completion(**row)) for row in rows]
                wave = await take(waiting, self.window)
                pipeline = _run(wave, replicas)
        finally:
            _release(replicas)  # first: what the thread is waiting for comes from them
            thread.submit(pipeline.close)
            thread.shutdown()
            ray.shutdown(wait_for_processes=True)

    def _start(self) -> list[Any]:
        """The actors; Ray starts one again, wherever there is a place, as often as it dies."""
        replica = ray.remote(_Replica).options(
            num_cpus=1,
            num_gpus=self._gpus if ray.cluster_resources().get("GPU") else 0,
            scheduling_strategy="SPREAD",
            max_restarts=-1,
        )
        return [replica.remote(self._make) for _ in range(self._options.replicas)]

    def _wait_for_place(self, replicas: Sequence[Any]) -> None:
        """Return when one replica runs; the others join in as they get their places."""
        placed, _ = ray.wait([replica.ready.remote() for replica in replicas], timeout=_PATIENCE)
        if not placed:
            has = ray.cluster_resources()
            raise BuildError(
                f"No replica got a place in {_PATIENCE} seconds: each takes 1 CPU and {self._gpus} "
                f"GPUs, and the Ray cluster has {has.get('CPU', 0):g} and {has.get('GPU', 0):g} in "
                "all. Add machines, or wait until others are done (`ray status` tells)."
            )


class _Replica:
    """An actor with an engine that all calls under way share; it starts with the first."""

    def __init__(self, make: Callable[[], Engine]) -> None:
        self._make = make
        self._waiting: Queue[Request] = Queue()
        self._asked: dict[str, asyncio.Future[Completion]] = {}
        self._running: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        """Return as soon as the actor runs."""

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Completions in the order of `requests`. Raises what the engine raises."""
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        for request in requests:
            if request.key not in self._asked:  # a caller that died may have asked before
                self._asked[request.key] = asyncio.get_running_loop().create_future()
                self._waiting.put_nowait(request)
        # Shielded: another call may wait for the same.
        answers = asyncio.gather(*(asyncio.shield(self._asked[r.key]) for r in requests))
        ends: list[asyncio.Future[Any]] = [answers, self._running]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not answers.done():
            self._running.result()  # it ends with an error only
        return await answers

    async def close(self) -> None:
        """Let the engine free what it holds."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})

    async def _run(self) -> None:
        async for arrived in self._make().generate(self._waiting):
            for request, completion in arrived:
                self._asked.pop(request.key).set_result(completion)
        raise AssertionError("an engine's generator is closed, never exhausted")


class _Dispatcher:
    """The one worker of a pipeline: hands each chunk to whichever replica has a call free.

    One worker, because who is free is then known in one place; it only passes things on.
    """

    def __init__(self, replicas: Sequence[Any], chunks: dict[int, ray.ObjectRef]) -> None:
        self._replicas, self._chunks = replicas, chunks
        self._free: Queue[Any] = Queue()
        self._joining: set[asyncio.Task[None]] = set()

    async def __call__(self, batch: pa.Table) -> pa.Table:
        """The completions of the chunk that begins at row `first` of the wave, or an `error`."""
        if not self._joining:
            for replica in [*self._replicas] * _CALLS:
                self._joining.add(asyncio.create_task(self._join(replica)))
        (first,) = batch["first"].to_pylist()
        for _ in range(_CHANCES):
            replica = await self._free.get()
            try:
                completions = await replica.complete.remote(self._chunks[first])
            except ActorUnavailableError:  # it died, and Ray starts it again
                self._joining.add(asyncio.create_task(self._join(replica)))
                continue
            except ActorDiedError as error:  # and does not start again
                return _fail(
                    f"A replica cannot start ({str(error).strip().splitlines()[-1]}). Every "
                    "machine of the Ray cluster needs this package, installed as on this one."
                )
            except RayTaskError as error:
                if not isinstance(error.cause, BuildError):
                    raise
                return _fail(f"In a replica: {error.cause}")
            self._free.put_nowait(replica)
            return pa.Table.from_pylist(
                [{"row": row, **asdict(each)} for row, each in enumerate(completions, first)]
            )
        return _fail(
            f"{_CHANCES} replicas died, one after the other, under the same requests. The usual "
            "reason is too little memory; Ray's logs, in /tmp/ray on their machines, tell."
        )

    async def _join(self, replica: Any) -> None:
        """One more call is free as soon as the replica runs."""
        while True:
            try:
                await replica.ready.remote()
            except ActorUnavailableError:
                await asyncio.sleep(1)
                continue
            except ActorDiedError:
                pass  # the next call to it tells why
            self._free.put_nowait(replica)
            return


def _fail(sentence: str) -> pa.Table:
    return pa.table({"error": [sentence]})


def _run(wave: Sequence[Request], replicas: Sequence[Any]) -> Generator[list[dict[str, Any]]]:
    """Completions of a wave as they arrive: their fields, and `row`, the place in the wave."""
    size = min(_CHUNK, -(-len(wave) // len(replicas)))
    # A chunk is pickled once and lies in the object store: the demonstrations that its requests
    # share are in it once, and the pipeline passes on only where each chunk begins.
    chunks = {first: ray.put(wave[first : first + size]) for first in range(0, len(wave), size)}
    calls = _CALLS * len(replicas)
    completions = ray.data.from_items(
        [{"first": first} for first in chunks], override_num_blocks=len(chunks)
    ).map_batches(
        _Dispatcher,
        fn_constructor_args=(replicas, chunks),
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=0,
        compute=ray.data.ActorPoolStrategy(size=1, max_concurrent_calls_per_actor=calls),
    )
    tables: Iterable[Any] = completions.iter_batches(
        batch_size=None, batch_format="pyarrow", prefetch_batches=0
    )
    for table in tables:
        if "error" in table.column_names:
            raise BuildError(table["error"][0].as_py())
        yield table.to_pylist()


def _join(options: Ray) -> None:
    """Start Ray or join a cluster, quietly."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    local = options.address == "local"
    if not local:
        # One attempt, 40 seconds; Ray makes 20 where no cluster answers.
        os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "1")
    try:
        ray.init(
            options.address,
            num_cpus=options.replicas if local else None,
            include_dashboard=False if local else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, RuntimeError) as error:
        raise BuildError(
            f"No Ray cluster can be joined at '{options.address}' "
            f"({str(error).strip().splitlines()[0]}). Start one (`ray start --head`), or set "
            "runtime.ray.address to 'local' for this machine alone."
        ) from error
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # errors are raised as well
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False


def _release(replicas: Sequence[Any]) -> None:
    if not replicas:
        return
    closed = [replica.close.remote() for replica in replicas]
    ray.wait(closed, num_returns=len(closed), timeout=_FAREWELL)
    for replica in replicas:
        ray.kill(replica)
