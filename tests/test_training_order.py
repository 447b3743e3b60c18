"""The order of rows in training: from the seed and the epoch alone; drawn, or by like lengths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.training.order import ORDERS, ByLength, Shuffled

LENGTHS = [7, 3, 90, 45, 8, 12, 60, 33, 21, 5, 70, 14] * 10


@given(
    lengths=st.lists(st.integers(1, 100), min_size=1, max_size=60),
    batch=st.integers(1, 9),
    epoch=st.integers(0, 5),
    name=st.sampled_from(sorted(ORDERS)),
)
def test_every_row_comes_once_in_an_epoch(
    lengths: list[int], batch: int, epoch: int, name: str
) -> None:
    order = ORDERS[name](lengths, batch, 0)
    order.set_epoch(epoch)
    assert sorted(order) == list(range(len(lengths)))


@pytest.mark.parametrize("name", sorted(ORDERS))
def test_order_depends_on_seed_and_epoch_and_on_nothing_else(name: str) -> None:
    order = ORDERS[name](LENGTHS, 4, 42)
    first = list(order)
    order.set_epoch(1)
    second = list(order)
    assert first != second and list(order) == second
    again = ORDERS[name](LENGTHS, 4, 42)
    again.set_epoch(1)
    assert list(again) == second  # without having gone over the first epoch
    assert list(ORDERS[name](LENGTHS, 4, 43)) != first


def test_rows_of_an_update_are_of_like_length() -> None:
    order = list(ByLength(LENGTHS, 4, 0))
    updates = [[LENGTHS[row] for row in order[at : at + 4]] for at in range(0, len(order), 4)]
    padded = sum(4 * max(update) for update in updates)
    assert padded < 1.2 * sum(LENGTHS)


def test_drawn_order_ignores_lengths() -> None:
    assert list(Shuffled(LENGTHS, 4, 0)) == list(Shuffled([1] * len(LENGTHS), 4, 0))


def test_tokens_are_those_of_the_rows_gone_over() -> None:
    order = ByLength([5, 1, 2, 7, 3], 2, 0)
    assert order.steps(1) == 3 and order.steps(1.5) == 5
    seen = order.tokens(7)
    assert len(seen) == 8 and seen[0] == 0
    assert seen[3] == 18 and seen[6] == 36  # each epoch is all rows
    rows = [[5, 1, 2, 7, 3][row] for row in order.order(0)]
    assert seen[1] == sum(rows[:2]) and seen[2] == sum(rows[:4])
