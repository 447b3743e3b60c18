"""Splits rows of several tasks: into rows of one task each, or into dialogues.

Reads the dataset that is named in params.yaml, writes data/<profile>/datasets/NAME.parquet, the
rows that could not be split beside it (.quarantine.parquet), the replies that made it
(.ledger.parquet) and the counts (.metrics.json).

Example: python -m stages.split alpaca-sit-split
"""

from stages.config.command import pick, run
from stages.config.load import load_settings
from stages.llm.tables import make_table
from stages.methods.split import METHODS


def split(name: str) -> None:
    settings = load_settings()
    made = pick("split dataset", name, settings.build.split)
    prepare = pick("method of split", made.method, METHODS)

    make_table(settings, f"datasets/{name}", prepare())


if __name__ == "__main__":
    run(split)
