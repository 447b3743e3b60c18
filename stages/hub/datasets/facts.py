"""Facts about a release that stand beside its tables: sources, counts, quarantine, audit."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from stages.config.errors import BuildError
from stages.config.paths import Paths, must_exist
from stages.config.settings import Profile
from stages.config.settings import Source as SourceSettings
from stages.hub.datasets.tally import LedgerTally, Tally
from stages.hub.licences import UNKNOWN
from stages.hub.parts import Check, Engine, Model, Origin, Outcome, Source, Table
from stages.rows.measure import read_metrics
from stages.rows.parquet import count_rows
from stages.rows.quarantine import conserve, quarantine_path, reasons


def tables_of(paths: Paths, chain: Sequence[str]) -> list[Table]:
    """What every table of the chain holds, lost, and was made with."""
    return [
        Table(
            name=reference,
            rows=count_rows(must_exist(paths.table(reference))),
            quarantined=_reasons(paths.table(reference)),
            replies=sum(count_rows(path) for path in exports_of(paths, [reference])),
        )
        for reference in chain
    ]


def _reasons(table: Path) -> dict[str, int]:
    must_exist(quarantine_path(table))
    return dict(sorted(reasons(table).items()))


def exports_of(paths: Paths, chain: Sequence[str]) -> list[Path]:
    """The exported ledgers beside the tables of the chain; a source asks nothing and has none."""
    made = [reference for reference in chain if not reference.startswith("sources/")]
    return [must_exist(paths.ledger_export(reference)) for reference in made]


def sources_of(paths: Paths, profile: Profile, tally: Tally) -> list[Source]:
    """The sources of the rows, with what the rows themselves say about where they come from."""
    return [
        _source(name, paths, _settings_of(name, profile), tally) for name in sorted(tally.sources)
    ]


def _settings_of(name: str, profile: Profile) -> SourceSettings:
    if name not in profile.sources:
        raise BuildError(
            f"Rows name the source '{name}', which the profile does not know, and so no licence of "
            "it. Build the dataset again: dvc repro."
        )
    return profile.sources[name]


def _source(name: str, paths: Paths, settings: SourceSettings, tally: Tally) -> Source:
    origins = [
        Origin(kind=_kind(repo, settings), repo=repo, revision=revision)
        for repo, revision in sorted(tally.origins[name])
    ]
    counts = read_metrics(must_exist(paths.metrics(f"sources/{name}")))
    # The profile's licence is that of the profile's origin. A file in its place has another.
    is_replaced = settings.origin != "file" and any(one.kind == "file" for one in origins)
    source = Source(
        name=name,
        licence=UNKNOWN if is_replaced else settings.licence,
        origins=origins,
        rows_read=counts["rows_in"],
        rows_kept=counts["rows_out"],
        rows_sampled_out=counts["sampled_out"],
        rows_quarantined=counts["quarantined"],
        rows_released=tally.sources[name],
    )
    conserve(
        f"source {name}",
        source.rows_read - source.rows_sampled_out,
        source.rows_kept,
        source.rows_quarantined,
    )
    return source


def _kind(repo: str, settings: SourceSettings) -> str:
    if repo == "world":
        return "world"
    return "hub" if repo == settings.repo else "file"


def outcomes_of(tally: Tally) -> list[Outcome]:
    """What the iterations did, in order."""
    return [
        Outcome(iteration=iteration, option=option, outcome=outcome, rows=rows)
        for (iteration, option, outcome), rows in sorted(tally.outcomes.items())
    ]


def models_of(replies: LedgerTally, generators: set[str]) -> list[Model]:
    """The models that the ledger names. Raises BuildError unless all are among `generators`."""
    others = sorted({name for name, _, _ in replies.models} - generators)
    if others or not replies.models:
        found = f"replies of {', '.join(others)}" if others else "no reply"
        raise BuildError(
            f"The exported ledger holds {found}, but params.yaml and the profile say "
            f"{', '.join(sorted(generators))}. "
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
