"""Makes a release: shards of the dataset, the ledger that made it, card and manifest."""

from pathlib import Path

from stages.config.errors import BuildError
from stages.config.lineage import lineage
from stages.config.paths import Paths
from stages.config.settings import Settings
from stages.hub.address import address_of
from stages.hub.datasets.ancestry import ancestry, parameters
from stages.hub.datasets.card import CARD, render_card
from stages.hub.datasets.facts import (
    conserve_upstream,
    engines_of,
    exports_of,
    models_of,
    outcomes_of,
    read_audit,
    sources_of,
    tables_of,
)
from stages.hub.datasets.shards import (
    count_keys,
    even_shards,
    merge_ledgers,
    records_of,
    shards_of,
    write_shards,
)
from stages.hub.datasets.tally import LedgerTally, Tally
from stages.hub.licences import strictest
from stages.hub.manifest import DatasetManifest, libraries, write_manifest
from stages.hub.parts import Licence, describe, describe_parquet
from stages.llm.exchange import EXPORT
from stages.rows.parquet import schema_of


def write_release(folder: Path, settings: Settings, paths: Paths, name: str) -> DatasetManifest:
    """Write the release of dataset `name` to `folder` and return its manifest.

    Raises BuildError when an input is missing, when rows, ledgers and audit do not belong
    together, or when the licences do not.
    """
    build = settings.build
    chain = lineage(build, f"datasets/{name}")
    references = ancestry(build, chain[-1])
    tables = tables_of(build, paths, references)
    asked = [table.name for table in tables if table.replies]
    released = paths.table(chain[-1])
    audit = paths.folder("audit", name) / "validation.json"
    checks, statistics = read_audit(audit, name, tables[-1].rows)

    rows = Tally(chain)
    records = rows.count(records_of(released))
    data = write_shards(
        folder / "data/train", schema_of(released), "id", records, shards_of(released)
    )
    if not rows.rows:
        raise BuildError(f"{released}: has no rows; there is nothing to release.")
    exports = exports_of(build, paths, references)
    replies = LedgerTally(rows.requests)
    keys = count_keys(exports)
    merged = replies.count(merge_ledgers(exports))
    # Where no model was asked the stream is empty, and still has to come to its end.
    sizes = even_shards(keys) if keys else []
    ledger = write_shards(folder / "ledger/ledger", EXPORT, "key", merged, sizes)

    sources = sources_of(settings, paths, references, chain, rows)
    kept = next(one.rows_kept for one in sources if one.name == chain[0].partition("/")[2])
    conserve_upstream(paths, chain, kept, rows)
    generators = {one.name: one for one in (settings.generator(table)[0] for table in asked)}
    licences = [
        *(Licence(of=f"source {source.name}", licence=source.licence) for source in sources),
        *(Licence(of=f"generator {one.name}", licence=one.licence) for one in generators.values()),
    ]
    manifest = DatasetManifest(
        name=name,
        profile=build.profile,
        address=address_of(settings, paths, chain[-1]),
        licence=strictest(licences, f"profiles/{build.profile}.yaml"),
        licences=licences,
        rows=rows.rows,
        lineage=chain,
        languages=dict(sorted(rows.languages.items())),
        tasks={str(tasks): count for tasks, count in sorted(rows.tasks.items())},
        outcomes=outcomes_of(rows),
        sources=sources,
        tables=tables,
        parameters=parameters(settings, references, asked),
        prompts=replies.prompts.files,
        models=models_of(replies, set(generators)),
        engines=engines_of(replies),
        checks=checks,
        statistics=statistics,
        libraries=libraries(),
        data=[describe_parquet(folder, path) for path in data],
        ledger=[describe_parquet(folder, path) for path in ledger],
        card=None,
    )
    (folder / CARD).write_text(render_card(manifest, rows.example, rows.changes), "utf-8")
    manifest = manifest.model_copy(update={"card": describe(folder, folder / CARD)})
    write_manifest(folder, manifest)
    return manifest
