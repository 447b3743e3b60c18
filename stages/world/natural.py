"""World tasks in the shape of Natural-Instructions: definitions, instances, exact answers."""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from stages.world.passages import Passage, read_passage
from stages.world.rows import draw_training_passage
from stages.world.tasks import TASKS
from stages.world.vocabulary import CITIES, COLOURS, NAMES, THINGS, VERBS

_WORDS = (*NAMES, *CITIES, *COLOURS, *THINGS, *VERBS)
_ABOUT_A_PASSAGE = 0.75  # of the draws; words repeat, so of many instances it is more
_LARGEST_NUMBER = 9_999


@dataclass(frozen=True, slots=True)
class NaturalTask:
    """A task with the definition that stands in its file.

    `answer` is the one right output for an input, None where the input is not of the kind that
    the task takes: only there does the task not compose. `draw` makes an input.
    """

    name: str
    definition: str
    summary: str
    """the definition as one imperative sentence"""
    answer: Callable[[str], str | None]
    draw: Callable[[random.Random], str]


def _passage(rng: random.Random) -> str:
    return draw_training_passage(rng).text


def _word(rng: random.Random) -> str:
    return rng.choice(_WORDS)


def _number(rng: random.Random) -> str:
    return str(rng.randrange(2, _LARGEST_NUMBER))


def _about_passage(name: str) -> Callable[[str], str | None]:
    """The answer of a task of the world, for inputs that are passages."""

    def answer(text: str) -> str | None:
        passage: Passage | None = read_passage(text)
        return TASKS[name].answer(passage, "") if passage else None

    return answer


def _about_text(compute: Callable[[list[str]], str | None]) -> Callable[[str], str | None]:
    """A function of the words of any line of text that has at least five."""

    def answer(text: str) -> str | None:
        words = text.split()
        return compute(words) if len(words) >= 5 and "\n" not in text else None

    return answer


def _about_word(compute: Callable[[str], str]) -> Callable[[str], str | None]:
    return lambda text: compute(text) if re.fullmatch(r"[A-Za-z]+", text) else None


def _about_number(compute: Callable[[int], int]) -> Callable[[str], str | None]:
    return lambda text: str(compute(int(text))) if re.fullmatch(r"[0-9]{1,6}", text) else None


_TASKS = (
    NaturalTask(
        "who",
        "You will be given a short note about what somebody did. Find out who did it. Answer with "
        "the name of the person, which is a single word, and with nothing else.",
        "Name the person that the note is about.",
        _about_passage("who"),
        _passage,
    ),
    NaturalTask(
        "where",
        "The input is a sentence that tells of something that happened in a city. Your output is "
        "the name of that city. Do not repeat any other part of the sentence.",
        "Name the city in which it happened.",
        _about_passage("where"),
        _passage,
    ),
    NaturalTask(
        "when",
        "Read the sentence and decide on which day of the week it happened. There are seven "
        "possible answers, Monday to Sunday. Write one of them.",
        "Say on which day of the week it happened.",
        _about_passage("when"),
        _passage,
    ),
    NaturalTask(
        "colours",
        "In each sentence two kinds of things are mentioned, and each has a colour. Give the two "
        "colours in the order of the sentence, with a comma and a space between them.",
        "Give the two colours that are mentioned, with a comma between them.",
        _about_passage("colours"),
        _passage,
    ),
    NaturalTask(
        "larger",
        "A sentence with two numbers is given. Compare the numbers and write down the larger of "
        "the two in digits. The other number must not be in the answer.",
        "Write down the larger of the two numbers.",
        _about_passage("larger"),
        _passage,
    ),
    NaturalTask(
        "smaller",
        "You get a sentence in which somebody deals with two lots of things. Each lot has a "
        "number. Your answer is the smaller of the two numbers, written in digits.",
        "Write down the smaller of the two numbers.",
        _about_passage("smaller"),
        _passage,
    ),
    NaturalTask(
        "velan",
        "Velan is a language with the word order of English. Translate the given English sentence "
        "into Velan word for word. Names, cities and numbers are the same in both languages.",
        "Translate the sentence into Velan.",
        _about_passage("translate"),
        _passage,
    ),
    NaturalTask(
        "capitals",
        "In this task you change the case of a text. Write all of its letters as capital letters "
        "and leave digits and punctuation as they are.",
        "Write the text in capital letters.",
        _about_text(lambda words: " ".join(words).upper()),
        _passage,
    ),
    NaturalTask(
        "small letters",
        "Some systems cannot tell capital letters from small ones. Prepare the text for them: "
        "write every letter small. Nothing else changes.",
        "Write the text in small letters.",
        _about_text(lambda words: " ".join(words).lower()),
        _passage,
    ),
    NaturalTask(
        "backwards",
        "The words of the input must be put in the opposite order, so that the last word comes "
        "first. Each word keeps its spelling and any punctuation that is attached to it.",
        "Put the words in the opposite order.",
        _about_text(lambda words: " ".join(reversed(words))),
        _passage,
    ),
    NaturalTask(
        "quoted",
        "Your job is to turn a text into a quotation. Put one straight quotation mark in front of "
        "the first character and one behind the last character.",
        "Put the text between quotation marks.",
        _about_text(lambda words: f'"{" ".join(words)}"'),
        _passage,
    ),
    NaturalTask(
        "in order",
        "Given a text, sort its words. Words are whatever stands between spaces, punctuation "
        "included. They are compared by the codes of their characters, smallest first.",
        "Sort the words by their character codes.",
        _about_text(lambda words: " ".join(sorted(words))),
        _passage,
    ),
    NaturalTask(
        "without the first word",
        "Take the first word off the text that you are given. The output is the rest of the text "
        "as it stands, beginning with what was the second word.",
        "Leave out the first word of the text.",
        _about_text(lambda words: " ".join(words[1:])),
        _passage,
    ),
    NaturalTask(
        "third word",
        "Count the words of the text from its beginning. Write down the third one, without any "
        "character that is not a letter or a digit.",
        "Write down the third word of the text.",
        _about_text(lambda words: re.sub(r"[^A-Za-z0-9]", "", words[2]) or None),
        _passage,
    ),
    NaturalTask(
        "length in words",
        "You are given a line of text. Determine of how many words it consists, where words are "
        "separated by spaces. Answer with a number in digits.",
        "Count the words of the text.",
        _about_text(lambda words: str(len(words))),
        _passage,
    ),
    NaturalTask(
        "spelt out",
        "A single word is given. Spell it: write its letters one after another, in the case that "
        "they have, with a hyphen between neighbours.",
        "Spell the word with hyphens between its letters.",
        _about_word("-".join),
        _word,
    ),
    NaturalTask(
        "mirrored",
        "Write the word that you receive from right to left, so that its last letter becomes the "
        "first. A capital letter stays a capital letter wherever it comes to stand.",
        "Write the word from right to left.",
        _about_word(lambda word: word[::-1]),
        _word,
    ),
    NaturalTask(
        "length in letters",
        "How long is the word? Count its letters, those that occur twice included, and answer with "
        "the number in digits.",
        "Count the letters of the word.",
        _about_word(lambda word: str(len(word))),
        _word,
    ),
    NaturalTask(
        "doubled",
        "The input of this task is a whole number. Multiply it by two. The result is your output, "
        "in digits and without a separator for thousands.",
        "Multiply the number by two.",
        _about_number(lambda number: 2 * number),
        _number,
    ),
    NaturalTask(
        "a hundred more",
        "You receive a whole number and must return the one that is greater by exactly one "
        "hundred. Write digits only.",
        "Add one hundred to the number.",
        _about_number(lambda number: number + 100),
        _number,
    ),
    NaturalTask(
        "last digit",
        "Look at the number in the input and find the digit in its last place, the ones. The "
        "output is that digit.",
        "Give the last digit of the number.",
        _about_number(lambda number: number % 10),
        _number,
    ),
)
BY_DEFINITION = {task.definition: task for task in _TASKS}


def draw_instances(seed: str) -> Iterator[dict[str, Any]]:
    """Endless distinct instances of the tasks, in the shape of the source.

    Most are about passages that the benchmark cannot hold: of words there are only so many.
    """
    rng = random.Random(f"natural {seed}")
    about_passage = [task for task in _TASKS if task.draw is _passage]
    others = [task for task in _TASKS if task.draw is not _passage]
    drawn: set[tuple[str, str]] = set()
    numbers = dict.fromkeys((task.name for task in _TASKS), 0)
    while True:
        task = rng.choice(about_passage if rng.random() < _ABOUT_A_PASSAGE else others)
        input = task.draw(rng)
        if (task.name, input) in drawn:
            continue
        drawn.add((task.name, input))
        output = task.answer(input)
        assert output is not None
        yield {
            "task": task.name.replace(" ", "_"),
            "definition": task.definition,
            "input": input,
            "output": output,
            "instance": numbers[task.name],
        }
        numbers[task.name] += 1
