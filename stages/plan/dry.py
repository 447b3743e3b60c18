"""A dry run: methods meet the ledger alone, and say what they would have to ask."""

from stages.llm.client import Client
from stages.llm.engines import Engine
from stages.llm.ledger import Ledger
from stages.llm.progress import StageProgress
from stages.llm.request import Completion, Request, SamplingParams


class Missing(Exception):
    """A request whose reply is not in the ledger, or is a failure that would be asked again."""

    def __init__(self, request: Request, failed: bool) -> None:
        super().__init__(request.key)
        self.request, self.failed = request, failed


class DryClient(Client):
    """A client that asks nothing: a method that needs a reply that is not there ends in `Missing`.

    Its coroutines never wait, so that one row can be run at a time, without an event loop.
    """

    def __init__(
        self,
        engine: Engine,
        ledger: Ledger,
        sampling: SamplingParams,
        attempts: int,
        max_tokens_if_truncated: int | None,
    ) -> None:
        super().__init__(
            engine, ledger, sampling, attempts, StageProgress("plan", 0), max_tokens_if_truncated
        )

    async def _complete(self, request: Request) -> Completion:
        completion = self.ledger.get([request.key]).get(request.key)
        if completion is None or completion.outcome not in self._engine.serves:
            raise Missing(request, failed=completion is not None)
        self.used.add(request.key)
        return completion
