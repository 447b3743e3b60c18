"""XQuAD: a question about a passage, to be translated into English first, then answered."""

from collections.abc import Iterator
from typing import Any

from stages.sources.shape import Record, Unfit
from stages.testsets.question import Asked, Draft, Kind, Question, read_texts, shape

_HOW = "Give the answer in the words of the context: a name, a number or a short phrase."
ANSWER = f"Answer the question from the context. {_HOW}"
# The opening is the paper's, section 3.1.1; the rest is ours.
TRANSLATE = (
    "First translate the input into English, then answer the translated question from the "
    f"translated context. {_HOW}"
)


def _parse(record: Record) -> Question:
    answers = record.value("answers")
    texts = answers.get("text") if isinstance(answers, dict) else None
    read = read_texts(record, "answers", texts, "no-gold")
    kept = tuple(dict.fromkeys(text for text in read if text))
    if not kept:
        raise Unfit("no-gold", "all answers are empty")
    return Question(
        record.filled("question", "empty-question").strip(),
        kept,
        record.filled("id", "bad-id"),
        record.filled("context", "empty-context").strip(),
    )


def _unfold(document: Any) -> Iterator[object]:
    """The records of a file in SQuAD's own layout."""
    for article in document["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                answers = {"text": [answer["text"] for answer in question["answers"]]}
                yield {
                    "id": question["id"],
                    "context": paragraph["context"],
                    "question": question["question"],
                    "answers": answers,
                }


def _lay_out(question: Question) -> str:
    return f"Context: {question.context}\nQuestion: {question.text}"


def _pose(asked: Asked) -> Iterator[Draft]:
    """English is answered as it is. Other languages have the English gold, as in the paper."""
    if asked.part == "en":
        yield Draft(
            instruction=ANSWER, input=_lay_out(asked.question), references=asked.question.answers
        )
        return
    if asked.english is None:
        raise Unfit("no-english", "the English part has no question of this id")
    yield Draft(
        instruction=TRANSLATE,
        input=_lay_out(asked.question),
        references=asked.english.answers,
        tasks=2,
        language=asked.part,
        # The following rate compares an answer with the English input.
        meta={"english": _lay_out(asked.english), "answers": list(asked.question.answers)},
    )


XQUAD = Kind(shape("xquad", ("id", "context", "question", "answers"), _parse), _pose, _unfold)
