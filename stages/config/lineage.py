"""What a table comes from: the references from its source to itself."""

from stages.config.errors import BuildError
from stages.config.settings import Build


def lineage(build: Build, reference: str) -> list[str]:
    """`[sources/a, sequences/a-1, ..., reference]`; raises BuildError for a circle."""
    chain = [reference]
    while not chain[0].startswith("sources/"):
        kind, name = chain[0].split("/")
        made = build.sequences if kind == "sequences" else build.datasets
        before = made[name].reads
        if before in chain:
            raise BuildError(
                f"params.yaml: {chain[0]} reads {before}, which is made from it. "
                f"Let one of {', '.join(chain)} read a source."
            )
        chain.insert(0, before)
    return chain
