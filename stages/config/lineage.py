"""What a table comes from: the references from its source to itself."""

from stages.config.errors import BuildError
from stages.config.settings import Build


def lineage(build: Build, reference: str) -> list[str]:
    """`[sources/a, sequences/a-1, ..., reference]`: where the rows of a table come from.

    Of tables that are made from several the first one counts. Raises BuildError for a circle.
    """
    tables = build.tables
    chain = [reference]
    while chain[0] in tables:
        before = tables[chain[0]][1].parents[0]
        if before in chain:
            raise BuildError(
                f"params.yaml: {chain[0]} reads {before}, which is made from it. "
                f"Let one of {', '.join(chain)} read a source."
            )
        chain.insert(0, before)
    return chain


def steps_of(build: Build, chain: list[str]) -> list[tuple[str, int]]:
    """What the history of a row of the last table is: verb and iteration of each step."""
    tables = build.tables
    return [(tables[reference][0], _iteration(build, reference)) for reference in chain[1:]]


def _iteration(build: Build, reference: str) -> int:
    kind, name = reference.split("/")
    return build.iteration(name) if kind == "sequences" else 0
