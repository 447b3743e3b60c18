"""Engines: how a model is run. Each takes requests as they come up and gives back completions."""

from asyncio import Queue
from collections.abc import AsyncIterator
from typing import Protocol

from stages.llm.request import Completion, ModelId, Outcome, Request

# What an engine that can ask takes from the ledger as it is; what has failed it asks again.
FINAL: frozenset[Outcome] = frozenset({"answered", "truncated", "rejected"})


class Engine(Protocol):
    """How a model is run; the model it runs is in `model`.

    Making an engine is cheap: it loads or connects when `generate` gets its first request.
    """

    model: ModelId
    window: int
    """rows under way at once that keep it busy; memory grows with it"""
    serves: frozenset[Outcome]
    """recorded outcomes that are not asked for again"""

    def generate(self, waiting: Queue[Request]) -> AsyncIterator[list[tuple[Request, Completion]]]:
        """Take requests from `waiting` for ever and yield completions in any order, each once.

        What has arrived is yielded together, and is on disk in the ledger when the engine is
        resumed: until then it must not take more, so that no more than it has under way can be
        lost. A request that fails yields a completion with outcome `rejected` or `failed`; only
        what would fail for every request, such as wrong credentials, is raised, as BuildError.
        The generator is closed, never exhausted: it must free what it holds in a `finally`.
        """
        ...


async def take(waiting: Queue[Request], limit: int) -> list[Request]:
    """At least one request, as soon as there is one, and at most `limit` of those that wait."""
    taken = [await waiting.get()]
    while len(taken) < limit and not waiting.empty():
        taken.append(waiting.get_nowait())
    return taken
