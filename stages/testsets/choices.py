"""Multiple choice: how a question and its choices are laid out; ARC, MMLU and CommonsenseQA."""

from collections.abc import Iterator

from stages.sources.shape import Record, Unfit, read_text
from stages.testsets.item import Choice
from stages.testsets.question import Asked, Draft, Kind, Question, read_choices, read_gold, shape

# The wording of the paper's evaluation, so that answers can be held against published ones.
SELECT = "Select the correct choice to answer the question in the input."
REPEAT = "Please repeat the input."
BOTH = f"Please repeat the input, then {SELECT[0].lower()}{SELECT[1:]}"

_LETTERS = "ABCDEFGHIJ"


def lay_out(text: str, choices: tuple[Choice, ...]) -> str:
    """The question on one line, the choices on the next: `A:bank, B:library`."""
    listed = ", ".join(f"{choice.label}:{choice.text}" for choice in choices)
    return f"Question: {text}\nChoices: {listed}"


def _parse_labelled(record: Record) -> Question:
    """A question with labelled choices; CommonsenseQA's own files nest them in the question."""
    text, choices = record.value("question"), record.value("choices")
    if isinstance(text, dict):
        nested = text.get("choices")
        if not isinstance(nested, list) or not all(isinstance(one, dict) for one in nested):
            raise Unfit("bad-choices", "the question holds no list of choices")
        choices = {name: [one.get(name) for one in nested] for name in ("label", "text")}
        text = text.get("stem")
    if not isinstance(choices, dict):
        raise Unfit("bad-choices", "choices is no pair of a list of labels and a list of texts")
    read = read_choices(record, "question", choices.get("label"), choices.get("text"))
    gold = read_gold(record.filled("answerKey", "no-gold").strip(), read)
    stem = read_text("question", text, record.counts).strip()
    if not stem:
        raise Unfit("empty-question", "there is nothing in question")
    return Question(stem, (gold,), record.filled("id", "bad-id"), choices=read)


def _parse_numbered(record: Record) -> Question:
    """MMLU: choices without labels, the answer a position from 0."""
    texts, answer = record.value("choices"), record.value("answer")
    labels = list(_LETTERS[: len(texts)]) if isinstance(texts, list) else None
    read = read_choices(record, "choices", labels, texts)
    if type(answer) is not int or not 0 <= answer < len(read):
        raise Unfit("no-gold", "answer is no position in choices")
    subject = record.filled("subject", "no-subject")
    text = record.filled("question", "empty-question")
    return Question(text.strip(), (read[answer].label,), choices=read, meta={"subject": subject})


def _select(asked: Asked) -> Iterator[Draft]:
    question = asked.question
    yield Draft(
        instruction=SELECT,
        input=lay_out(question.text, question.choices),
        group=question.meta.get("subject", ""),
        references=question.answers,
        choices=question.choices,
    )


def _repeat_and_select(asked: Asked) -> Iterator[Draft]:
    """Three ways: answer, repeat, and both in sequence (paper, section 3.2.1 and table 1)."""
    question = asked.question
    input = lay_out(question.text, question.choices)
    for group, instruction, references, tasks in (
        ("answer", SELECT, question.answers, 1),
        ("repeat", REPEAT, (input,), 1),
        ("both", BOTH, question.answers, 2),
    ):
        yield Draft(
            instruction=instruction,
            input=input,
            group=group,
            variant=group,
            references=references,
            tasks=tasks,
            choices=question.choices,
        )


_LABELLED = ("id", "question", "answerKey")
COMMONSENSE_QA = Kind(
    shape("commonsense-qa", _LABELLED, _parse_labelled, ("choices",)), _repeat_and_select
)
ARC = Kind(shape("arc", (*_LABELLED, "choices"), _parse_labelled), _select)
MMLU = Kind(shape("mmlu", ("question", "subject", "choices", "answer"), _parse_numbered), _select)
