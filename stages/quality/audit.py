"""The audit of a dataset: which rules it must meet, the facts that they are about, statistics."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import polars as pl
from great_expectations.expectations.expectation import Expectation

from stages.config.errors import BuildError
from stages.config.lineage import lineage, steps_of
from stages.config.paths import Paths
from stages.config.settings import Settings
from stages.hub.manifest import DatasetManifest, read_manifest
from stages.models.tokens import token_counter
from stages.quality import drift
from stages.quality import expectations as expect
from stages.quality.gather import Facts, Measures, columns, gather
from stages.quality.judge import Check, judge
from stages.quality.paper import TABLE_3
from stages.quality.remake import other_results
from stages.quality.statistics import statistics
from stages.testsets.item import read_items
from stages.texts.overlap import ItemIndex
from stages.texts.verbs import open_parser

Suite = tuple[list[Expectation], pl.DataFrame]
"""rules, and the facts that they are about"""


@dataclass(frozen=True, slots=True)
class Audit:
    suites: list[Suite]
    checks: list[Check]
    """one for each rule"""
    statistics: dict[str, Any]
    """empty where the columns are not those of a row"""


def open_measures(settings: Settings, paths: Paths) -> Measures:
    """What every dataset of the profile is measured with. Raises BuildError."""
    training = settings.profile.training
    unit, count_tokens = token_counter(training.base)
    return Measures(
        unit,
        count_tokens,
        training.max_length,
        open_parser(settings.profile.audit.parser),
        ItemIndex(
            {one: read_items(paths.table(f"testsets/{one}")) for one in settings.build.testsets}
        ),
        # Datasets share tables: each is made once more once.
        cache(partial(other_results, settings, paths)),
    )


def audit(settings: Settings, paths: Paths, name: str, measures: Measures) -> Audit:
    """The audit of the dataset `name`. Raises BuildError when a file is missing or unreadable."""
    build = settings.build
    chain = lineage(build, f"datasets/{name}")
    suites = [(expect.columns_of_a_row(), columns(paths.table(chain[-1])))]
    checks = judge(*suites[0])
    if not all(check.success for check in checks):
        return Audit(suites, checks, {})
    steps = steps_of(build, chain)
    facts = gather(paths, chain, steps, measures)
    measured = statistics(facts, measures, settings.profile.runtime.price)
    rest = [
        (expect.conservation(build.thresholds), facts.accounts),
        (_rules(settings, [verb for verb, _ in steps], facts, measures), facts.rows),
        *_drifts(settings, name, chain[0], measured),
    ]
    checks += [check for suite in rest for check in judge(*suite)]
    return Audit([*suites, *rest], checks, measured)


def _rules(
    settings: Settings, verbs: Sequence[str], facts: Facts, measures: Measures
) -> list[Expectation]:
    limits = settings.build.thresholds
    rules = expect.suite(verbs, limits, measures.unit, measures.max_length)
    if verbs[-1] == "translate":
        with_input = float(facts.rows["has_input"].mean() or 0)  # type: ignore[arg-type]
        rules += expect.share_translated(limits, with_input)
    return rules


def _drifts(settings: Settings, name: str, source: str, measured: dict[str, Any]) -> list[Suite]:
    """What a dataset is compared with: a release of it, the paper."""
    limit, profile = settings.build.thresholds.max_drift, settings.profile.audit
    compared: list[Suite] = []
    if previous := profile.previous.get(name):
        before = read_manifest(Path(previous))
        if not isinstance(before, DatasetManifest):
            raise BuildError(
                f"audit.previous.{name}: {previous} is the release of a model. Name one of {name}."
            )
        rules = expect.drift("drift", limit, f"the release in {previous}")
        compared.append((rules, drift.from_release(before.statistics, measured)))
    paper = TABLE_3.get(source.partition("/")[2], ())
    if profile.compare_with_paper and paper and len(measured["iterations"]) > 1:
        rules = expect.drift("paper", limit, "the paper")
        compared.append((rules, drift.from_paper(paper, measured)))
    return compared
