"""Answers every row of a table with the profile's generator: the finished dataset.

Reads what the dataset names in params.yaml (a source for `-it`, the last iteration for `-sit`),
writes data/<profile>/datasets/NAME.parquet, the rows without a usable response beside it
(.quarantine.parquet), the replies that made it (.ledger.parquet) and the counts (.metrics.json).

Example: python -m stages.respond alpaca-sit
"""

from stages.config.command import pick, run
from stages.config.load import load_settings
from stages.config.paths import Paths
from stages.llm.exchange import export_ledger
from stages.llm.open import open_generator
from stages.methods.respond import respond
from stages.rows.measure import write_metrics
from stages.rows.parquet import RowWriter, count_rows, read_rows
from stages.rows.quarantine import Quarantined, conserve, reasons, write_quarantine


def answer(name: str) -> None:
    settings = load_settings()
    paths = Paths(settings.build.profile)
    reference = f"datasets/{name}"
    source = paths.table(pick("dataset", name, settings.build.datasets).reads)
    target = paths.table(reference)

    lost: list[Quarantined] = []
    total = count_rows(source)
    with open_generator(settings, f"respond {name}", total) as client:
        with RowWriter(target) as out:
            for row in client.map(lambda row: respond(row, client), read_rows(source)):
                if isinstance(row, Quarantined):
                    lost.append(row)
                else:
                    out.write([row])
        replies = export_ledger(client.ledger, client.used, paths.ledger_export(reference))
    write_quarantine(target, lost)
    conserve(f"respond {name}", total, count_rows(target), len(lost))
    write_metrics(
        paths.metrics(reference),
        {
            "rows": count_rows(target),
            "quarantined": len(lost),
            "reasons": dict(sorted(reasons(target).items())),
            "replies": replies,
        },
    )


if __name__ == "__main__":
    run(answer)
