"""The tasks shape: Natural-Instructions, a folder with one JSON file for each task."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from stages.config.errors import BuildError
from stages.config.shapes import SHAPES
from stages.rows.parquet import file_hash
from stages.sources.files import read_json
from stages.sources.shape import Fields, Record, Refusal, Shape, Unfit, shown
from stages.sources.upstream import Upstream

_NAME = re.compile(r"[\w.-]{1,200}")
_LANGUAGES = ("Instruction_language", "Input_language", "Output_language")
# The text of the three lists, where all are the same. `only` compares beginnings: hence the stop.
_ENGLISH = "['English']."


def _parse(record: Record) -> Fields:
    """The definition is the instruction; white space at the ends of the texts goes.

    One in seventeen instances of the real files begins or ends with a space, which would come to
    stand in the middle of a chain.
    """
    task = record.filled("task", "no-task")
    if not _NAME.fullmatch(task):
        raise Unfit("task-name", f"{record.name('task')} is no name of a task: {shown(task)}")
    number = record.value("instance")
    return Fields(
        record.filled("definition", "empty-instruction").strip(),
        record.filled("input", "empty-input").strip(),
        record.filled("output", "empty-output").strip(),
        part=task,
        number=number if isinstance(number, int) else None,
    )


TASKS = Shape("tasks", *SHAPES["tasks"], _parse)


def find_tasks(path: Path, source: str) -> Path | None:
    """The folder of task files that `sources.<source>.path` means: itself, or one in it.

    It has the name of the source, whatever its case and whether with `-` or `_`, and holds
    .json files. None where there is no such folder.
    """
    inside = sorted(path.iterdir()) if path.is_dir() else []
    for folder in (path, *inside):
        is_named = folder.resolve().name.lower().replace("_", "-") == source
        if is_named and folder.is_dir() and _files(folder):
            return folder
    return None


def open_tasks(folder: Path) -> Upstream:
    """The instances of all English tasks of a folder; its revision is a hash of all its files.

    One file is held in memory at a time. Raises BuildError, as the records do, where a file cannot
    be read or is no task.
    """
    digest = hashlib.sha256()
    for path in _files(folder):
        digest.update(f"{path.name}\0{file_hash(path)}\n".encode())
    return Upstream(
        folder.resolve().name, digest.hexdigest(), _records(folder), TASKS,
        only={"languages": _ENGLISH},
    )  # fmt: skip


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".json")


def _records(folder: Path) -> Iterator[object]:
    for path in _files(folder):
        task = read_json(path)
        if not isinstance(task, dict) or not isinstance(task.get("Instances"), list):
            raise BuildError(
                f"{path}: found {shown(task)}, expected a task: an object with Definition and "
                "Instances. Move the file out of the folder, or mend it."
            )
        languages = "+".join(sorted({str(task.get(key, ["English"])) for key in _LANGUAGES}))
        for number, instance in enumerate(task["Instances"]):
            if not isinstance(instance, dict):
                detail = f"{path.name}, instance {number} is no object"
                yield Refusal("not-an-object", detail, instance)
                continue
            yield {
                "task": path.stem,
                "definition": _first(task.get("Definition")),
                "input": instance.get("input"),
                "output": _first(instance.get("output")),
                "instance": number,
                "languages": f"{languages}.",
            }


def _first(texts: object) -> object:
    """The first of several texts, which are all right; an only text stands alone."""
    if not isinstance(texts, list):
        return texts
    return texts[0] if texts else ""
