"""Which prompt files the requests of a ledger were made with, found by what the requests say."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import orjson
import yaml

from stages import prompts
from stages.config.errors import BuildError
from stages.hub.parts import PromptFile

Identity = tuple[tuple[str, ...], tuple[str, ...]]
"""system prompts, and the replies of the demonstrations, sorted: their order is drawn"""


@dataclass(slots=True)
class Prompts:
    """Counts replies by prompt file."""

    replies: Counter[str] = field(default_factory=Counter)
    _names: dict[Identity, str] = field(default_factory=lambda: _identities())

    def count(self, context: str) -> None:
        """Count one request; `context` is what the ledger holds of it in front of the question.

        Raises BuildError for demonstrations that stand in no file: the file was changed since.
        """
        found = _identity(context)
        if found in self._names:
            self.replies[self._names[found]] += 1
        elif found[1]:
            raise BuildError(
                "The ledger holds a request with demonstrations of no file in stages/prompts; the "
                f"first is {found[1][0][:60]!a}. A prompt was changed after the tables were made. "
                "Build them again: dvc repro."
            )

    @property
    def files(self) -> list[PromptFile]:
        """Those that were used, by name. A reply without one is to a row itself, as a chat."""
        return [
            PromptFile(
                name=name,
                sha256=hashlib.sha256(text_of(name).encode("utf-8")).hexdigest(),
                replies=count,
            )
            for name, count in sorted(self.replies.items())
        ]


def text_of(name: str) -> str:
    """The text of a prompt file."""
    return (_folder() / f"{name}.yaml").read_text(encoding="utf-8")


def _folder() -> Path:
    return Path(prompts.__path__[0])


def _identities() -> dict[Identity, str]:
    found: dict[Identity, str] = {}
    for path in sorted(_folder().rglob("*.yaml")):
        name = path.relative_to(_folder()).with_suffix("").as_posix()
        texts = yaml.safe_load(path.read_text(encoding="utf-8"))
        replies = sorted(one["reply"] for one in texts["demonstrations"])
        found[(texts["system"],), tuple(replies)] = name
    return found


# The demonstrations of a prompt come in 120 orders at most, and 8 kB of them with every request.
@lru_cache(maxsize=1_024)
def _identity(context: str) -> Identity:
    messages = orjson.loads(context)
    system, replies = (
        [content for role, content, _ in messages if role == wanted]
        for wanted in ("system", "assistant")
    )
    return tuple(system), tuple(sorted(replies))
