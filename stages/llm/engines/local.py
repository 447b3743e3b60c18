"""What the engines share that hold a model themselves: one process, one device."""

from abc import ABC, abstractmethod
from asyncio import Queue
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

import torch
from transformers import PreTrainedTokenizerBase

from stages.config.errors import BuildError
from stages.llm.engines import FINAL, take
from stages.llm.request import Completion, Request
from stages.models.identity import identify


class LocalEngine(ABC):
    """A model folder, or a model on the Hub at a revision; it is loaded when it is first asked."""

    window: int
    serves = FINAL

    def __init__(self, model: str, revision: str, device: str, batch: int) -> None:
        self.model = identify(model, revision)
        self._source, self._revision, self._batch = model, revision or None, batch
        self._device = _pick_device(device)

    async def generate(
        self, waiting: Queue[Request]
    ) -> AsyncIterator[list[tuple[Request, Completion]]]:
        while True:
            requests = await take(waiting, self.window)
            for arrived in self._generate(requests):
                yield arrived

    @abstractmethod
    def _generate(self, requests: Sequence[Request]) -> Iterator[list[tuple[Request, Completion]]]:
        """The completions of all `requests`, in batches."""

    @property
    @abstractmethod
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        """Of the model that writes."""

    @property
    @abstractmethod
    def _ends(self) -> set[int]:
        """The tokens that end an answer."""

    @property
    @abstractmethod
    def _facts(self) -> str:
        """Of the engine, JSON."""

    def _read(self, asked: int, reply: list[int]) -> Completion:
        """The completion of a prompt of `asked` tokens."""
        end = next((at for at, token in enumerate(reply) if token in self._ends), None)
        text = self._tokenizer.decode(
            reply[:end], skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        if end is None:
            return Completion(text, "truncated", asked, len(reply), self._facts)
        return Completion(text, "answered", asked, end + 1, self._facts)

    @contextmanager
    def _memory(self, rows: int) -> Iterator[None]:
        """Turns a lack of memory for `rows` at once into a sentence."""
        try:
            yield
        except torch.OutOfMemoryError as error:
            raise BuildError(
                f"{self.model.name}: {rows} requests at once do not fit into the memory of the "
                f"{self._device.type} device. Lower runtime.generation_batch and run the stage "
                "again; what was answered is in the ledger."
            ) from error


def all_ends(*ends: int | list[int] | None) -> set[int]:
    """The tokens that end an answer, as a generation config and a tokenizer name them."""
    found = [one for end in ends for one in (end if isinstance(end, list) else [end])]
    return {end for end in found if end is not None}


def _pick_device(name: str) -> torch.device:
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
