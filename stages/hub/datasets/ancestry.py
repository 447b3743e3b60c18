"""Everything that a dataset is made from, and what the settings say about it."""

from collections.abc import Iterator
from typing import Any

from stages.config.settings import Build, Reference, Settings

FETCH = "fetch"
"""the verb that brings tables from outside"""


def ancestry(build: Build, reference: Reference) -> list[Reference]:
    """The table and all that it is made from, directly or not, each behind its own parents."""
    found: dict[Reference, None] = {}

    def visit(one: Reference) -> None:
        if one not in found:
            for parent in parents_of(build, one):
                visit(parent)
            found[one] = None

    visit(reference)
    return list(found)


def parents_of(build: Build, reference: Reference) -> tuple[Reference, ...]:
    """The tables that a table is made from, each once; none for what comes from outside."""
    tables = build.tables
    if reference not in tables:
        return ()
    return tuple(dict.fromkeys(tables[reference][1].parents))


def verb_of(build: Build, reference: Reference) -> str:
    """The verb that makes a table."""
    tables = build.tables
    return tables[reference][0] if reference in tables else FETCH


def settings_of(build: Build, reference: Reference) -> dict[str, Any]:
    """A made table's entry in params.yaml. That of another is a path, which tells nobody else."""
    tables = build.tables
    return tables[reference][1].model_dump(exclude_none=True) if reference in tables else {}


def gives(build: Build, upstream: Reference, chain: list[Reference]) -> str:
    """What a table from outside gives to a dataset whose rows went through `chain`.

    `rows`, or what params.yaml calls the table that it is or has become: `captions`,
    `translations`, `against`, ...
    """
    if upstream == chain[0]:
        return "rows"
    return next(
        name
        for reference in chain[1:]
        for name, parent in _named(build, reference)
        if name != "reads" and upstream in ancestry(build, parent)
    )


def _named(build: Build, reference: Reference) -> Iterator[tuple[str, Reference]]:
    """The tables that a table is made from, under their names in params.yaml."""
    for name, value in settings_of(build, reference).items():
        for one in value if isinstance(value, list) else [value]:
            for parent in parents_of(build, reference):
                if parent in (one, f"translations/{one}"):
                    yield name, parent


def parameters(settings: Settings, tables: list[Reference], asked: list[Reference]) -> dict:
    """The settings beside those of the tables: attempts, upstream sources, generators.

    `asked` are the tables that a model was asked for.
    """
    build, profile = settings.build, settings.profile
    upstream = [one.partition("/")[2] for one in tables if one not in build.tables]
    generators = {one.name: one for one in (settings.generator(table)[0] for table in asked)}
    found: dict[str, Any] = {
        "attempts": build.attempts,
        "sources": {name: profile.sources[name].model_dump() for name in upstream},
        "generators": {
            name: one.model_dump(exclude={"ledger"}) for name, one in sorted(generators.items())
        },
    }
    if any(verb_of(build, one) == "ablate" for one in tables):
        training = profile.training
        found["tokens_of"] = {"base": training.base, "revision": training.revision}
    return found
