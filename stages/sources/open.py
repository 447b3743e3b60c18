"""Opens the upstream of a source: the user's file where there is one, else the profile's origin."""

from itertools import islice
from pathlib import Path

from stages.config.errors import BuildError
from stages.config.settings import Source
from stages.sources.files import find_file, open_file
from stages.sources.hub import open_hub
from stages.sources.upstream import Upstream
from stages.world.revision import world_revision
from stages.world.rows import draw_rows


def open_upstream(name: str, given: Path, source: Source) -> Upstream:
    """The records of the source `name`; `given` is the file or folder that params.yaml names."""
    file = find_file(given, name)
    if file:
        return open_file(file)
    if source.origin == "hub":
        return open_hub(name, source)
    if source.rows is None:
        raise BuildError(
            f"sources.{name}.rows is null, but the built-in world has no end. Give a number of "
            "rows in the profile."
        )
    return Upstream("world", world_revision(), islice(draw_rows(name), source.rows))
