"""A dry run: methods meet the ledger alone, and say what they would have to ask."""

from stages.llm.client import Client
from stages.llm.request import Completion, Request


class Missing(Exception):
    """A request whose reply is not in the ledger, or is a failure that would be asked again."""

    def __init__(self, request: Request, failed: bool) -> None:
        super().__init__(request.key)
        self.request, self.failed = request, failed


class DryClient(Client):
    """A client that asks nothing: a method that needs a reply that is not there ends in `Missing`.

    Its coroutines never wait, so that one row can be run at a time, without an event loop.
    """

    async def _complete(self, request: Request) -> Completion:
        completion = self.ledger.get([request.key]).get(request.key)
        if completion is None or completion.outcome not in self._engine.serves:
            raise Missing(request, failed=completion is not None)
        self.used.add(request.key)
        return completion
