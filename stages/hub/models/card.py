"""The model card: a YAML header and a text, all of it computed from the manifest."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from stages.hub.licences import notices
from stages.hub.manifest import ModelManifest
from stages.hub.markdown import card_template, titled
from stages.hub.parts import Origin, Score, Scored
from stages.rows.row import WORLD
from stages.scoring.metrics import metric

CARD = "README.md"

# The library that a model on the Hub is loaded with, and what it is found under besides.
_LIBRARY = "transformers"
_TAGS = ("instruction-tuning", "sequential-instructions", "seqsmith")


def render_card(manifest: ModelManifest, citations: Sequence[str]) -> str:
    """The text of README.md; `citations` are BibTeX."""
    run = [one for one in manifest.scores if one.scores]
    return card_template(Path(__file__).parent / "card.md.jinja").render(
        header=yaml.safe_dump(_header(manifest), sort_keys=False, allow_unicode=True),
        manifest=manifest,
        title=_title(manifest),
        trained=manifest.trained,
        address=manifest.address,
        rows=manifest.trained.counts["rows"],
        # The base has a place of its own.
        recipe={
            name: value
            for name, value in manifest.trained.settings.items()
            if name not in ("base", "revision")
        },
        base_is_on_the_hub=_is_on_the_hub(manifest),
        lines=[(one, score) for one in run for score in one.scores],
        not_run=[one.benchmark for one in manifest.scores if not one.scores],
        judges=sorted({one.judge for one in run if one.judge}),
        metric=metric,
        comes_from=_comes_from,
        failed=[check for check in manifest.checks if not check.success],
        notices=notices(manifest.licences),
        citations=citations,
    )


def _title(manifest: ModelManifest) -> str:
    """The name of the repository; in a folder that of the model, as a title."""
    if manifest.address.revision:
        return manifest.address.path.rpartition("/")[2]
    return titled(manifest.name)


def _is_on_the_hub(manifest: ModelManifest) -> bool:
    """Whether the base came from there: a folder is known by a hash, whatever the recipe says."""
    return manifest.trained.base_revision == manifest.trained.settings["revision"]


def _header(manifest: ModelManifest) -> dict[str, Any]:
    trained, dataset = manifest.trained, manifest.trained.dataset_address
    on_the_hub = dataset is not None and dataset.revision
    results = [_result(one, manifest.task) for one in manifest.scores if one.scores]
    return {
        **_licence(manifest),
        "language": sorted(trained.languages),
        **({"base_model": trained.base} if _is_on_the_hub(manifest) else {}),
        **({"datasets": [dataset.path]} if dataset and on_the_hub else {}),
        "library_name": _LIBRARY,
        "pipeline_tag": manifest.task,
        "tags": [*_TAGS, *(["demonstration"] if manifest.demonstration else [])],
        **({"model-index": [{"name": _title(manifest), "results": results}]} if results else {}),
    }


def _licence(manifest: ModelManifest) -> dict[str, str]:
    """The Hub wants a name and a place for a licence that has no id there."""
    if manifest.licence != "other":
        return {"license": manifest.licence}
    base = manifest.trained.base
    return {
        "license": "other",
        "license_name": f"that-of-{base.rpartition('/')[2].lower()}",
        "license_link": f"https://huggingface.co/{base}",
    }


def _result(scored: Scored, task: str) -> dict[str, Any]:
    return {
        "task": {"type": task},
        "dataset": _dataset(scored),
        "metrics": [_metric(scored.benchmark, one) for one in scored.scores],
    }


def _dataset(scored: Scored) -> dict[str, str]:
    """What was asked, named so that nobody takes other questions for those of the benchmark."""
    if len(scored.origins) == 1 and scored.origins[0].kind == "hub":
        (origin,) = scored.origins
        return {"type": origin.repo, "name": scored.benchmark, "revision": origin.revision}
    name = f"{scored.benchmark} ({', '.join(map(_comes_from, scored.origins))})"
    return {"type": f"seqsmith-{scored.benchmark}", "name": name}


def _comes_from(origin: Origin) -> str:
    return "the built-in world" if origin.kind == WORLD else origin.repo


def _metric(benchmark: str, score: Score) -> dict[str, Any]:
    one = metric(score.metric, benchmark)
    unit = ", in percent" if one.unit == "percent" else ""
    return {
        "type": score.metric,
        "name": f"{one.label}{unit}",
        "value": round(one.scale * score.value, 4),
    }
