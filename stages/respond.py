"""Answers every row of a table with the profile's generator: a finished dataset.

Reads what the dataset names in params.yaml (a source for `-it`, the last iteration for `-sit`),
writes data/<profile>/datasets/NAME.parquet, the rows without a usable response beside it
(.quarantine.parquet), the replies that made it (.ledger.parquet) and the counts (.metrics.json).

Example: python -m stages.respond alpaca-sit
"""

from stages.config.command import pick, run
from stages.config.load import load_settings
from stages.llm.tables import make_table
from stages.methods.respond import respond


def answer(name: str) -> None:
    settings = load_settings()
    pick("answered dataset", name, settings.build.answered)

    make_table(settings, f"datasets/{name}", respond)


if __name__ == "__main__":
    run(answer)
