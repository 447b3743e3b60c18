"""Roles: which models a build of the profile asks, and what runs each."""

from collections.abc import Iterator
from dataclasses import dataclass

from stages.config.settings import PEOPLE, EngineName, Runtime, Settings


@dataclass(frozen=True, slots=True)
class Role:
    """A model that answers."""

    model: str
    """a folder, or a name on the Hub or at a server; empty: one that the build trains"""
    revision: str
    runtime: Runtime
    """its `engine` is the one that runs this model"""

    @property
    def engines(self) -> list[EngineName]:
        """What runs it; Ray has another engine inside."""
        engine, ray = self.runtime.engine, self.runtime.ray
        return [engine, ray.inside] if engine == "ray" and ray else [engine]

    @property
    def is_on_ray(self) -> bool:
        """Whether the machines that run it are those of a cluster."""
        return self.runtime.engine == "ray"


def roles(settings: Settings) -> list[Role]:
    """The models that a build asks, each once, whatever the ledger already holds of them."""
    found: list[Role] = []
    for role in _all(settings):
        if role not in found:
            found.append(role)
    return found


def _all(settings: Settings) -> Iterator[Role]:
    build, profile = settings.build, settings.profile
    for reference in build.tables:
        generator, runtime = settings.generator(reference)
        yield Role(generator.name, generator.revision, runtime)
    if build.scored and profile.evaluation.judge != PEOPLE:
        judge, runtime = settings.judge
        yield Role(judge.name, judge.revision, runtime)
    for name in build.references:
        model, runtime = settings.reference(name)
        yield Role(model.name, model.revision, runtime)
    if build.scored:
        own = {"engine": profile.runtime.evaluation_engine}
        yield Role("", "", profile.runtime.model_copy(update=own))
