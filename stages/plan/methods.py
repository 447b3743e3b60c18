"""The method of each table, for a plan: what its verb would do to a row."""

from collections.abc import Sequence

from stages.config.paths import Paths
from stages.config.settings import Build, Combines
from stages.llm.client import Client
from stages.llm.tables import Method
from stages.methods.compose import METHODS as COMPOSE
from stages.methods.respond import respond
from stages.methods.seq_instruct import iterate
from stages.rows.row import Row


def methods_of(build: Build, paths: Paths, references: Sequence[str]) -> dict[str, Method]:
    """The methods of a lineage without its source, by reference.

    It ends where a method reads another table that is not built yet.
    """
    methods: dict[str, Method] = {}
    for reference in references:
        verb, made = build.tables[reference]
        others = [paths.table(one) for one in made.parents[1:]]
        if not all(other.is_file() for other in others):
            break
        match verb:
            case "sequence":
                methods[reference] = _iteration(build.iteration(reference.partition("/")[2]))
            case "respond":
                methods[reference] = respond
            case "compose":
                assert isinstance(made, Combines)
                methods[reference] = COMPOSE[made.method]([paths.table(made.reads[0]), *others])
    return methods


def _iteration(number: int) -> Method:
    async def once_more(row: Row, client: Client) -> Row:
        return await iterate(row, number, client)

    return once_more
