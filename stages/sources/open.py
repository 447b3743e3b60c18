"""Opens the upstream of a source: the user's file where there is one, else the profile's origin."""

from itertools import islice
from pathlib import Path

from stages.config.errors import BuildError
from stages.config.settings import Source
from stages.rows.row import WORLD
from stages.sources.alpaca import ALPACA
from stages.sources.coco import find_vqa, is_captions, open_captions, open_vqa
from stages.sources.files import find_file, find_release, open_file
from stages.sources.flan import FLAN
from stages.sources.hub import open_hub
from stages.sources.messages import MESSAGES
from stages.sources.natural import TASKS, find_tasks, open_tasks
from stages.sources.upstream import Upstream
from stages.sources.vqa import CAPTIONS, VQA
from stages.world.natural import draw_instances
from stages.world.revision import world_revision
from stages.world.rows import DRAW
from stages.world.scenes import DRAW_SCENES
from stages.world.translations import translated

SHAPES = {shape.name: shape for shape in (ALPACA, FLAN, MESSAGES, TASKS, VQA, CAPTIONS)}
_DRAW = {**DRAW, TASKS.name: draw_instances, **DRAW_SCENES}

_EXAMPLES = {
    VQA.name: ", a folder with the questions, the annotations and the images of VQAv2",
    CAPTIONS.name: ".json, a file of captions of COCO",
}


def open_upstream(name: str, given: Path, source: Source) -> Upstream:
    """The records of the source `name`; `given` is the file or folder that params.yaml names."""
    if release := find_release(given, name):
        # Imported here because manifests take 0.07 s, and most sources are no releases.
        from stages.sources.release import open_release  # noqa: PLC0415

        return open_release(name, release, source)
    shape = SHAPES[source.shape]
    theirs = shape.with_names(source.columns)
    if shape is TASKS and (folder := find_tasks(given, name)):
        return open_tasks(folder)
    if shape is VQA and (folder := find_vqa(given, name)):
        return open_vqa(folder, shape)
    file = find_file(given, name, theirs)
    if file and shape is CAPTIONS and is_captions(file):
        return open_captions(file, shape)
    if file:
        return open_file(file, theirs)
    if source.origin == "file":
        example = _EXAMPLES.get(shape.name, ".jsonl")
        raise BuildError(
            f"sources.{name}: the profile says `origin: file`, but {given} holds no file named "
            f"after it. Put one there, such as {given}/{name}{example}, or name it in params.yaml."
        )
    if source.origin == "hub":
        return open_hub(name, source, theirs, given)
    if source.rows is None:
        raise BuildError(
            f"sources.{name}.rows is null, but the built-in world has no end. Give a number of "
            "rows in the profile."
        )
    drawn = _DRAW[source.shape](source.translates or name)
    records = islice(
        translated(drawn, source.language) if source.translates else drawn, source.rows
    )
    return Upstream(WORLD, world_revision(), records, shape)
