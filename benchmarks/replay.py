"""Seconds to build a dataset anew when every reply is in the ledger.

Builds alpaca-1, alpaca-2 and alpaca-sit with the built-in world, which fills the ledger, and then
again with the `replay` engine, which can ask nothing. Each stage is a process, as it is under DVC.
Checks that the second build asks nothing and gives the same bytes.

Example: python -m benchmarks.replay path/to/alpaca_data.json
"""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.measure import Cost, run
from benchmarks.project import BUILD, Project, asked
from stages.rows.parquet import count_rows, file_hash


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, nargs="?", help="rows as Alpaca's; default: the world's")
    parser.add_argument("--rows", type=int, help="default: 6,000 of the world, all of a file")
    parser.add_argument("--repeats", type=int, default=3, help="replays")
    options = parser.parse_args()
    if options.file and not options.file.is_file():
        parser.error(f"{options.file}: no such file")
    rows = options.rows or (None if options.file else 6_000)

    fetch, *stages = BUILD
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder), rows, options.file and options.file.resolve())
        project.run(fetch)
        first = {stage: project.run(stage) for stage in stages}
        built = _outputs(project)
        project.set("runtime", "engine", "replay")
        again = []
        for _ in range(options.repeats):
            again.append({stage: project.run(stage) for stage in stages})
            if any(asked(cost.said) for cost in again[-1].values()) or _outputs(project) != built:
                sys.exit("error: the replay asked something, or gave other bytes")
        print(table(count_rows(project.data / "sources/alpaca.parquet"), first, again))


def table(rows: int, first: dict[str, Cost], again: list[dict[str, Cost]]) -> str:
    """Each stage and the whole: the first build, and the replays in the middle and at the ends."""
    lines = [
        f"{rows:,} rows",
        f"{'':20} {'requests':>9} {'first s':>8} {'replay s':>8} {'min':>7} {'max':>7} "
        f"{'CPU s':>7} {'ratio':>7}",
    ]
    for name, stages in {**{stage: [stage] for stage in first}, "whole": list(first)}.items():
        requests = sum(asked(first[stage].said) for stage in stages)
        before = sum(first[stage].seconds for stage in stages)
        after = [sum(costs[stage].seconds for stage in stages) for costs in again]
        cpu = median(sum(costs[stage].cpu for stage in stages) for costs in again)
        lines.append(
            f"{name:20} {requests:9,} {before:8.2f} {median(after):8.2f} {min(after):7.2f} "
            f"{max(after):7.2f} {cpu:7.2f} {median(after) / before:6.2f}x"
        )
    lines.append(f"{rows / median(after):,.0f} rows/s through all {len(first)} stages")
    return "\n".join(lines)


def _outputs(project: Project) -> dict[str, str]:
    """Every table of the build by its hash."""
    return {str(path): file_hash(path) for path in sorted(project.data.rglob("*.parquet"))}


if __name__ == "__main__":
    run(main)
