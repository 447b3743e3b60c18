"""A small build tree, audited, as the stages before `report` leave it.

The audit is written here and not computed: the report shows what it says, whatever the rules are.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from stages.config.paths import Paths
from stages.rows.measure import write_metrics
from stages.rows.parquet import read_rows, write_records
from stages.rows.quarantine import Quarantined, reasons
from stages.rows.row import OPTIONS, Row
from stages.scoring.marks import MARKED, Marked, Points, to_table
from stages.scoring.summary import compare, summarise
from tests.quality_tree import rewrite, write_settings, write_tree

# Ends an attribute and an element, then tries four ways to run: each would change the title.
HOSTILE = (
    "\"'></p></details></style><script>document.title='taken'</script>"
    "<img src=x onerror=\"document.title='taken'\"><svg onload=\"document.title='taken'\">"
    "<a href=\"javascript:document.title='taken'\">{{ 7 * 7 }}</a>"
)
BENCHMARKS = ("world", "seqeval", "xquad", "mmlu")
DATASETS = ("alpaca-it", "alpaca-sit")


def write_build(root: Path, count: int = 40) -> None:
    """Settings, tables, ledgers and audits of `alpaca-it` and `alpaca-sit`."""
    write_settings(root)
    choose_scores(root)
    paths = write_tree(root, count)
    for name in DATASETS:
        write_audit(paths, name)


def write_audit(paths: Paths, name: str) -> None:
    """An audit in which all checks passed, with the counts of the table."""
    rows = list(read_rows(paths.table(f"datasets/{name}")))
    taken = reasons(paths.table(f"datasets/{name}"))
    counts = Counter(row.tasks for row in rows)
    statistics: dict[str, Any] = {
        "rows": len(rows),
        "upstream": len(rows) + taken.total(),
        "quarantined": taken.total(),
        "reasons": dict(taken),
        "held": sum(row.is_held for row in rows),
        "languages": {"en": len(rows)},
        "tasks": {str(tasks): counts[tasks] for tasks in sorted(counts)},
        "mean_tasks": sum(row.tasks for row in rows) / len(rows),
        "words_out": 5.5 if name == "alpaca-it" else 12.5,
        "tokens_out": 8.25,
        "longest": 99,
        "token": "words and a half",
        "iterations": {
            str(number): _iteration(rows, number)
            for number in range(3 if name == "alpaca-sit" else 1)
        },
        "requests": {"respond": {"asked": 40, "retries": 3, "outcomes": {"answered": 38}}},
    }
    checks = [
        check("rows", "Conservation"), check("unique", "Conservation"), check("texts", "Texts")
    ]  # fmt: skip
    path = paths.folder("audit", name) / "validation.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    verdict = {"dataset": name, "success": True, "checks": checks, "statistics": statistics}
    path.write_text(json.dumps(verdict), "utf-8")


def check(name: str, group: str, **changes: Any) -> dict[str, Any]:
    """The verdict on one rule."""
    return {
        "name": name, "what": f"The {name} are sound.", "severity": "error", "success": True,
        "observed": "0 of 40", "expected": "none", "failing_rows": 0, "examples": [],
        "group": group,
    } | changes  # fmt: skip


def change_audit(paths: Paths, name: str, **changes: Any) -> None:
    """Change what the audit of a dataset says; `statistics` are added to what is there."""
    path = paths.folder("audit", name) / "validation.json"
    verdict = json.loads(path.read_text("utf-8"))
    verdict["statistics"] |= changes.pop("statistics", {})
    path.write_text(json.dumps(verdict | changes), "utf-8")


def _iteration(rows: list[Row], number: int) -> dict[str, Any]:
    lengths = {"words_in": 9.5 + number, "tokens_in": 14.25 + number}
    if number == 0:
        return lengths
    events = [event for row in rows for event in row.history if event.iteration == number]
    options, outcomes = (
        Counter(getattr(event, name) for event in events) for name in ("option", "outcome")
    )
    shares = {option: options[option] / len(events) for option in OPTIONS}
    return lengths | {"options": shares, "outcomes": dict(sorted(outcomes.items()))}


def choose_scores(root: Path, benchmarks: Iterable[str] = BENCHMARKS) -> None:
    """Let both models be asked `benchmarks`, and compared."""
    path = root / "params.yaml"
    params = yaml.safe_load(path.read_text("utf-8"))
    params["models"] = {name: {"dataset": name} for name in DATASETS}
    params["scores"] = {name: list(benchmarks) for name in DATASETS}
    params["compared"] = {"sequences": {"model": DATASETS[1], "against": DATASETS[0]}}
    params["testsets"] = ["alpaca-eval", "xquad", "mmlu"]
    params["posed"] = {}
    params["lengthened"] = {
        "seqeval": {"reads": "testsets/alpaca-eval", "mix": [0.5, 0.5], "seed": 7}
    }
    path.write_text(yaml.safe_dump(params), "utf-8")


def write_scores(paths: Paths, benchmark: str, marked: dict[str, list[Marked]]) -> None:
    """What the stages before leave of a benchmark: scores of each model, and how they compare."""
    for model, answers in marked.items():
        folder = paths.folder("scores", model)
        write_records(folder / f"{benchmark}.parquet", MARKED, map(to_table, answers))
        write_metrics(folder / f"{benchmark}.json", {"shots": 0, **summarise(answers, 7)})
    if len(marked) == 2:
        against, model = marked
        path = paths.folder("compared") / "sequences.json"
        before = json.loads(path.read_text("utf-8")) if path.is_file() else {"tests": {}}
        before["tests"][benchmark] = compare(marked[model], marked[against], 0)
        write_metrics(path, {"model": model, "against": against, "pairs": {}} | before)


def write_wins(paths: Paths) -> None:
    """What a judge said of the pairs of answers to SeqEval."""
    path = paths.folder("compared") / "sequences.json"
    won = [
        answered(f"{place}", "iteration 1", {"win": Points(place % 4 > 0)}) for place in range(8)
    ]
    agreement = {"pairs": 8, "consistent": 0.75, "for_the_first": 0.5, "alpha": 0.5}
    pairs = {"seqeval": {**summarise(won, 0), "judge": {"agreement": agreement}}}
    write_metrics(path, json.loads(path.read_text("utf-8")) | {"pairs": pairs})


def world(right: float, lengths: int = 5, each: int = 20) -> list[Marked]:
    """Answers to chains of one task and more, of which a share is right, less of longer ones."""
    found = []
    for tasks in range(1, lengths + 1):
        for number in range(each):
            done = sum(number % each < each * right / place for place in range(1, tasks + 1))
            group = "1 task" if tasks == 1 else f"{tasks} tasks"
            marks = {
                "accuracy": Points(done, tasks),
                "following": Points(done > 0),
                "exact": Points(done == tasks),
            }
            found.append(answered(f"{tasks}-{number:02}", group, marks, tasks))
    return found


def judged(quality: float, iterations: int = 4) -> list[Marked]:
    """Answers to SeqEval; quality falls with the iterations."""
    return [
        answered(
            f"{iteration}-{number}",
            f"iteration {iteration}",
            {
                "judged": Points(1),
                "quality": Points(quality - iteration * 0.25),
                "quality_paper": Points(quality - iteration * 0.2),
                "following": Points(number % 4 < quality - 1),
            },
            iteration,
        )
        for iteration in range(1, iterations + 1)
        for number in range(8)
    ]


def translated(right: int, languages: str = "de en zh") -> list[Marked]:
    """Answers to XQuAD: of ten in each language the first `right` are, as published one more."""
    return [
        answered(
            f"{language}-{number}",
            language,
            {
                "accuracy": Points(number < right),
                "accuracy_paper": Points(number <= right),
                "following": Points(number < 2 * right),
            },
            2,
        )
        for language in languages.split()
        for number in range(10)
    ]


def answered(id: str, group: str, marks: dict[str, Points], tasks: int = 1) -> Marked:
    """An item with an answer."""
    return Marked(
        id=id,
        group=group,
        tasks=tasks,
        prompt=f"Do {tasks} tasks about passage {id}.",
        references=(f"Reference of {id}",),
        answer=f"Answer to {id}",
        outcome="answered",
        marks=marks,
    )


def write_training(paths: Paths, model: str, start: float) -> None:
    """The counts and the loss of a training."""
    path = paths.folder("models") / f"{model}.loss.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    steps = range(10, 1001, 10)
    lines = [f"{step},{start / (1 + step / 100):.4f},0.001" for step in steps]
    path.write_text("\n".join(["step,loss,learning_rate", *lines, ""]), "utf-8")
    counts = {"loss": 0.25, "rows": 6000, "cut": 3, "lost": 0, "steps": 1000, "tokens": 123_456}
    write_metrics(paths.metrics(f"models/{model}"), counts)


def write_all_scores(paths: Paths) -> None:
    """Both models trained and scored on all but MMLU, which the profile does without."""
    it, sit = DATASETS
    for model, start in ((it, 3.0), (sit, 4.0)):
        write_training(paths, model, start)
    unanswered = [
        replace(one, outcome="truncated") if one.id.endswith("3") else one for one in world(0.4)
    ]
    write_scores(paths, "world", {it: unanswered, sit: world(0.9)})
    write_scores(paths, "seqeval", {it: judged(3.5), sit: judged(4.6)})
    write_scores(paths, "xquad", {it: translated(4), sit: translated(7)})
    write_scores(paths, "mmlu", {it: [], sit: []})
    write_wins(paths)


def spoil_all_texts(paths: Paths) -> None:
    """Put hostile text into all texts of datasets, history, quarantine and answers."""

    def spoil(row: Row) -> Row:
        events = (
            replace(
                event,
                option=HOSTILE,
                instruction=f"{event.instruction} {HOSTILE}",
                outcome=f"{event.outcome} {HOSTILE}",
            )
            for event in row.history
        )
        return replace(
            row,
            id=f"{row.id} {HOSTILE}",
            system=HOSTILE,
            instruction=f"{row.instruction} {HOSTILE}",
            output=f"{row.output} {HOSTILE}",
            input=f"{row.input} {HOSTILE}",
            language=HOSTILE,
            history=tuple(events),
        )

    taken = Quarantined(HOSTILE, "respond", HOSTILE, HOSTILE, "{}")
    for reference in ("datasets/alpaca-it", "datasets/alpaca-sit"):
        rewrite(paths, reference, spoil, quarantined=(taken,))
    spoil_answers(paths, HOSTILE)


def spoil_answers(paths: Paths, hostile: str) -> None:
    """Put hostile text wherever a question, an answer or a scorer can bring it to the pages."""
    marks = {"accuracy": Points(1), hostile: Points(1, 3)}
    answers = [
        replace(one, prompt=hostile, answer=hostile, outcome=hostile, references=(hostile,),
                id=f"{hostile} {one.id}", group=f"{one.group} {hostile}", marks=marks)
        for one in world(0.5)
    ]  # fmt: skip
    write_scores(paths, "world", dict.fromkeys(DATASETS, answers))
