"""Task-driven sequences: a task in front of every row that has an input, and its answer.

Reads the tables that the dataset names in params.yaml, the first of which holds the rows, writes
data/<profile>/datasets/NAME.parquet, the rows that could not be composed beside it
(.quarantine.parquet), the replies that made it (.ledger.parquet) and the counts (.metrics.json).

Example: python -m stages.compose alpaca-repeat
"""

from stages.config.command import pick, run
from stages.config.load import load_settings
from stages.config.paths import Paths
from stages.llm.tables import make_table
from stages.methods.compose import METHODS


def compose(name: str) -> None:
    settings = load_settings()
    paths = Paths(settings.build.profile)
    made = pick("composed dataset", name, settings.build.composed)
    prepare = pick("method of compose", made.method, METHODS)

    make_table(settings, f"datasets/{name}", prepare([paths.table(one) for one in made.parents]))


if __name__ == "__main__":
    run(compose)
