"""Chain-of-Instructions: chains of tasks in which the output of one is the input of the next.

Reads the tables that the dataset names in params.yaml, the first of which holds the rows: a source
of tasks for `single` and `held-out`, chains and the source for `extend`, which adds one task each,
chains for the variants `summarise` and `irrelevant`. Writes data/<profile>/datasets/NAME.parquet,
the rows that no chain has a place for beside it (.quarantine.parquet), the replies that made it
(.ledger.parquet) and the counts (.metrics.json).

Example: python -m stages.chain coi-2
"""

from stages.config.command import pick, run
from stages.config.load import load_settings
from stages.config.paths import Paths
from stages.llm.tables import make_table
from stages.methods.chain import METHODS


def chain(name: str) -> None:
    settings = load_settings()
    paths = Paths(settings.build.profile)
    made = pick("chained dataset", name, settings.build.chained)
    prepare = pick("method of chain", made.method, METHODS)

    make_table(settings, f"datasets/{name}", prepare([paths.table(one) for one in made.parents]))


if __name__ == "__main__":
    run(chain)
