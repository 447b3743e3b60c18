"""Audits finished datasets: checks that fail the build, and statistics.

Reads data/<profile>/datasets/NAME.parquet and the tables, ledgers and quarantines that it comes
from; writes validation.json and statistics.json to data/<profile>/audit/NAME/, prints the verdicts,
and exits with 1 when a check of severity error failed. `all` audits every dataset in one process:
Great Expectations takes 3 seconds to load.

Example: python -m stages.validate alpaca-sit
"""

from dataclasses import asdict

from stages.config.command import pick, run
from stages.config.errors import BuildError
from stages.config.lineage import lineage, steps_of
from stages.config.load import load_settings
from stages.config.paths import Paths
from stages.config.settings import Settings
from stages.quality.expectations import answered_rows, columns_of_a_row, conservation, sequences
from stages.quality.gather import columns, gather
from stages.quality.judge import judge
from stages.quality.statistics import statistics
from stages.quality.summary import console, verdict_table
from stages.quality.tokens import token_counter
from stages.rows.measure import write_metrics


def validate(name: str) -> None:
    settings = load_settings()
    datasets = settings.build.datasets
    pick("dataset", name, dict.fromkeys(["all", *datasets]))

    failures = [
        failure
        for one in (datasets if name == "all" else [name])
        if (failure := audit(settings, one))
    ]

    if failures:
        raise BuildError("\n".join(failures))


def audit(settings: Settings, name: str) -> str:
    """Audit a dataset, write and print the verdicts; which checks failed, or an empty text."""
    paths = Paths(settings.build.profile)
    chain = lineage(settings.build, f"datasets/{name}")
    steps = steps_of(settings.build, chain)
    training, limits = settings.profile.training, settings.build.thresholds
    unit, count_tokens = token_counter(training.base)

    measured = {}
    checks = judge(columns_of_a_row(), columns(paths.table(chain[-1])))
    if all(check.success for check in checks):
        facts = gather(paths, chain, steps, count_tokens, training.max_length)
        rules = answered_rows(limits, training.max_length, unit)
        verbs = {verb for verb, _ in steps}
        if "sequence" in verbs:
            rules += sequences(limits)
        checks += judge(conservation(limits), facts.accounts) + judge(rules, facts.rows)
        measured = statistics(facts, unit)

    verdicts = [asdict(check) for check in checks]
    failed = [check.what for check in checks if not check.success and check.severity == "error"]
    folder = paths.folder("audit", name)
    write_metrics(
        folder / "validation.json",
        {"dataset": name, "success": not failed, "checks": verdicts, "statistics": measured},
    )
    write_metrics(folder / "statistics.json", measured)
    console().print(verdict_table(name, verdicts))
    if not failed:
        return ""
    return (
        f"{name}: {len(failed)} of {len(checks)} checks failed: {' '.join(failed)} "
        "The table above names the first rows of each. Mend what they come from, or, where "
        "you accept a share, raise its limit under `thresholds` in params.yaml."
    )


if __name__ == "__main__":
    run(validate)
