"""The `replay` engine: the ledger alone. A reply that is not recorded is an error."""

from asyncio import Queue
from collections.abc import AsyncIterator

from stages.config.errors import BuildError
from stages.llm.engines import FINAL, take
from stages.llm.request import Completion, ModelId, Outcome, Request


class ReplayEngine:
    """Stands for a model whose replies are all in the ledger; asks nothing."""

    window = 1_000
    # What failed when the ledger was made belongs to the build too.
    serves: frozenset[Outcome] = FINAL | {"failed"}

    def __init__(self, model: ModelId) -> None:
        self.model = model

    async def generate(
        self, waiting: Queue[Request]
    ) -> AsyncIterator[list[tuple[Request, Completion]]]:
        missing = await take(waiting, self.window)
        first = "\n".join(
            f"  {request.key[:16]}  {request.prompt.messages[-1].content[:100]!r}"
            for request in missing[:3]
        )
        raise BuildError(
            f"replay: {len(missing):,} of the first requests have no reply in the ledger, for "
            f"model {self.model.name} at revision {self.model.revision or '(none)'}. They begin:\n"
            f"{first}\nImport the ledger that belongs to this build (`seqsmith import FILE`), or "
            "choose an engine that can ask; `seqsmith plan` counts what is missing."
        )
        yield []  # makes this an async generator, as the other engines are
