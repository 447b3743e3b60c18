"""The shapes of visual question answering: questions about images, and captions of images."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePath

from stages.config.shapes import SHAPES
from stages.rows.quarantine import LEFT_OUT
from stages.rows.row import Picture
from stages.sources.shape import Fields, Record, Shape, Unfit, read_text, shown
from stages.sources.text import is_blank

ANSWER = "Answer the input question based on the image"
DESCRIBE = "Describe the image"

_NUMBER_AT_END = re.compile(r"([0-9]+)\Z")


def image_key(name: str) -> str:
    """What the names of one image have in common: the number at the end, else the name itself.

    `COCO_train2014_000000078499.jpg`, `000000078499.jpg` and `78499` are one image.
    """
    stem = PurePath(name).stem
    found = _NUMBER_AT_END.search(stem)
    return (found[1].lstrip("0") or "0") if found else stem


def majority(answers: Iterable[str], preferred: str = "") -> str:
    """The answer that most annotators gave.

    Of several with as many, `preferred`, which is VQAv2's own choice, when it is among them, else
    the first by code point: the order of the annotators does not count. Raises ValueError for no
    answers.
    """
    counts = Counter(answers)
    most = max(counts.values())
    tied = [answer for answer, count in counts.items() if count == most]
    return preferred if preferred in tied else min(tied)


def _parse(record: Record) -> Fields:
    """The question is the input; of the answers, one for each annotator, most win."""
    question = record.filled("question", "empty-question")
    answers = record.value("answers")
    if not isinstance(answers, list | tuple):
        raise Unfit("no-answers", f"{record.name('answers')} is no list but {shown(answers)}")
    texts = [
        read_text(f"answer {number}", _answer(number, one), record.counts)
        for number, one in enumerate(answers, 1)
    ]
    filled = [text for text in texts if not is_blank(text)]
    if not filled:
        raise Unfit("no-answers", f"none of the {len(texts)} answers says anything")
    answer = majority(filled, record.text_or_empty("multiple_choice_answer"))
    return Fields(ANSWER, question, answer, image=_picture(record))


def _answer(number: int, found: object) -> object:
    """The text of an answer, alone or as VQAv2 has it, with the annotator's confidence."""
    if not isinstance(found, dict):
        return found
    if "answer" not in found:
        raise Unfit("no-answers", f"answer {number} is an object without answer: {shown(found)}")
    return found["answer"]


def _picture(record: Record) -> Picture:
    """The picture, under a name by which its captions can be found."""
    column, found, number = record.name("image"), record.value("image"), record.value("image_id")
    if found is None:
        raise Unfit(f"{LEFT_OUT}no image", f"there is no file of image {shown(number)}")
    if not isinstance(found, dict) or not isinstance(found.get("bytes"), bytes):
        raise Unfit("not-an-image", f"{column} holds no encoded image but {shown(found)}")
    path = found.get("path")
    name = PurePath(path).name if isinstance(path, str) else ""
    if number is None:
        if not name:
            raise Unfit("unnamed-image", f"{column} has no path, and there is no image_id")
        return Picture(found["bytes"], name)
    key = _key(number)
    return Picture(found["bytes"], name if name and image_key(name) == key else key)


def _key(number: object) -> str:
    if isinstance(number, bool) or not isinstance(number, int | str) or not str(number).strip():
        raise Unfit("unnamed-image", f"image_id is no number and no name: {shown(number)}")
    return image_key(str(number))


def _parse_captions(record: Record) -> Fields:
    """One row for each image: its name is the input, its captions are the output, a line each.

    A caption keeps its words, case and punctuation; line ends and spaces around it go.
    """
    key = _key(record.value("image_id"))
    found = record.value("captions")
    if not isinstance(found, list | tuple):
        raise Unfit("no-captions", f"{record.name('captions')} is no list but {shown(found)}")
    lines = [
        " ".join(read_text(f"caption {number}", one, record.counts).split())
        for number, one in enumerate(found, 1)
    ]
    # Not in the order upstream: the same captions are then the same row.
    filled = sorted({line for line in lines if not is_blank(line)})
    if not filled:
        raise Unfit("no-captions", f"image {key} has {len(lines)} captions, and none says anything")
    return Fields(DESCRIBE, key, "\n".join(filled))


VQA = Shape("vqa", *SHAPES["vqa"], _parse)
CAPTIONS = Shape("captions", *SHAPES["captions"], _parse_captions)
