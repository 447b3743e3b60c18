"""Makes a release of a model: its files as training saved them, card and manifest."""

import json
from pathlib import Path

from stages.config.errors import BuildError
from stages.config.paths import Paths
from stages.config.settings import Settings, VisionTraining
from stages.hub.address import address_of
from stages.hub.datasets.facts import read_audit
from stages.hub.licences import strictest
from stages.hub.manifest import ModelManifest, libraries, write_manifest
from stages.hub.models.card import CARD, render_card
from stages.hub.models.facts import (
    base_licence,
    citations_of,
    comparisons_of,
    dataset_licences,
    example_of,
    scores_of,
    trained_of,
)
from stages.hub.models.files import copy_model, read_tensors
from stages.hub.models.naming import refuse_model
from stages.hub.parts import Licence, describe
from stages.rows.parquet import count_rows

NOTICE = "NOTICE"

# What a licence wants to stand in a file of its own, in its words.
_NOTICES = {
    "llama3": "Meta Llama 3 is licensed under the Meta Llama 3 Community License, Copyright © Meta "
    "Platforms, Inc. All Rights Reserved.",
}


def write_model_release(folder: Path, settings: Settings, paths: Paths, name: str) -> ModelManifest:
    """Write the release of model `name` to `folder` and return its manifest.

    Raises BuildError when an input is missing, when model, dataset and audit do not belong
    together, when the model holds a file that is not released, and when a licence speaks against
    what the profile wants to do with it.
    """
    build, profile = settings.build, settings.profile
    address = address_of(settings, paths, f"models/{name}")
    dataset = build.models[name].dataset
    trained = trained_of(settings, paths, name)
    base, others = base_licence(settings, name), dataset_licences(settings, paths, dataset)
    licence = strictest([base, *others], f"profiles/{build.profile}.yaml")
    if profile.publish.target == "hub":
        refuse_model(address.path.rpartition("/")[2], base, others, f"models/{name}")
    table = paths.table(f"datasets/{dataset}")
    audit = paths.folder("audit", dataset) / "validation.json"
    checks, _ = read_audit(audit, dataset, count_rows(table))

    model = paths.folder("models", name)
    weights = copy_model(model, folder)
    tensors = read_tensors(folder)
    notices = _write_notice(folder, [base, *others])
    manifest = ModelManifest(
        name=name,
        profile=build.profile,
        address=address,
        licence=licence,
        licences=[base, *others],
        demonstration=not profile.releasable,
        task=(
            "image-text-to-text"
            if isinstance(settings.training(name), VisionTraining)
            else "text-generation"
        ),
        architecture=_architecture(model / "config.json"),
        parameters=sum(one.parameters for one in tensors.values()),
        dtypes=sorted({one.dtype for one in tensors.values()}),
        trained=trained,
        checks=checks,
        scores=scores_of(settings, paths, name),
        comparisons=comparisons_of(build, paths, name),
        example=example_of(settings, paths, name),
        libraries=libraries(),
        weights=[describe(folder, path) for path in weights],
        notices=[describe(folder, path) for path in notices],
        card=None,
    )
    (folder / CARD).write_text(render_card(manifest, citations_of(settings, dataset)), "utf-8")
    manifest = manifest.model_copy(update={"card": describe(folder, folder / CARD)})
    write_manifest(folder, manifest)
    return manifest


def _write_notice(folder: Path, licences: list[Licence]) -> list[Path]:
    texts = {_NOTICES[one.licence.lower()] for one in licences if one.licence.lower() in _NOTICES}
    if not texts:
        return []
    (folder / NOTICE).write_text("".join(f"{text}\n" for text in sorted(texts)), "utf-8")
    return [folder / NOTICE]


def _architecture(config: Path) -> str:
    try:
        (architecture,) = json.loads(config.read_text("utf-8"))["architectures"]
    except (KeyError, TypeError, ValueError) as error:
        raise BuildError(
            f"{config}: does not name the one architecture of the model "
            f"({type(error).__name__}). Train the model again: python -m stages.train "
            f"{config.parent.name}"
        ) from None
    return str(architecture)
