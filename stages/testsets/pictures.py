"""Questions about pictures: VQAv2 and GQA. Pictures stand in by name; the scorer fetches them."""

from collections import Counter
from collections.abc import Iterator

from stages.sources.shape import Record, Unfit
from stages.testsets.question import Asked, Draft, Kind, Question, read_texts, shape

# The paper's triggers, section 3.1.3.
ANSWER = "Answer the input question based on the image."
DESCRIBE = "First describe the image, then answer the input question based on the image."


def _name(record: Record, column: str, reason: str) -> str:
    """A number or a name as text. Raises Unfit."""
    value = record.value(column)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return record.filled(column, reason)


def _parse_vqav2(record: Record) -> Question:
    """Ten annotators answered; the most frequent answer, of equals the first, is the gold."""
    given = record.value("answers")
    if not isinstance(given, list):
        raise Unfit("no-gold", "answers is no list")
    answers = [one.get("answer") if isinstance(one, dict) else one for one in given]
    texts = [text for text in read_texts(record, "answers", answers, "no-gold") if text]
    if not texts:
        raise Unfit("no-gold", "all answers are empty")
    ((majority, _),) = Counter(texts).most_common(1)
    return Question(
        record.filled("question", "empty-question").strip(),
        (majority,),
        _name(record, "question_id", "bad-id"),
        meta={"image": f"coco/{_name(record, 'image_id', 'no-image')}", "answers": texts},
    )


def _parse_gqa(record: Record) -> Question:
    return Question(
        record.filled("question", "empty-question").strip(),
        (record.filled("answer", "no-gold").strip(),),
        _name(record, "id", "bad-id"),
        meta={"image": f"gqa/{_name(record, 'imageId', 'no-image')}"},
    )


def _pose(asked: Asked) -> Iterator[Draft]:
    question = asked.question
    for group, instruction, tasks in (("answer", ANSWER, 1), ("describe", DESCRIBE, 2)):
        yield Draft(
            instruction=instruction,
            input=question.text,
            group=group,
            variant=group,
            references=question.answers,
            tasks=tasks,
            meta=question.meta,
        )


VQAV2 = Kind(
    shape("vqav2", ("question_id", "image_id", "question", "answers"), _parse_vqav2), _pose
)
GQA = Kind(shape("gqa", ("id", "imageId", "question", "answer"), _parse_gqa), _pose)
