"""Draws the queries of a benchmark, or makes a test set of its upstream.

Reads the benchmark's settings from the profile and, for a test set, the user's files or the
profile's origin. Writes data/<profile>/benchmarks/NAME.parquet and the counts beside it
(.metrics.json); for a test set also the records that could not be used (.quarantine.parquet).
The world's own queries chain one to several tasks over passages that no training row holds; pairs
of neighbouring tasks that no training row holds stand in a group of their own.

Example: python -m stages.benchmark world
"""

from collections import Counter
from dataclasses import asdict
from pathlib import Path

from stages.config.command import pick, run
from stages.config.load import load_settings
from stages.config.paths import Paths
from stages.config.settings import Benchmark, QuestionSet
from stages.rows.measure import write_metrics
from stages.rows.parquet import write_records
from stages.rows.quarantine import conserve, write_quarantine
from stages.scoring.world import QUERIES, draw_queries
from stages.testsets.gather import gather, metrics
from stages.testsets.item import ITEMS, to_table
from stages.testsets.kinds import KINDS
from stages.testsets.open import open_parts

_INPUTS = Path("inputs")


def build(name: str) -> None:
    settings = load_settings()
    paths = Paths(settings.build.profile)
    profile = settings.profile
    known: dict[str, Benchmark | QuestionSet] = {**profile.benchmarks, **profile.testsets}
    match pick("benchmark", name, known):
        case QuestionSet() as testset:
            _build_testset(name, testset, paths)
        case Benchmark() as benchmark:
            _build_world(name, benchmark, paths)


def _build_world(name: str, benchmark: Benchmark, paths: Paths) -> None:
    reference = f"benchmarks/{name}"

    queries = list(draw_queries(benchmark))

    write_records(paths.table(reference), QUERIES, map(asdict, queries))
    groups = Counter(query.group for query in queries)
    write_metrics(paths.metrics(reference), {"queries": len(queries), "groups": dict(groups)})


def _build_testset(name: str, testset: QuestionSet, paths: Paths) -> None:
    reference = f"benchmarks/{name}"
    parts = open_parts(name, _INPUTS, testset)

    made = gather(name, KINDS[testset.kind], parts, testset.rows, testset.seed)

    target = paths.table(reference)
    write_records(target, ITEMS, map(to_table, made.items))
    write_quarantine(target, made.quarantined)
    drawn = made.records - made.sampled_out
    conserve(f"benchmark {name}", drawn, made.asked, len(made.quarantined))
    write_metrics(paths.metrics(reference), metrics(made, parts))


if __name__ == "__main__":
    run(build)
