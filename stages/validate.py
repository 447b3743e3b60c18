"""Audits finished datasets: checks that fail the build, and statistics.

Reads data/<profile>/datasets/NAME.parquet, the tables, ledgers and quarantines that it comes from,
and the test sets. Writes to data/<profile>/audit/NAME/ the verdicts and the statistics
(validation.json) and every row that a check names (quarantine.parquet). `all` audits every dataset,
and writes the figures of all of them for DVC (metrics/ and plots/). Prints the verdicts, and
exits with 1 when a check of severity error failed.

Example: python -m stages.validate alpaca-sit
"""

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing import get_context
from typing import Any

import polars as pl

from stages.config.command import pick, run
from stages.config.errors import BuildError
from stages.config.load import load_settings
from stages.config.paths import Paths
from stages.config.settings import Settings
from stages.quality.audit import Audit, audit, open_measures
from stages.quality.figures import write_figures
from stages.quality.gather import Measures
from stages.quality.named import named_rows, write_named
from stages.quality.summary import console, verdict_table
from stages.rows.measure import write_metrics


def validate(name: str) -> None:
    settings = load_settings()
    build, paths = settings.build, Paths(settings.build.profile)
    pick("dataset", name, dict.fromkeys(["all", *build.datasets]))

    if name == "all":
        audited = _audit_side_by_side(build.datasets)
        write_figures(paths, build.datasets)
    else:
        audited = [_audit(settings, paths, open_measures(settings, paths), name)]
        _show(name, audited[0])
    if failures := [one.failure for one in audited if one.failure]:
        raise BuildError("\n".join(failures))


@dataclass(frozen=True, slots=True)
class _Audited:
    verdicts: list[dict[str, Any]]
    failure: str
    """which checks failed; empty where none did"""


def _audit_side_by_side(names: list[str]) -> list[_Audited]:
    """The audits of datasets, in order, as many at once as there are cores and at most four."""
    # A fork would copy the locks of Polars' threads.
    pool = ProcessPoolExecutor(min(4, os.cpu_count() or 1), mp_context=get_context("spawn"))
    audited = []
    with pool:
        for name, one in zip(names, pool.map(_audit_here, names), strict=True):
            _show(name, one)
            audited.append(one)
    return audited


def _show(name: str, audited: _Audited) -> None:
    console().print(verdict_table(name, audited.verdicts))


@cache
def _opened() -> tuple[Settings, Paths, Measures]:
    """Once in each process of the pool: what every dataset is measured with."""
    settings = load_settings()
    paths = Paths(settings.build.profile)
    return settings, paths, open_measures(settings, paths)


def _audit_here(name: str) -> _Audited:
    return _audit(*_opened(), name)


def _audit(settings: Settings, paths: Paths, measures: Measures, name: str) -> _Audited:
    return write_audit(name, audit(settings, paths, name, measures), paths)


def write_audit(name: str, found: Audit, paths: Paths) -> _Audited:
    """Write the verdicts."""
    verdicts = [asdict(check) for check in found.checks]
    failed = [one.what for one in found.checks if not one.success and one.severity == "error"]
    folder = paths.folder("audit", name)
    write_metrics(
        folder / "validation.json",
        {
            "dataset": name,
            "success": not failed,
            "checks": verdicts,
            "statistics": found.statistics,
        },
    )
    named = pl.concat(named_rows(*suite) for suite in found.suites)
    write_named(folder / "quarantine.parquet", named)
    if not failed:
        return _Audited(verdicts, "")
    return _Audited(
        verdicts,
        f"{name}: {len(failed)} of {len(verdicts)} checks failed: {' '.join(failed)} "
        f"The rows are in {folder / 'quarantine.parquet'}. Mend what they come from, or, where "
        "you accept a share, raise its limit under `thresholds` in params.yaml.",
    )


if __name__ == "__main__":
    run(validate)
