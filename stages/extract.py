"""Input extraction: rows whose task and material stand in one text, with the two apart.

Reads what the table names in params.yaml (a source), writes data/<profile>/extracted/NAME.parquet
with as many rows, the replies that made them beside it (.ledger.parquet) and the counts
(.metrics.json). A row that cannot be taken apart without loss stays as it was, with the reason.

Example: python -m stages.extract flancot
"""

from stages.config.command import pick, run
from stages.config.load import load_settings
from stages.llm.tables import make_table
from stages.methods.extract import extract


def extract_table(name: str) -> None:
    settings = load_settings()
    pick("extracted table", name, settings.build.extracted)

    make_table(settings, f"extracted/{name}", extract)


if __name__ == "__main__":
    run(extract_table)
