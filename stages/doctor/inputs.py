"""Files of the user's own that the profile counts on."""

from collections.abc import Iterator
from pathlib import Path

from stages.config.paths import INPUTS
from stages.config.settings import Settings
from stages.doctor.finding import Finding
from stages.sources.files import find_release


def inputs(settings: Settings) -> Iterator[Finding]:
    """A line for each source and test set that comes from a file alone, and for photos."""
    build, profile = settings.build, settings.profile
    given = {name: Path(one.path) for name, one in build.sources.items()}
    given |= {name: Path(one.path) for name, one in build.translations.items()}
    given |= {name: INPUTS for name in build.testsets if profile.testsets[name].origin == "file"}
    for name, path in given.items():
        origin = (
            profile.sources[name].origin
            if name in profile.sources
            else profile.testsets[name].origin
        )
        what = f"input {name}"
        if origin == "file":
            file = _find(path, name)
            found = file.as_posix() if file else f"nothing at {path.as_posix()}"
            needed = f"a file named {name}" if path.is_dir() else path.as_posix()
            todo = "" if file else "Put it there: docs/input.md"
            yield Finding(what, "ok" if file else "missing", found, needed, todo)
        elif origin == "hub" and name in profile.sources and profile.sources[name].shape == "vqa":
            folder = path / name
            has_photos = folder.is_dir() and any(folder.iterdir())
            yield Finding(
                what,
                "ok" if has_photos else "warning",
                f"{folder.as_posix()}" if has_photos else f"no {folder.as_posix()}",
                "photos, where the questions come without",
                "" if has_photos else f"Put COCO's train2014 into {folder.as_posix()}, 13 GB.",
            )


def _find(path: Path, name: str) -> Path | None:
    if release := find_release(path, name):
        return release
    if not path.is_dir():
        return path if path.is_file() else None
    named = (one for one in sorted(path.iterdir()) if one.name.lower().partition(".")[0] == name)
    return next(named, None)
