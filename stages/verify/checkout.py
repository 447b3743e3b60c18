"""How this checkout differs from the one that made a release, as far as the manifest tells."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages import prompts
from stages.config.settings import Settings
from stages.hub.datasets.ancestry import ancestry, parameters, settings_of
from stages.hub.datasets.prompts import text_of
from stages.hub.manifest import DatasetManifest, libraries
from stages.hub.pull.untrusted import shown
from stages.llm.open import open_engine

_DIGITS = 12  # of a hash that are shown
_NOWHERE = "nothing"
# Settings that make no row: what a source is read from is held against the release when it is read.
_MAKE_NO_ROW = frozenset({"licence", "path"})


def other_than(manifest: DatasetManifest, settings: Settings) -> list[str]:
    """What here is not as the manifest says, a line for each; empty where all is."""
    return [
        f"{what}: release {shown(there)}, here {shown(here)}"
        for what, there, here in (
            *_tables(manifest, settings),
            *_parameters(manifest, settings),
            *_prompts(manifest),
            *_models(manifest, settings),
            *_libraries(manifest),
        )
    ]


Other = tuple[str, str, str]
"""what differs, as it is in the release, as it is here"""


def _tables(manifest: DatasetManifest, settings: Settings) -> Iterator[Other]:
    build = settings.build
    here = {one: settings_of(build, one) for one in ancestry(build, manifest.reference)}
    there = {one.name: one.settings for one in manifest.tables}
    for name in sorted({*here, *there}):
        yield from _unequal(shown(name), there.get(name), here.get(name))


def _parameters(manifest: DatasetManifest, settings: Settings) -> Iterator[Other]:
    tables = ancestry(settings.build, manifest.reference)
    here = parameters(settings, tables, _asked(manifest, settings))
    yield from _unequal("parameter", manifest.parameters, here)


def _prompts(manifest: DatasetManifest) -> Iterator[Other]:
    folder = Path(prompts.__path__[0])
    files = folder.rglob("*.yaml")
    here = {path.relative_to(folder).with_suffix("").as_posix() for path in files}
    for one in manifest.prompts:
        found = _NOWHERE
        if one.name in here:  # a name is a path, and not ours to believe
            found = hashlib.sha256(text_of(one.name).encode("utf-8")).hexdigest()
        if found != one.sha256:
            yield f"prompt {shown(one.name)}", one.sha256[:_DIGITS], found[:_DIGITS]


def _models(manifest: DatasetManifest, settings: Settings) -> Iterator[Other]:
    """Models whose revision is in no setting: the built-in world, and written replies."""
    there = {(one.name, one.revision) for one in manifest.models}
    for reference in _asked(manifest, settings):
        generator, runtime = settings.generator(reference)
        model = open_engine(generator, runtime.model_copy(update={"engine": "replay"})).model
        if not generator.revision and (model.name, model.revision) not in there:
            found = ", ".join(f"{name} {revision[:_DIGITS]}" for name, revision in sorted(there))
            yield f"model of {reference}", found, f"{model.name} {model.revision[:_DIGITS]}"


def _libraries(manifest: DatasetManifest) -> Iterator[Other]:
    yield from _unequal("library", manifest.libraries, libraries())


def _asked(manifest: DatasetManifest, settings: Settings) -> list[str]:
    """The tables here that the release asked a model for."""
    asked = {table.name for table in manifest.tables if table.replies}
    return [one for one in settings.build.tables if one in asked]


def _unequal(what: str, there: Any, here: Any) -> Iterator[Other]:
    """The leaves of two settings that are not equal."""
    if isinstance(there, dict) and isinstance(here, dict):
        for name in sorted({*there, *here} - _MAKE_NO_ROW):
            yield from _unequal(f"{what} {shown(name)}", there.get(name), here.get(name))
    elif there != here:
        yield what, _text(there), _text(here)


def _text(value: Any) -> str:
    return _NOWHERE if value is None else str(value)
