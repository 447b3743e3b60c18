"""In which order a fine-tuning goes over its rows."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices


class Order(Sampler[int]):
    """Rows in an order that depends on the seed, the epoch and the rows of an update alone.

    The library's own samplers draw from torch's global generator and group by what one device
    takes, so that the order would differ after a restart and with the number of devices.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        self._lengths, self._batch, self._seed = lengths, batch, seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        return iter(self.order(self._epoch))

    def order(self, epoch: int) -> list[int]:
        """The rows of an epoch."""
        return self._drawn(torch.Generator().manual_seed(self._seed * 1_000_003 + epoch))

    def _drawn(self, generator: torch.Generator) -> list[int]:
        raise NotImplementedError

    def steps(self, epochs: float) -> int:
        """How many updates there are in `epochs`."""
        return math.ceil(epochs * math.ceil(len(self) / self._batch))

    def tokens(self, steps: int) -> list[int]:
        """How many tokens were gone over after 0, 1, 2, ... up to `steps` updates."""
        seen = [0]
        for epoch in range(math.ceil(steps / self.steps(1))):
            order = self.order(epoch)
            for start in range(0, len(order), self._batch):
                rows = order[start : start + self._batch]
                seen.append(seen[-1] + sum(self._lengths[row] for row in rows))
        return seen[: steps + 1]


class ByLength(Order):
    """The rows of an update are of similar length.

    Padding costs most on a CPU: a batch of 16 drawn freely is a third padding.
    """

    def _drawn(self, generator: torch.Generator) -> list[int]:
        return get_length_grouped_indices(self._lengths, self._batch, generator=generator)


class Shuffled(Order):
    """Every order is as likely as any other, as in the paper."""

    def _drawn(self, generator: torch.Generator) -> list[int]:
        return torch.randperm(len(self), generator=generator).tolist()


ORDERS: dict[str, type[Order]] = {"length": ByLength, "random": Shuffled}
"""by the name in a recipe"""


class InOrder:
    """Makes a trainer of the library's go over its rows in an order of ours."""

    def __init__(self, order: Order, **options: Any) -> None:
        self._order = order
        super().__init__(**options)

    def _get_train_sampler(self, train_dataset: Any = None) -> Order:
        return self._order
