"""Puts benchmarks and test sets to a model and scores its answers.

Reads the items of all that `scores` in params.yaml names for the model, or `references` for one
that is not trained here; writes to data/<profile>/scores/MODEL/, for each of them, every answer
with its marks (BENCHMARK.parquet) and the scores with 95 % intervals, overall and by group
(BENCHMARK.json); and the headline beside the folder (MODEL.json). Answers that are in the ledger
are not asked for again.

Example: python -m stages.evaluate alpaca-sit
"""

from pathlib import Path
from typing import Any

from stages.config.command import pick, run
from stages.config.load import load_settings
from stages.config.paths import Paths
from stages.llm.open import open_scored
from stages.rows.measure import write_metrics
from stages.rows.parquet import write_records
from stages.scoring.judge_all import judge_all
from stages.scoring.marks import MARKED, to_table
from stages.scoring.metrics import headline
from stages.scoring.programs import score_programs
from stages.scoring.put import JUDGED, PROGRAMS, put
from stages.scoring.summary import summarise
from stages.testsets.item import Item, read_items

SEED = 7  # of the resampling


def evaluate(name: str) -> None:
    settings = load_settings()
    build, paths = settings.build, Paths(settings.build.profile)
    benchmarks = pick("model", name, build.scored)
    trained, folder = paths.folder("models", name), paths.folder("scores", name)
    kinds = {one: settings.kind(one) for one in benchmarks}
    items = {one: list(read_items(paths.table(build.items_of(one)))) for one in benchmarks}
    shots = {one: _read_shots(paths.table(f"{build.items_of(one)}.shots")) for one in benchmarks}

    asked = sum(map(len, items.values()))
    with open_scored(settings, name, trained, f"evaluate {name}", asked) as client:
        answers = {one: put(one, kinds[one], items[one], shots[one], client) for one in benchmarks}
    found = [one for one in benchmarks if items[one]]
    code = {one: answers[one] for one in found if kinds[one] in PROGRAMS}
    judged = {one: answers[one] for one in found if kinds[one] in JUDGED}
    scored: dict[str, Any] = {one: (marked, {}) for one, marked in answers.items()}
    if settings.profile.evaluation.run_code:
        scored |= score_programs(settings, name, trained, items, code, folder)
    scored |= judge_all(settings, name, judged, folder / "judge.ledger.parquet")

    best: dict[str, Any] = {}
    for one, (marked, report) in scored.items():
        write_records(folder / f"{one}.parquet", MARKED, map(to_table, marked))
        scores = summarise(marked, SEED)
        write_metrics(folder / f"{one}.json", {"shots": len(shots[one]), **report, **scores})
        best[one] = headline(one, scores)
    write_metrics(paths.folder("scores") / f"{name}.json", best)


def _read_shots(path: Path) -> list[Item]:
    return list(read_items(path)) if path.is_file() else []


if __name__ == "__main__":
    run(evaluate)
