"""A stand-in for a model, made of one function; and a way to put requests to any engine."""

import asyncio
from asyncio import Queue
from collections.abc import AsyncIterator, Callable, Sequence

from stages.llm.engines import FINAL, Engine, take
from stages.llm.request import Completion, ModelId, Request


class StandIn:
    """Answers with a function of the request; None stands for a failure. Remembers what it got."""

    model = ModelId("model", "revision")
    window = 1_000
    serves = FINAL

    def __init__(self, answer: Callable[[Request], str | None | Completion]) -> None:
        self.answer = answer
        self.asked: list[Request] = []

    async def generate(
        self, waiting: Queue[Request]
    ) -> AsyncIterator[list[tuple[Request, Completion]]]:
        while True:
            requests = await take(waiting, self.window)
            self.asked += requests
            # Backwards, in two lists: completions may come in any order and grouping.
            arrived = [(request, self._complete(request)) for request in reversed(requests)]
            for part in (arrived[:1], arrived[1:]):
                if part:
                    yield part

    def _complete(self, request: Request) -> Completion:
        answer = self.answer(request)
        if answer is None:
            return Completion("", "failed", 1, 0, '{"engine":"stand-in"}', "down")
        if isinstance(answer, str):
            return Completion(answer, "answered", 1, 1, '{"engine":"stand-in"}')
        return answer


def complete(engine: Engine, requests: Sequence[Request]) -> list[Completion]:
    """The completions of requests, in order, straight from an engine."""

    async def collect() -> list[Completion]:
        waiting: Queue[Request] = Queue()
        for request in requests:
            waiting.put_nowait(request)
        found: dict[str, Completion] = {}
        generating = engine.generate(waiting)
        try:
            async for arrived in generating:
                for request, completion in arrived:
                    assert request.key not in found, "a request was answered twice"
                    found[request.key] = completion
                if len(found) == len({request.key for request in requests}):
                    break
        finally:
            await generating.aclose()
        return [found[request.key] for request in requests]

    return asyncio.run(collect())
