"""Facts about a release that stand beside its tables: sources, counts, quarantine, audit."""

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from stages.config.errors import BuildError
from stages.config.paths import Paths, must_exist
from stages.config.settings import Build, Settings
from stages.config.settings import Source as SourceSettings
from stages.hub.datasets.ancestry import gives, parents_of, settings_of, verb_of
from stages.hub.datasets.tally import LedgerTally, Origins, Tally, add_origin, first_id
from stages.hub.licences import UNKNOWN
from stages.hub.parts import Check, Engine, Model, Origin, Outcome, Source, Table
from stages.rows.measure import read_metrics
from stages.rows.parquet import count_rows, read_tables
from stages.rows.quarantine import conserve, quarantine_path, reasons
from stages.rows.row import WORLD

# How the counts of a source's metrics are called that say what was changed in its rows.
_CHANGES = ("_changed", "_cleared", "_dropped", "_removed")


def tables_of(build: Build, paths: Paths, references: Sequence[str]) -> list[Table]:
    """What every table holds, lost, and was made with."""
    return [
        Table(
            name=reference,
            made_by=verb_of(build, reference),
            settings=settings_of(build, reference),
            parents=list(parents_of(build, reference)),
            rows=count_rows(must_exist(paths.table(reference))),
            quarantined=_reasons(paths.table(reference)),
            replies=sum(count_rows(path) for path in exports_of(build, paths, [reference])),
        )
        for reference in references
    ]


def _reasons(table: Path) -> dict[str, int]:
    must_exist(quarantine_path(table))
    return dict(sorted(reasons(table).items()))


def exports_of(build: Build, paths: Paths, references: Sequence[str]) -> list[Path]:
    """The exported ledgers beside tables; what comes from outside asks nothing and has none."""
    made = [reference for reference in references if reference in build.tables]
    return [must_exist(paths.ledger_export(reference)) for reference in made]


def sources_of(
    settings: Settings, paths: Paths, tables: Sequence[str], lineage: list[str], tally: Tally
) -> list[Source]:
    """What comes from outside, with what its rows themselves say about where they come from."""
    build = settings.build
    upstream = {one.partition("/")[2]: one for one in tables if one not in build.tables}
    if unknown := sorted(tally.sources.keys() - upstream.keys()):
        raise BuildError(
            f"Rows name the source '{unknown[0]}', but {lineage[-1]} is made from "
            f"{', '.join(sorted(upstream))}. Build the dataset again: dvc repro."
        )
    return [
        _source(reference, settings, paths, lineage, tally)
        for _, reference in sorted(upstream.items())
    ]


def _source(
    reference: str, settings: Settings, paths: Paths, lineage: list[str], tally: Tally
) -> Source:
    name = reference.partition("/")[2]
    profile = settings.profile.sources[name]
    found = tally.origins[name] if name in tally.sources else _origins(paths.table(reference))
    origins = [
        Origin(kind=kind_of(repo, {profile.repo}), repo=repo, revision=revision)
        for repo, revision in sorted(found)
    ]
    counts = read_metrics(must_exist(paths.metrics(reference)))
    source = Source(
        name=name,
        gives=gives(settings.build, reference, lineage),
        licence=licence_of(profile, origins),
        origins=origins,
        rows_read=counts["rows_in"],
        rows_kept=counts["rows_out"],
        rows_sampled_out=counts["sampled_out"],
        rows_quarantined=counts["quarantined"],
        rows_released=tally.sources[name],
        changes={
            what: count for what, count in counts.items() if what.endswith(_CHANGES) and count
        },
    )
    conserve(
        f"source {name}",
        source.rows_read - source.rows_sampled_out,
        source.rows_kept,
        source.rows_quarantined,
    )
    return source


def _origins(table: Path) -> set[tuple[str, str]]:
    found: Origins = defaultdict(set)
    for batch in read_tables(must_exist(table), columns=["source", "origin"]):
        for record in batch.to_pylist():
            add_origin(found, record)
    return set().union(*found.values())


def conserve_upstream(paths: Paths, lineage: Sequence[str], kept: int, tally: Tally) -> None:
    """Fail unless each of the `kept` rows of the source is in the release, or in a quarantine."""
    lost = {
        first_id(id)
        for reference in lineage[1:]
        for batch in read_tables(quarantine_path(paths.table(reference)), columns=["id"])
        for id in batch.column("id").to_pylist()
    }
    conserve(f"package {lineage[-1]}", kept, len(tally.upstream), len(lost - tally.upstream))


def kind_of(repo: str, on_the_hub: Collection[str]) -> str:
    """What kind of origin a repository is; `on_the_hub` are those of the profile that may be."""
    if repo == WORLD:
        return WORLD
    return "hub" if repo in on_the_hub else "file"


def licence_of(source: SourceSettings, origins: Sequence[Origin]) -> str:
    """The profile's, which is that of the profile's origin: a file in its place has another."""
    is_replaced = source.origin != "file" and any(one.kind == "file" for one in origins)
    return UNKNOWN if is_replaced else source.licence


def outcomes_of(tally: Tally) -> list[Outcome]:
    """What the steps did, in order."""
    return [
        Outcome(
            table=tally.lineage[place],
            step=step,
            iteration=iteration,
            option=option,
            outcome=outcome,
            rows=rows,
        )
        for (place, step, iteration, option, outcome), rows in sorted(tally.outcomes.items())
    ]


def models_of(replies: LedgerTally, generators: set[str]) -> list[Model]:
    """The models that the ledger names. Raises BuildError unless all are among `generators`."""
    if others := sorted({name for name, _, _ in replies.models} - generators):
        raise BuildError(
            f"The exported ledger holds replies of {', '.join(others)}, but params.yaml and the "
            f"profile say {', '.join(sorted(generators)) or 'nobody'}. "
            "Build the dataset again: dvc repro."
        )
    return [
        Model(name=name, revision=revision, sampling=orjson.loads(sampling), replies=count)
        for (name, revision, sampling), count in sorted(replies.models.items())
    ]


def engines_of(replies: LedgerTally) -> list[Engine]:
    """How the replies were made."""
    return [
        Engine(facts=orjson.loads(facts), replies=count)
        for facts, count in sorted(replies.engines.items())
    ]


def read_audit(path: Path, dataset: str, rows: int) -> tuple[list[Check], dict[str, Any]]:
    """The checks and the statistics that `validate` wrote about `rows` rows of `dataset`.

    Raises BuildError when there are none, or they are about other rows.
    """
    if not path.is_file():
        raise BuildError(
            f"{path}: no such file. A release shows its audit: python -m stages.validate {dataset}"
        )
    try:
        audit = json.loads(path.read_text("utf-8"))
        fields = Check.model_fields
        checks = [
            Check.model_validate({key: value for key, value in check.items() if key in fields})
            for check in audit["checks"]
        ]
        audited, statistics = audit["dataset"], audit["statistics"]
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise BuildError(
            f"{path}: not an audit ({type(error).__name__}: {str(error).splitlines()[0]}). "
            f"Make it again: python -m stages.validate {dataset}"
        ) from None
    # An audit that broke off at the columns has no statistics.
    counted = statistics.get("rows", rows)
    if (audited, counted) != (dataset, rows):
        raise BuildError(
            f"{path}: is about {counted:,} rows of '{audited}', but the release has {rows:,} rows "
            f"of '{dataset}'. Audit them again: python -m stages.validate {dataset}"
        )
    return checks, statistics
