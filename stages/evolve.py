"""Evol-Instruct, the baseline: every instruction evolves once, or is eliminated.

Reads what the table names in params.yaml (a source), writes data/<profile>/evolved/NAME.parquet,
the rows that were eliminated beside it (.quarantine.parquet), the replies that made it
(.ledger.parquet) and the counts (.metrics.json). `respond` gives the evolved rows their outputs.

Example: python -m stages.evolve alpaca
"""

from stages.config.command import pick, run
from stages.config.load import load_settings
from stages.llm.tables import make_table
from stages.methods.evolve import evolve


def evolve_table(name: str) -> None:
    settings = load_settings()
    pick("evolved table", name, settings.build.evolved)

    make_table(settings, f"evolved/{name}", evolve)


if __name__ == "__main__":
    run(evolve_table)
