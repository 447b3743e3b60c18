"""Opens the upstream of a source: the user's file where there is one, else the profile's origin."""

from itertools import islice
from pathlib import Path

from stages.config.errors import BuildError
from stages.config.settings import Source
from stages.sources.alpaca import ALPACA
from stages.sources.files import find_file, open_file
from stages.sources.flan import FLAN
from stages.sources.hub import open_hub
from stages.sources.messages import MESSAGES
from stages.sources.upstream import Upstream
from stages.world.revision import world_revision
from stages.world.rows import DRAW

SHAPES = {shape.name: shape for shape in (ALPACA, FLAN, MESSAGES)}


def open_upstream(name: str, given: Path, source: Source) -> Upstream:
    """The records of the source `name`; `given` is the file or folder that params.yaml names."""
    shape = SHAPES[source.shape]
    theirs = shape.with_names(source.columns)
    file = find_file(given, name, theirs)
    if file:
        return open_file(file, theirs)
    if source.origin == "file":
        raise BuildError(
            f"sources.{name}: the profile says `origin: file`, but {given} holds no file named "
            f"after it. Put one there, such as {given}/{name}.jsonl, or name it in params.yaml."
        )
    if source.origin == "hub":
        return open_hub(name, source, theirs)
    if source.rows is None:
        raise BuildError(
            f"sources.{name}.rows is null, but the built-in world has no end. Give a number of "
            "rows in the profile."
        )
    records = islice(DRAW[source.shape](name), source.rows)
    return Upstream("world", world_revision(), records, shape)
