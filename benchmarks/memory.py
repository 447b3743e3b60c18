"""Peak resident memory of each stage for ten times the rows.

Builds the same dataset from N and from 10 N rows of the built-in world, a process for each stage.
The peak is that of the process at its largest, interpreter and libraries included; bytes/row is
what each further row added to it.

Example: python -m benchmarks.memory --rows 6000
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.measure import run
from benchmarks.project import BUILD, Project

STAGES = (*BUILD, "testset all", "validate alpaca-sit", "package datasets/alpaca-sit")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=6_000, metavar="N")
    parser.add_argument("--train", action="store_true", help="fine-tune too, for one step (torch)")
    options = parser.parse_args()
    few, many = options.rows, 10 * options.rows
    stages = (*STAGES, "train alpaca-sit") if options.train else STAGES
    small, large = peaks(few, stages), peaks(many, stages)
    print(f"{'':20} {f'{few:,} rows':>13} {f'{many:,} rows':>13} {'ratio':>7} {'bytes/row':>10}")
    for stage in stages:
        before, after = small[stage], large[stage]
        print(
            f"{stage:20} {before / 1e6:10.0f} MB {after / 1e6:10.0f} MB {after / before:6.2f}x "
            f"{(after - before) / (many - few):10,.0f}"
        )


def peaks(rows: int, stages: tuple[str, ...]) -> dict[str, int]:
    """Bytes at each stage's peak, in one build of `rows` rows."""
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder), rows)
        project.set("training", "max_steps", 1)
        return {stage: project.run(stage).peak for stage in stages}


if __name__ == "__main__":
    run(main)
