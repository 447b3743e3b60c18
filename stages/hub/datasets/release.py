"""Makes a release: shards of the dataset, the ledger that made it, card and manifest."""

from pathlib import Path

from stages.config.errors import BuildError
from stages.config.lineage import lineage
from stages.config.paths import Paths
from stages.config.settings import Settings
from stages.hub.address import address_of
from stages.hub.datasets.card import CARD, render_card
from stages.hub.datasets.facts import (
    engines_of,
    exports_of,
    models_of,
    outcomes_of,
    read_audit,
    sources_of,
    tables_of,
)
from stages.hub.datasets.shards import count_keys, merge_ledgers, records_of, write_shards
from stages.hub.datasets.tally import LedgerTally, Tally
from stages.hub.licences import strictest
from stages.hub.manifest import DatasetManifest, libraries, write_manifest
from stages.hub.parts import Licence, describe, describe_parquet
from stages.llm.exchange import EXPORT
from stages.rows.parquet import schema_of
from stages.rows.quarantine import conserve
from stages.rows.row import SCHEMA


def write_release(folder: Path, settings: Settings, paths: Paths, name: str) -> DatasetManifest:
    """Write the release of dataset `name` to `folder` and return its manifest.

    Raises BuildError when an input is missing, or when rows, ledgers and audit do not belong
    together.
    """
    profile = settings.profile
    chain = lineage(settings.build, f"datasets/{name}")
    if schema_of(paths.table(chain[-1])) != SCHEMA:
        raise BuildError(
            f"{paths.table(chain[-1])}: has pictures, which releases cannot hold yet. Take "
            f"'{name}' out of `packages.datasets` in params.yaml."
        )
    tables = tables_of(paths, chain)
    released = tables[-1].rows
    exports = exports_of(paths, chain)
    audit = paths.folder("audit", name) / "validation.json"
    checks, statistics = read_audit(audit, name, released)

    rows = Tally()
    records = rows.count(records_of(paths.table(chain[-1])))
    data = write_shards(folder / "data/train", SCHEMA, "id", records, released)
    if rows.example is None:
        raise BuildError(f"{paths.table(chain[-1])}: has no rows; there is nothing to release.")
    replies = LedgerTally(rows.requests)
    asked = replies.count(merge_ledgers(exports))
    ledger = write_shards(folder / "ledger/ledger", EXPORT, "key", asked, count_keys(exports))

    sources = sources_of(paths, profile, rows)
    lost = sum(sum(table.quarantined.values()) for table in tables[1:])
    conserve(f"package {name}", sum(source.rows_kept for source in sources), released, lost)
    where = f"profiles/{settings.build.profile}.yaml"
    generators = {one.name: one for one in (settings.generator(table)[0] for table in chain[1:])}
    licences = [
        *(Licence(of=f"source {source.name}", licence=source.licence) for source in sources),
        *(Licence(of=f"generator {one.name}", licence=one.licence) for one in generators.values()),
    ]
    manifest = DatasetManifest(
        name=name,
        profile=settings.build.profile,
        address=address_of(settings, paths, f"datasets/{name}"),
        licence=strictest(licences, where),
        licences=licences,
        rows=rows.rows,
        languages=dict(sorted(rows.languages.items())),
        tasks={str(tasks): count for tasks, count in sorted(rows.tasks.items())},
        outcomes=outcomes_of(rows),
        sources=sources,
        tables=tables,
        models=models_of(replies, set(generators)),
        engines=engines_of(replies),
        checks=checks,
        statistics=statistics,
        libraries=libraries(),
        data=[describe_parquet(folder, path) for path in data],
        ledger=[describe_parquet(folder, path) for path in ledger],
        card=None,
    )
    (folder / CARD).write_text(render_card(manifest, rows.example), "utf-8")
    manifest = manifest.model_copy(update={"card": describe(folder, folder / CARD)})
    write_manifest(folder, manifest)
    return manifest
