"""The oracle's side of paraphrasing: a passage in another frame, a stranger's text reworded."""

import random
import re
from collections.abc import Iterator
from dataclasses import replace

from stages.world.passages import FRAMES, Passage, read_passage
from stages.world.rows import is_benchmark

_QUESTION = re.compile(r"#Text#: '(.*)'\nPut this text into other words\.", re.DOTALL)

# What can be swapped in any text without a change of meaning. Most of it one way only: `isn't it`
# is never `is not it`.
_OTHER = {
    "do not": "don't", "does not": "doesn't", "did not": "didn't", "is not": "isn't",
    "are not": "aren't", "was not": "wasn't", "were not": "weren't", "cannot": "can't",
    "could not": "couldn't", "should not": "shouldn't", "would not": "wouldn't",
    "will not": "won't", "have not": "haven't", "has not": "hasn't", "in order to": "so as to",
    "for example": "for instance", "for instance": "for example", "almost": "nearly",
    "nearly": "almost", "often": "frequently", "frequently": "often",
}  # fmt: skip
_WORDS = re.compile(
    rf"(?<![\w'’])(?:{'|'.join(sorted(map(re.escape, _OTHER), key=len, reverse=True))})(?![\w'’])"
)


def reply(message: str, rng: random.Random) -> str | None:
    """The text of a message in other words; None when it asks for something else.

    A passage of the world says the same in another order. Of a stranger's text a few common words
    are swapped for their equals; where it has none there are no other words.
    """
    found = _QUESTION.fullmatch(message)
    if not found:
        return None
    text = found[1]
    if passage := read_passage(text):
        new = rng.choice(list(_others(passage)))
    else:
        new = _WORDS.sub(lambda word: _OTHER[word[0]], text)
    if new == text:
        return "#Paraphrase#: none###"
    return f"#Paraphrase#: {new}###"


def _others(passage: Passage) -> Iterator[str]:
    """The passage in every other frame and order that the benchmark does not hold."""
    for lots in (passage.lots, passage.lots[::-1]):
        for frame in range(len(FRAMES)):
            other = replace(passage, lots=lots, frame=frame)
            if other != passage and not is_benchmark(other):
                yield other.text
