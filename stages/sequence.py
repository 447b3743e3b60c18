"""One Seq-Instruct iteration: every row is classified and rewritten, or held.

Reads what the iteration names in params.yaml (a source, or the iteration before), writes
data/<profile>/sequences/NAME.parquet with as many rows, the replies that made them beside it
(.ledger.parquet) and the counts (.metrics.json).

Example: python -m stages.sequence alpaca-1
"""

from collections import Counter

from stages.config.command import pick, run
from stages.config.load import load_settings
from stages.config.paths import Paths
from stages.llm.exchange import export_ledger
from stages.llm.open import open_generator
from stages.methods.seq_instruct import iterate
from stages.rows.measure import write_metrics
from stages.rows.parquet import RowWriter, count_rows, read_rows
from stages.rows.quarantine import conserve, write_quarantine


def sequence(name: str) -> None:
    settings = load_settings()
    paths = Paths(settings.build.profile)
    reference = f"sequences/{name}"
    source = paths.table(pick("sequence", name, settings.build.sequences).reads)
    target = paths.table(reference)

    outcomes: Counter[str] = Counter()
    options: Counter[str] = Counter()
    total = count_rows(source)
    iteration = settings.build.iteration(name)
    with open_generator(settings, f"sequence {name}", total) as client:
        with RowWriter(target) as out:
            for row in client.map(lambda row: iterate(row, iteration, client), read_rows(source)):
                out.write([row])
                outcomes[row.history[-1].outcome] += 1
                options[row.history[-1].option] += 1
        replies = export_ledger(client.ledger, client.used, paths.ledger_export(reference))
    write_quarantine(target, [])
    conserve(f"sequence {name}", total, count_rows(target), quarantined=0)
    write_metrics(
        paths.metrics(reference),
        {
            "rows": total,
            "options": dict(sorted(options.items())),
            "outcomes": dict(sorted(outcomes.items())),
            "replies": replies,
        },
    )


if __name__ == "__main__":
    run(sequence)
