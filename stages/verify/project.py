"""A scratch project: the settings of this one, with the ledger of a release in place of models."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from stages.config.errors import BuildError
from stages.config.load import load_settings
from stages.config.paths import Paths
from stages.config.settings import (
    Build,
    Generator,
    Profile,
    Settings,
    Source,
    SourceFile,
    is_commit,
)
from stages.hub.manifest import DatasetManifest
from stages.hub.pull.untrusted import shown
from stages.llm.exchange import import_ledger
from stages.llm.ledger import Ledger
from stages.verify.compare import unreadable

PARAMS, PROFILES = Path("params.yaml"), Path("profiles")


@dataclass(frozen=True, slots=True)
class Project:
    """A folder in which stages run."""

    root: Path
    settings: Settings

    @property
    def paths(self) -> Paths:
        """Its files, relative to the current directory."""
        paths = Paths(self.settings.build.profile)
        paths.root = self.root / paths.root
        return paths

    @property
    def ledger(self) -> Path:
        return self.root / "ledger" / "ledger.sqlite"


@contextmanager
def scratch_folder(keep: Path | None) -> Iterator[Path]:
    """An empty folder that is gone afterwards, or `keep`, which stays.

    Raises BuildError when `keep` holds something, or cannot be made.
    """
    if keep is None:
        with TemporaryDirectory(prefix="seqsmith-verify-") as folder:
            yield Path(folder)
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
        holds = next(keep.iterdir(), None)
    except OSError as error:
        raise BuildError(f"{keep}: cannot be made ({error.strerror or error}).") from None
    if holds:
        raise BuildError(f"{keep}: not empty, it holds {holds.name}. Name a folder that is new.")
    yield keep


def profiles() -> list[str]:
    """The names of the profiles of this checkout."""
    return sorted(path.stem for path in PROFILES.glob("*.yaml"))


def settings_for(manifest: DatasetManifest, root: Path) -> Settings:
    """The settings of this checkout for the profile that a release was made with.

    `root` takes a copy of them. Raises BuildError where the checkout has no such profile, or no
    such dataset.
    """
    settings = load_settings()
    if manifest.profile not in profiles():
        raise BuildError(
            f"The release was made with the profile '{shown(manifest.profile)}', which this "
            f"checkout does not have. It has: {', '.join(profiles())}."
        )
    if manifest.profile != settings.build.profile:
        params = yaml.safe_load(PARAMS.read_text("utf-8")) | {"profile": manifest.profile}
        _write(root / PARAMS, params)
        shutil.copytree(PROFILES, root / PROFILES)
        settings = load_settings(root)
    if manifest.name not in settings.build.datasets:
        raise BuildError(
            f"The release is of the dataset '{shown(manifest.name)}', which params.yaml does not "
            f"have. It has: {', '.join(settings.build.datasets)}."
        )
    return settings


def make_project(root: Path, settings: Settings, manifest: DatasetManifest) -> Project:
    """A project in `root` that builds what `settings` say, at the release's revisions of sources.

    Every generator replays. Paths of the user's own files become absolute.
    """
    origins = {
        source.name: origin.revision
        for source in manifest.sources
        for origin in source.origins
        if origin.kind == "hub" and is_commit(origin.revision)
    }
    build = settings.build.model_copy(
        update={
            "sources": _files(settings.build.sources),
            "translations": _files(settings.build.translations),
        }
    )
    profile = settings.profile
    runtime, training = profile.runtime, profile.training
    profile = profile.model_copy(
        update={
            "sources": {
                name: _at(source, origins.get(name)) for name, source in profile.sources.items()
            },
            "generators": {name: _here(one) for name, one in profile.generators.items()},
            # A releasable profile pins more than is needed here, such as a judge.
            "releasable": False,
            # Ablations count tokens with its tokenizer.
            "training": training.model_copy(update={"base": _absolute(training.base)}),
            # Who judges is checked against the engine, and nobody does here.
            "evaluation": profile.evaluation.model_copy(
                update={"judge": None, "judgements": 1, "alpaca_eval": None}
            ),
            "runtime": runtime.model_copy(
                update={
                    "engine": "replay",
                    "engines": {**runtime.engines, **dict.fromkeys(profile.generators, "replay")},
                }
            ),
        }
    )
    replayed = Settings(build=build, profile=profile)
    _write(root / PARAMS, _plain(build))
    _write(root / PROFILES / f"{build.profile}.yaml", _plain(profile))
    return Project(root, replayed)


def _files(sources: Mapping[str, SourceFile]) -> dict[str, SourceFile]:
    return {name: SourceFile(path=_absolute(one.path)) for name, one in sources.items()}


def _at(source: Source, revision: str | None) -> Source:
    """The source at the commit that the release was made from: the profile's may have moved."""
    return source.model_copy(update={"revision": revision}) if revision else source


def _here(generator: Generator) -> Generator:
    if not generator.ledger:
        return generator
    return generator.model_copy(update={"ledger": _absolute(generator.ledger)})


def _absolute(path: str) -> str:
    """The path from the root of this project; what is no path here, such as a Hub id, stays."""
    return str(Path(path).absolute()) if Path(path).exists() else path


def _plain(settings: Build | Profile) -> dict[str, Any]:
    return settings.model_dump(mode="json")


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), "utf-8")


def take_ledger(project: Project, release: Path, manifest: DatasetManifest) -> int:
    """Import the release's replies into the project's own ledger; how many there are.

    Nothing in them is believed, see `import_ledger`. Raises BuildError.
    """
    read = 0
    with Ledger(project.ledger) as ledger:
        for file in manifest.ledger:
            path = release / file.path
            try:
                read += import_ledger(path, ledger)[0]
            except OSError as error:  # Arrow's for a page that cannot be decoded
                raise unreadable(path, error) from None
    return read
