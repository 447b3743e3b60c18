"""Replies written by hand: the methods are run on them, which puts each under its request."""

import hashlib
from asyncio import Queue
from collections import deque
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import orjson
import yaml
from pydantic import ValidationError

from stages.config.errors import BuildError
from stages.config.settings import Name, Section
from stages.llm.client import Client
from stages.llm.engines import FINAL, take
from stages.llm.ledger import Ledger
from stages.llm.progress import StageProgress
from stages.llm.request import Completion, ModelId, Request, SamplingParams
from stages.methods.respond import respond
from stages.methods.seq_instruct import iterate
from stages.rows.quarantine import Quarantined
from stages.rows.row import Origin, Row

# Nothing is drawn, but a request says how. The profiles say the same of this generator.
SAMPLING = SamplingParams(temperature=0.0, top_p=1.0, top_k=-1, max_tokens=2048)
_FACTS = '{"engine":"written"}'


class Turn(Section):
    """What is said about a row in one iteration."""

    option: Literal["decompose", "prefix", "suffix", "hold"]
    classify: str
    rewrite: str = ""
    """none for `hold`"""


class Written(Section):
    """An instruction with every reply about it."""

    name: Name
    instruction: str
    input: str = ""
    system: str = ""
    answer: str
    """the response to the instruction as it stands"""
    first: Turn
    second: Turn | None = None
    """none for a row that the first iteration holds"""
    final: str = ""
    """the response to the sequence; none for a row that the first iteration holds"""

    @property
    def turns(self) -> tuple[Turn, ...]:
        return (self.first, self.second) if self.second else (self.first,)

    @property
    def replies(self) -> list[str]:
        """Every reply, in the order in which `put` asks for them."""
        said = [reply for turn in self.turns for reply in (turn.classify, turn.rewrite)]
        return [reply for reply in (self.answer, *said, self.final) if reply]


def read_written(path: Path) -> list[Written]:
    """The rows of a file of written replies.

    Raises BuildError where one lacks a field, has one that is not known, or a name is used twice.
    """
    try:
        rows = [Written(**row) for row in yaml.safe_load(path.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        raise BuildError(f"{path}: no such file. Run from the root of the repository.") from None
    except (yaml.YAMLError, TypeError) as error:
        raise BuildError(f"{path}: not a list of rows in YAML ({error}).") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise BuildError(f"{path}: a row has a mistake in {where}, {first['input']!r}.") from None
    names = [row.name for row in rows]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise BuildError(f"{path}: used for two rows: {', '.join(sorted(repeated))}.")
    return rows


def writer(name: str, rows: Sequence[Written]) -> ModelId:
    """The author as a model: the revision, 40 hexadecimal digits, is a hash of all that is said."""
    content = orjson.dumps([row.model_dump() for row in rows], option=orjson.OPT_SORT_KEYS)
    return ModelId(name, hashlib.sha256(content).hexdigest()[:40])


def record(rows: Sequence[Written], model: ModelId, ledger: Ledger) -> set[str]:
    """Run the methods on the rows and put every reply into the ledger; gives the keys.

    Raises BuildError with the rows of which something else comes than their `option` says.
    """
    keys: set[str] = set()
    mistakes = []
    with StageProgress(f"record {model.name}", len(rows)) as progress:
        for row in rows:
            author = _Author(model, row.replies)
            with Client(author, ledger, SAMPLING, 1, progress) as client:
                [mistake] = client.map(partial(_put, client), [row])
            keys |= client.used
            if mistake or author.unsaid:
                mistakes.append(
                    f"{row.name}: {mistake or f'{author.unsaid} replies that nothing asks for.'}"
                )
    if mistakes:
        raise BuildError("\n".join(mistakes))
    return keys


async def _put(client: Client, written: Written) -> str:
    """Ask all about a row; what came out otherwise than written, or nothing."""
    row = Row(
        written.name,
        written.instruction,
        written.input,
        written.answer,
        client.model.name,
        Origin("", "", 0),
        written.system,
    )
    await respond(row, client)
    for iteration, turn in enumerate((*written.turns, None)[:2], start=1):
        row = await iterate(row, iteration, client)
        came = row.history[-1].option, row.history[-1].outcome
        if came != (wanted := _expected(turn)):
            return (
                f"iteration {iteration} came out as {came[0]} ({came[1]}), where {wanted[0]} "
                f"({wanted[1]}) is written."
            )
    final = await respond(row, client)
    return f"`final`: {final.reason}." if isinstance(final, Quarantined) else ""


def _expected(turn: Turn | None) -> tuple[str, str]:
    """Option and outcome of the event of an iteration; without a turn the row is held before it."""
    if turn is None:
        return "hold", "frozen"
    return turn.option, "held" if turn.option == "hold" else "rewritten"


class _Author:
    """An engine that gives the replies to one row, one after the other. Its tokens are words."""

    window = 1
    serves = FINAL

    def __init__(self, model: ModelId, replies: Sequence[str]) -> None:
        self.model = model
        self._replies = deque(replies)

    @property
    def unsaid(self) -> int:
        """Replies that have not been asked for."""
        return len(self._replies)

    async def generate(
        self, waiting: Queue[Request]
    ) -> AsyncIterator[list[tuple[Request, Completion]]]:
        while True:
            [request] = await take(waiting, 1)
            reply = self._replies.popleft() if self._replies else ""
            asked = sum(len(message.content.split()) for message in request.prompt.messages)
            yield [(request, Completion(reply, "answered", asked, len(reply.split()), _FACTS))]
