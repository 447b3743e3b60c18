"""Makes SeqEval: the prompts of a test set grow, each by one to four tasks.

Reads the test set that the benchmark names in params.yaml, writes
data/<profile>/benchmarks/NAME.parquet, the replies that made it beside it (.ledger.parquet), the
prompts that could not grow (.quarantine.parquet) and the counts with the mix (.metrics.json).

Example: python -m stages.lengthen seqeval
"""

from collections import Counter

from stages.config.command import pick, run
from stages.config.load import load_settings
from stages.config.paths import Paths
from stages.llm.exchange import export_ledger
from stages.llm.open import open_generator
from stages.rows.measure import write_metrics
from stages.rows.parquet import write_records
from stages.rows.quarantine import Quarantined, conserve, write_quarantine
from stages.testsets.item import ITEMS, Item, read_items, to_table
from stages.testsets.seqeval import lengthen, mix, plan


def build(name: str) -> None:
    settings = load_settings()
    made = pick("benchmark", name, settings.build.lengthened)
    paths, reference = Paths(settings.build.profile), f"benchmarks/{name}"

    prompts = list(read_items(paths.table(made.reads)))
    planned = plan((item.row.id for item in prompts), made.mix, made.seed)
    label = f"lengthen {name}"
    with open_generator(settings, reference, label, len(prompts)) as client:
        results = list(client.map(lambda item: lengthen(item, planned, client), prompts))
        replies = export_ledger(client.ledger, client.used, paths.ledger_export(reference))
    items = [one for one in results if isinstance(one, Item)]
    lost = [one for one in results if isinstance(one, Quarantined)]

    target = paths.table(reference)
    write_records(target, ITEMS, map(to_table, items))
    write_quarantine(target, lost)
    conserve(label, len(prompts), len(items), len(lost))
    tasks = Counter(item.row.tasks for item in items)
    write_metrics(
        paths.metrics(reference),
        {
            "queries": len(items),
            "quarantined": len(lost),
            "reasons": dict(sorted(Counter(one.reason for one in lost).items())),
            "mix": mix(planned, items),
            "tasks": {str(count): tasks[count] for count in sorted(tasks)},
            "replies": replies,
        },
    )


if __name__ == "__main__":
    run(build)
