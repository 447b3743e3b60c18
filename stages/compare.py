"""Holds the scores of two models against each other, and lets a judge compare their answers.

Reads the marked answers of both models that the comparison names in params.yaml, to every benchmark
that both were asked, and the labels of people in inputs/labels/BENCHMARK.jsonl where there are any.
Writes data/<profile>/compared/NAME.json (paired tests of every metric; for open-ended benchmarks
wins, ties and losses with 95 % intervals, and how far the judge agrees with itself) and, in the
folder NAME beside it, each pair of answers with what was said of it (pairs.parquet) and the judge's
replies (ledger.parquet). `all` makes every comparison.

Example: python -m stages.compare sequences
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.config.command import pick, run
from stages.config.errors import BuildError
from stages.config.load import load_settings
from stages.config.paths import Paths
from stages.config.settings import Settings
from stages.llm.exchange import export_ledger
from stages.llm.open import open_judge
from stages.rows.measure import write_metrics
from stages.rows.parquet import write_records
from stages.scoring.judge import VERDICT
from stages.scoring.judge_pairs import PAIRS, compare_answers, to_marked, to_table
from stages.scoring.labels import find_labels
from stages.scoring.marks import Marked, read_marked
from stages.scoring.summary import compare, summarise

_SEED = 7  # of the resampling, as in evaluate


def compare_models(name: str) -> None:
    settings = load_settings()
    compared = settings.build.compared
    pick("comparison", name, dict.fromkeys(["all", *compared]))
    for one in compared if name == "all" else [name]:
        _compare(settings, one)


def _compare(settings: Settings, name: str) -> None:
    build, paths = settings.build, Paths(settings.build.profile)
    made = build.compared[name]
    shared = [one for one in build.scored[made.model] if one in build.scored[made.against]]
    if not shared:
        raise BuildError(
            f"params.yaml: compared.{name}: '{made.model}' and '{made.against}' are scored on no "
            "benchmark that both were asked. Give them one under 'scores', or under 'references'."
        )
    answers = {
        benchmark: (
            _answers(paths, made.model, benchmark),
            _answers(paths, made.against, benchmark),
        )
        for benchmark in shared
    }
    open_ended = {
        one: both for one, both in answers.items() if any(VERDICT in a.marks for a in both[0])
    }
    folder = paths.folder("compared", name)
    pairs, judged = _judge(settings, name, open_ended, folder / "ledger.parquet")

    write_records(folder / "pairs.parquet", PAIRS, pairs)
    write_metrics(
        paths.folder("compared") / f"{name}.json",
        {
            "model": made.model,
            "against": made.against,
            "tests": {
                benchmark: compare(ours, theirs, _SEED)
                for benchmark, (ours, theirs) in answers.items()
            },
            "pairs": judged,
        },
    )


def _judge(
    settings: Settings,
    name: str,
    answers: Mapping[str, tuple[list[Marked], list[Marked]]],
    replies: Path,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The pairs of answers with what was said of each, as records; benchmark -> their scores.

    A judge's replies go to the Parquet file `replies`.
    """
    if not answers:
        return [], {}
    pairs, judged = [], {}
    items = sum(len(ours) for ours, _ in answers.values())
    with open_judge(settings, f"compare {name}", items) as judge:
        for benchmark, (ours, theirs) in answers.items():
            times = settings.profile.evaluation.judgements
            found, report = compare_answers(ours, theirs, judge, times, find_labels(benchmark))
            pairs += [to_table(one, benchmark) for one in found]
            marked = [to_marked(one) for one in found]
            judged[benchmark] = {**summarise(marked, _SEED), "judge": report}
        if judge:
            export_ledger(judge.ledger, judge.used, replies)
    return pairs, judged


def _answers(paths: Paths, model: str, benchmark: str) -> list[Marked]:
    return list(read_marked(paths.folder("scores", model) / f"{benchmark}.parquet"))


if __name__ == "__main__":
    run(compare_models)
