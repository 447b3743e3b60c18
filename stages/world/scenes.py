"""Scenes: small pictures of coloured shapes under a sky, with captions, questions and answers.

Scene `n` depends on `n` alone, so that what is drawn as questions and what is drawn as captions is
about the same pictures. The pixels are computed without anti-aliasing and stored in the PNG without
compression: of the libraries, only another way of Pillow to fill an ellipse or a polygon, or to
write the chunks, could change the bytes.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image, ImageDraw

SIZE = 64  # pixels on each side
_SKY = 20  # pixels from above
_COLUMNS, _ROWS = 3, 2
_SIDES = ("on the left", "in the middle", "on the right")
_LEVELS = ("top", "bottom")
_FEWEST, _MOST = 2, 5  # shapes
_QUESTIONS = 2  # about each scene
_ANNOTATORS = 10
_MOST_ERR = 4  # of ten, so that the right answer always has most votes

_PAINT = {
    "red": (204, 36, 29),
    "blue": (38, 84, 196),
    "green": (42, 144, 60),
    "orange": (236, 136, 20),
    "purple": (126, 52, 168),
    "black": (20, 20, 20),
}
SHAPES = ("circle", "square", "triangle")
# How the sky looks, and the ground below it.
_SKIES = {
    "sunny": (150, 205, 250),
    "cloudy": (176, 184, 192),
    "rainy": (132, 142, 156),
    "snowy": (206, 214, 226),
}
_GROUND = (238, 230, 210)
_SUN, _CLOUD, _RAIN, _SNOW = (250, 210, 40), (120, 128, 138), (40, 70, 150), (255, 255, 255)

_NUMBERS = ("no", "one", "two", "three", "four", "five")


@dataclass(frozen=True, slots=True)
class Thing:
    """A shape in one of the places below the sky."""

    colour: str
    shape: str
    column: int
    row: int
    """0 is the upper one"""

    def __str__(self) -> str:
        return f"{self.colour} {self.shape}"


@dataclass(frozen=True, slots=True)
class Scene:
    """What a picture shows."""

    number: int
    weather: str
    things: tuple[Thing, ...]
    """each of its own colour, by place"""

    @property
    def name(self) -> str:
        """The file name of the picture."""
        return f"scene_{self.number:06d}.png"


def scene(number: int) -> Scene:
    """The scene of a number."""
    rng = random.Random(f"scene {number}")
    count = rng.randint(_FEWEST, _MOST)
    places = sorted(rng.sample(range(_COLUMNS * _ROWS), count))
    colours = rng.sample(list(_PAINT), count)
    things = tuple(
        Thing(colour, rng.choice(SHAPES), place % _COLUMNS, place // _COLUMNS)
        for place, colour in zip(places, colours, strict=True)
    )
    return Scene(number, rng.choice(list(_SKIES)), things)


def draw(scene: Scene) -> bytes:
    """The picture of a scene, as PNG."""
    colours = [_GROUND, *_PAINT.values(), *_SKIES.values(), _SUN, _CLOUD, _RAIN, _SNOW]
    image = Image.new("P", (SIZE, SIZE), 0)
    image.putpalette([value for colour in colours for value in colour])
    brush = ImageDraw.Draw(image)
    brush.rectangle((0, 0, SIZE - 1, _SKY - 1), fill=colours.index(_SKIES[scene.weather]))
    _draw_weather(brush, scene.weather, colours)
    for thing in scene.things:
        left = 3 + thing.column * 21
        top = _SKY + 3 + thing.row * 21
        box = (left, top, left + 15, top + 15)
        fill = colours.index(_PAINT[thing.colour])
        if thing.shape == "circle":
            brush.ellipse(box, fill=fill)
        elif thing.shape == "square":
            brush.rectangle(box, fill=fill)
        else:
            brush.polygon([(left, top + 15), (left + 15, top + 15), (left + 7, top)], fill=fill)
    file = BytesIO()
    image.save(file, "PNG", compress_level=0)
    return file.getvalue()


def _draw_weather(
    brush: ImageDraw.ImageDraw, weather: str, colours: list[tuple[int, int, int]]
) -> None:
    if weather == "sunny":
        brush.ellipse((46, 3, 58, 15), fill=colours.index(_SUN))
        return
    for left in (6, 26, 46):
        brush.ellipse((left, 2, left + 14, 9), fill=colours.index(_CLOUD))
    for left in range(6, SIZE - 4, 8):
        if weather == "rainy":
            brush.line((left, 12, left, 17), fill=colours.index(_RAIN))
        elif weather == "snowy":
            brush.rectangle((left, 13, left + 1, 14), fill=colours.index(_SNOW))


def captions(scene: Scene) -> list[str]:
    """Five captions, as five people might write them; not all say everything."""
    names = [f"{_article(str(thing))} {thing}" for thing in scene.things]
    first, last = scene.things[0], scene.things[-1]
    count = len(names)
    return [
        f"{_sentence(_listed(names))} under a {scene.weather} sky.",
        f"It is {scene.weather}, and {_NUMBERS[count]} shapes lie on the ground.",
        f"A drawing of {_listed(names)}.",
        f"{_sentence(_NUMBERS[count])} coloured shapes, the first of them {_article(str(first))} "
        f"{first} {_SIDES[first.column]}",
        f"A {scene.weather} day with {_article(str(last))} {last} in the {_LEVELS[last.row]} row.",
    ]


Question = tuple[str, str, Sequence[str]]
"""a question, its answer, and what somebody who errs may answer"""


def questions(scene: Scene) -> list[Question]:
    """All questions that can be asked about a scene, each with its answer."""
    things = scene.things
    kinds = [thing.shape for thing in things]
    asked: list[Question] = [
        ("How many shapes are there?", str(len(things)), _other_numbers(len(things))),
        ("What is the weather like?", scene.weather, _others(_SKIES, scene.weather)),
    ]
    for shape in SHAPES:
        count = kinds.count(shape)
        asked.append((f"How many {shape}s are there?", str(count), _other_numbers(count)))
        if count == 1:
            [colour] = [thing.colour for thing in things if thing.shape == shape]
            asked.append(
                (f"What colour is the {shape}?", colour, _others(_PAINT, colour)),
            )
    for thing in things:
        side = _SIDES[thing.column]
        asked += [
            (f"What shape is {thing.colour}?", thing.shape, _others(SHAPES, thing.shape)),
            (f"Where is the {thing}?", side, _others(_SIDES, side)),
        ]
        for shape in SHAPES:
            right = "yes" if shape == thing.shape else "no"
            wrong = "no" if shape == thing.shape else "yes"
            name = f"{thing.colour} {shape}"
            asked.append((f"Is there {_article(name)} {name}?", right, (wrong,)))
    for one in things:
        for other in things:
            if one.row != other.row:
                right, wrong = ("yes", "no") if one.row < other.row else ("no", "yes")
                asked.append((f"Is the {one} above the {other}?", right, (wrong,)))
    return asked


def _draw_questions(seed: str) -> Iterator[dict[str, Any]]:
    """Endless records of the shape vqa: two questions about each scene, ten answers to each."""
    number = 0
    while True:
        shown = scene(number)
        image = {"bytes": draw(shown), "path": shown.name}
        rng = random.Random(f"questions {number}")
        for index, (question, right, wrong) in enumerate(rng.sample(questions(shown), _QUESTIONS)):
            yield {
                "question_id": number * _ANNOTATORS + index,
                "image_id": number,
                "question": question,
                "answers": _annotate(right, wrong, rng),
                "image": image,
            }
        number += 1


def _annotate(right: str, wrong: Sequence[str], rng: random.Random) -> list[dict[str, Any]]:
    """Ten answers, of which up to four are wrong."""
    answers = [right] * _ANNOTATORS
    for index in rng.sample(range(_ANNOTATORS), rng.randint(0, _MOST_ERR)):
        answers[index] = rng.choice(wrong)
    return [
        {"answer": answer, "answer_confidence": rng.choice(("yes", "maybe")), "answer_id": number}
        for number, answer in enumerate(answers, 1)
    ]


def _draw_captions(seed: str) -> Iterator[dict[str, Any]]:
    """Endless records of the shape captions: those of one scene."""
    number = 0
    while True:
        yield {"image_id": number, "captions": captions(scene(number))}
        number += 1


DRAW_SCENES: dict[str, Callable[[str], Iterator[dict[str, Any]]]] = {
    "vqa": _draw_questions,
    "captions": _draw_captions,
}
"""Endless distinct records of each shape; the seed changes nothing, as both are about one world."""


def _others(values: Sequence[str] | dict[str, Any], right: str) -> list[str]:
    return [value for value in values if value != right]


def _other_numbers(count: int) -> list[str]:
    return [str(number) for number in (count - 1, count + 1) if number >= 0]


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _article(name: str) -> str:
    return "an" if name[0] in "aeiou" else "a"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
