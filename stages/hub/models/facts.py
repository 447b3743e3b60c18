"""Facts about a model that stand beside its weights: training, dataset, licences, scores."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from stages.config.errors import BuildError
from stages.config.paths import Paths, must_exist
from stages.config.settings import Build, Settings, VisionTraining
from stages.hub.address import address_of
from stages.hub.datasets.ancestry import ancestry, verb_of
from stages.hub.datasets.citations import cite
from stages.hub.datasets.facts import kind_of, licence_of
from stages.hub.models.files import TRAINING
from stages.hub.parts import (
    Comparison,
    Difference,
    Example,
    Licence,
    Origin,
    Score,
    Scored,
    Trained,
)
from stages.rows.measure import read_metrics
from stages.rows.parquet import file_hash
from stages.scoring.metrics import headline_names

# Verbs whose method has a paper of its own, by key in citations.yaml.
_WORKS = {"chain": "chains", "evolve": "wizardlm", "translate": "multilingual"}


def trained_of(settings: Settings, paths: Paths, name: str) -> Trained:
    """What the model was trained from and on.

    Raises BuildError when its training does not say so, or had another dataset or recipe than there
    are now: what is said here of the dataset would not be true of the model.
    """
    dataset, recipe = settings.build.models[name].dataset, settings.training(name)
    path = must_exist(paths.folder("models", name) / TRAINING)
    table = must_exist(paths.table(f"datasets/{dataset}"))
    again = f"Train the model again: python -m stages.train {name}"
    try:
        made_of = json.loads(path.read_text("utf-8"))
        data, base = made_of.pop("dataset"), made_of.pop("base")
        used, versions = made_of.pop("settings"), made_of.pop("versions")
        if data["name"] != dataset or data["file_sha256"] != file_hash(table):
            raise BuildError(f"{path}: the model learned from other rows than {table}. {again}")
        if used != recipe.model_dump():
            raise BuildError(f"{path}: the model was trained with another recipe. {again}")
        return Trained(
            base=recipe.base,
            base_revision=base["revision"],
            dataset=dataset,
            dataset_sha256=data["file_sha256"],
            dataset_logical_sha256=data["logical_sha256"],
            dataset_address=(
                address_of(settings, paths, f"datasets/{dataset}")
                if dataset in settings.build.packages.datasets
                else None
            ),
            chained=_count_chained(table),
            languages=_count_languages(table),
            settings=used,
            counts=made_of,
            versions=versions,
        )
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise BuildError(
            f"{path}: does not say what the model was made of ({type(error).__name__}: "
            f"{str(error).splitlines()[0]}). {again}"
        ) from None


def _count_chained(table: Path) -> int:
    return pl.scan_parquet(table).filter(pl.col("tasks") > 1).select(pl.len()).collect().item()


def _count_languages(table: Path) -> dict[str, int]:
    counts = pl.scan_parquet(table).group_by("language").len().sort("language").collect()
    return dict(counts.iter_rows())


def base_licence(settings: Settings, name: str) -> Licence:
    """Raises BuildError when the profile does not state it."""
    base, licences = settings.training(name).base, settings.profile.publish.base_licences
    if base not in licences:
        raise BuildError(
            f"profiles/{settings.build.profile}.yaml: publish.base_licences has no licence of "
            f"{base}, which {name} was fine-tuned from. State it there."
        )
    return Licence(of=f"base model {base}", licence=licences[base])


def dataset_licences(settings: Settings, paths: Paths, dataset: str) -> list[Licence]:
    """Those of all that the texts of a dataset come from: upstream sources, and generators.

    A generator counts where rows name requests that a step made to it.
    """
    build, profile = settings.build, settings.profile
    tables = ancestry(build, f"datasets/{dataset}")
    found = {}
    for reference in tables:
        if reference in build.upstreams:
            name = reference.partition("/")[2]
            source = profile.sources[name]
            origins = _origins(paths.table(reference), {source.repo})
            found[f"source {name}"] = licence_of(source, origins)
    asked = _verbs_that_asked(paths.table(f"datasets/{dataset}"))
    for reference in tables:
        if reference in build.tables and build.tables[reference][0] in asked:
            generator, _ = settings.generator(reference)
            found[f"generator {generator.name}"] = generator.licence
    return [Licence(of=of, licence=licence) for of, licence in found.items()]


def citations_of(settings: Settings, dataset: str) -> list[str]:
    """BibTeX of the method, of others that the dataset was made with, and of its sources."""
    build, sources = settings.build, settings.profile.sources
    tables = ancestry(build, f"datasets/{dataset}")
    verbs = {verb_of(build, one) for one in tables}
    upstream = [one.partition("/")[2] for one in tables if one in build.upstreams]
    methods = ["sequential", *(work for verb, work in _WORKS.items() if verb in verbs)]
    return cite(methods, [sources[name].repo for name in upstream])


def _verbs_that_asked(table: Path) -> set[str]:
    """The verbs of the steps that asked a model about some row."""
    steps = (
        pl.scan_parquet(table)
        .select(pl.col("history").explode())
        .select(
            pl.col("history").struct.field("step"),
            requests=pl.col("history").struct.field("requests").list.len(),
        )
        .filter(pl.col("requests") > 0)
        .select(pl.col("step").unique())
    )
    return set(steps.collect(engine="streaming")["step"])


def _origins(table: Path, on_the_hub: set[str]) -> list[Origin]:
    """Where the rows of a table come from; `on_the_hub` are the repositories that may be."""
    origins = (
        pl.scan_parquet(must_exist(table))
        .select(
            # Behind a # stands the part of the upstream, such as one task of many.
            repo=pl.col("origin").struct.field("repo").str.split("#").list.first(),
            revision=pl.col("origin").struct.field("revision"),
        )
        .unique()
        .sort("repo", "revision")
        .collect(engine="streaming")
    )
    return [
        Origin(kind=kind_of(repo, on_the_hub), repo=repo, revision=revision)
        for repo, revision in origins.iter_rows()
    ]


def scores_of(settings: Settings, paths: Paths, name: str) -> list[Scored]:
    """What stands for each benchmark that the model was put to; none where it was put to none."""
    build, profile = settings.build, settings.profile
    if name not in build.scores:
        return []
    on_the_hub = {one.repo for one in profile.testsets.values()}
    on_the_hub |= {one.repo for one in profile.sources.values()}
    headlines = read_metrics(must_exist(paths.folder("scores") / f"{name}.json"))
    found = []
    for benchmark in build.scores[name]:
        scores = read_metrics(must_exist(paths.folder("scores", name) / f"{benchmark}.json"))
        metrics, items = scores["metrics"], build.items_of(benchmark)
        found.append(
            Scored(
                benchmark=benchmark,
                origins=_origins(paths.table(items), on_the_hub - {""}),
                shots=_count_shown(paths.table(f"{items}.shots")) if scores["shots"] else 0,
                judge=(scores.get("judge") or {}).get("judge") or "",
                scores=[_score(metric, metrics[metric]) for metric in headlines[benchmark]],
            )
        )
    return found


def _count_shown(shots: Path) -> int:
    """Solved examples before a question: those of its group, of which all have as many."""
    groups = pl.scan_parquet(must_exist(shots)).group_by("group").len()
    return groups.select(pl.col("len").max()).collect().item()


def _score(metric: str, found: dict[str, Any]) -> Score:
    return Score(
        metric=metric,
        value=found["mean"],
        low=found["low"],
        high=found["high"],
        items=found["items"],
    )


def comparisons_of(build: Build, paths: Paths, name: str) -> list[Comparison]:
    """The model held against others: every comparison of the build that it takes part in."""
    found = []
    for key, one in build.compared.items():
        if name not in (one.model, one.against):
            continue
        tests = read_metrics(must_exist(paths.folder("compared") / f"{key}.json"))["tests"]
        differences = [
            _difference(benchmark, headline_names(benchmark, metrics)[0], metrics)
            for benchmark, metrics in tests.items()
            if metrics
        ]
        found.append(
            Comparison(name=key, model=one.model, against=one.against, differences=differences)
        )
    return found


def _difference(benchmark: str, metric: str, metrics: dict[str, Any]) -> Difference:
    found = metrics[metric]
    return Difference(
        benchmark=benchmark,
        metric=metric,
        value=found["mean"],
        low=found["low"],
        high=found["high"],
        items=found["items"],
        p=found["p"],
    )


def example_of(settings: Settings, paths: Paths, name: str) -> Example:
    """The first row, by id, that asks for two or more tasks; where there is none, the first row.

    Raises BuildError when the model is a text model and has no chat template.
    """
    table = paths.table(f"datasets/{settings.build.models[name].dataset}")
    rows = pl.scan_parquet(table).select("id", "messages", chained=pl.col("tasks") > 1)
    (row,) = rows.sort(~pl.col("chained"), "id").head(1).collect(engine="streaming").to_dicts()
    messages = row["messages"]
    seen = isinstance(settings.training(name), VisionTraining)
    rendered = messages[0]["content"] if seen else render(paths.folder("models", name), messages)
    return Example(id=row["id"], messages=messages, rendered=rendered)


def render(model: Path, messages: Sequence[dict[str, str]]) -> str:
    """A chat as the template in the folder of a model shows it."""
    from transformers import AutoTokenizer  # noqa: PLC0415 - 3 s, which no dataset needs

    tokenizer = AutoTokenizer.from_pretrained(model)
    if tokenizer.chat_template is None:
        raise BuildError(
            f"{model}: its tokenizer has no chat template, so nobody would know how to ask it. "
            f"Train the model again: python -m stages.train {model.name}"
        )
    return tokenizer.apply_chat_template(list(messages), tokenize=False)
