"""What is for training and what for the tests, told from the text alone.

An input is for one side, and so is an ordered pair of neighbouring tasks. Chains of a side begin
with its inputs and hold its pairs only; therefore no two chains of different sides share either.
"""

import hashlib

_TEST_INPUTS = 10  # one input in ten
_TEST_PAIRS = 4  # one pair of tasks in four


def is_test_input(input: str) -> bool:
    """Whether chains that begin with this input are for testing; case and spacing do not matter."""
    return _digest(" ".join(input.casefold().split())) % _TEST_INPUTS == 0


def is_test_pair(first: str, second: str) -> bool:
    """Whether chains with these definitions as neighbours, in this order, are for testing."""
    return _digest(f"{first}\0{second}") % _TEST_PAIRS == 0


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
