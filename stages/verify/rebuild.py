"""Runs the stages behind one dataset in a scratch project, in order, each in its own process."""

import os
import subprocess
import sys
from pathlib import Path

import stages
from stages.config.errors import BuildError
from stages.hub.datasets.ancestry import FETCH, ancestry, verb_of
from stages.hub.manifest import DatasetManifest
from stages.hub.pull.untrusted import shown
from stages.rows.measure import read_metrics
from stages.verify.project import Project


def rebuild(project: Project, manifest: DatasetManifest) -> None:
    """Build the dataset of the release; what its stages say goes to standard error.

    Raises BuildError when one of them fails, or a source is not that of the release.
    """
    tables = ancestry(project.settings.build, manifest.reference)
    for number, reference in enumerate(tables, start=1):
        verb = verb_of(project.settings.build, reference)
        name = reference.partition("/")[2]
        print(f"[{number}/{len(tables)}] {verb} {name}", file=sys.stderr, flush=True)
        _run(project, verb, name)
        if verb == FETCH:
            _check_source(project, manifest, reference)


def _run(project: Project, verb: str, name: str) -> None:
    """Run a stage of this very package in the project's folder, as DVC would."""
    code = str(Path(stages.__path__[0]).parent)
    others = os.environ.get("PYTHONPATH")
    environment = {
        **os.environ,
        "PYTHONPATH": f"{code}{os.pathsep}{others}" if others else code,
        "SEQSMITH_LEDGER": str(project.ledger.resolve()),
    }
    # -P: what lies in the folder is data, and no code.
    done = subprocess.run(  # noqa: S603 - the verb and the name are of the settings
        [sys.executable, "-P", "-m", f"stages.{verb}", name],
        cwd=project.root,
        env=environment,
        stdout=sys.stderr,
        check=False,
    )
    if done.returncode:
        raise BuildError(
            f"The rebuild stopped at `{verb} {name}`, with the error above. Where it is about "
            "replies: those of the release are all that there are here."
        )


def _check_source(project: Project, manifest: DatasetManifest, reference: str) -> None:
    """Raise BuildError unless a source has come from where the release's has."""
    name = reference.partition("/")[2]
    found = read_metrics(project.paths.metrics(reference))["origin"]
    here = (found["repo"], found["revision"])
    for source in manifest.sources:
        there = [(origin.repo, origin.revision) for origin in source.origins]
        if source.name == name and there != [here]:
            raise BuildError(
                f"The source {name} is another: the release was made from {_listed(there)}, and "
                f"what is fetched here is {_listed([here])}. Put the same file in the same place, "
                "or let the profile name the same origin."
            )


def _listed(origins: list[tuple[str, str]]) -> str:
    return ", ".join(f"{shown(repo)} at {shown(revision)[:12]}" for repo, revision in origins)
