"""What a build made, from the files of its stages: the content of report.json and the pages."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from stages.config.errors import BuildError
from stages.config.lineage import lineage
from stages.config.paths import Paths, must_exist
from stages.config.settings import Build, QuestionSet, Settings, Source
from stages.quality.paper import TABLE_3
from stages.rows.measure import read_metrics
from stages.rows.quarantine import LEFT_OUT, quarantine_path

FIRST = 3
"""quarantined rows that are named for each reason"""

_DETAIL = 300  # characters of what is said about one of them


def overview(settings: Settings, paths: Paths) -> dict[str, Any]:
    """Everything that was built, as JSON values. Raises BuildError when an audit is not there."""
    build, profile = settings.build, settings.profile
    asked = dict.fromkeys(name for benchmarks in build.scored.values() for name in benchmarks)
    return {
        "profile": build.profile,
        "generator": profile.generator.model_dump(include={"name", "revision"}),
        "base": profile.training.base,
        "datasets": [_dataset(build, paths, name) for name in build.datasets],
        "models": [_model(build, paths, name) for name in build.models],
        "benchmarks": [_benchmark(settings, paths, name) for name in asked],
        "compared": [_compared(build, paths, name) for name in build.compared],
    }


def _dataset(build: Build, paths: Paths, name: str) -> dict[str, Any]:
    chain = lineage(build, f"datasets/{name}")
    verdict = _audit(paths, name)
    checks = verdict["checks"]
    failed = [check["severity"] for check in checks if not check["success"]]
    quarantined = list(_quarantined(paths, chain))
    return {
        "name": name,
        "chain": chain,
        "source": chain[0].partition("/")[2],
        "made_by": build.tables[chain[-1]][0],
        "verdict": "failed" if "error" in failed else "warning" if failed else "passed",
        "checks": checks,
        "passed": len(checks) - len(failed),
        "statistics": verdict["statistics"],
        "quarantined": quarantined,
        "left_out": sum(one["rows"] for one in quarantined if one["left_out"]),
        "iterations": _iterations(build, paths, chain),
        "table": paths.table(chain[-1]).as_posix(),
        "audit": paths.folder("audit", name).as_posix(),
        **_released(paths, f"datasets/{name}"),
    }


def _released(paths: Paths, reference: str) -> dict[str, Any]:
    """Where a dataset or a model is packaged and published; None where it is not."""
    release = paths.folder("release", reference)
    receipt = _found(paths.folder("published") / f"{reference}.json")
    return {
        "release": release.as_posix() if release.is_dir() else None,
        "published": receipt and " ".join(filter(None, (receipt["path"], receipt["tag"]))),
    }


def _quarantined(paths: Paths, chain: Sequence[str]) -> Iterator[dict[str, Any]]:
    """For each table on the way and each reason: how many rows, and the first of them by id."""
    for reference in chain:
        taken_out = pl.scan_parquet(must_exist(quarantine_path(paths.table(reference))))
        by_reason = taken_out.group_by("reason").agg(
            rows=pl.len(),
            first=pl.struct("id", pl.col("detail").str.head(_DETAIL)).sort_by("id").head(FIRST),
        )
        for record in by_reason.sort("reason").collect(engine="streaming").to_dicts():
            yield {
                "table": reference,
                "left_out": record["reason"].startswith(LEFT_OUT),
                **record,
            }


def _audit(paths: Paths, dataset: str) -> dict[str, Any]:
    path = must_exist(paths.folder("audit", dataset) / "validation.json")
    verdict = read_metrics(path)
    if not verdict["statistics"]:
        raise BuildError(
            f"{path}: the file of {dataset} does not have the columns of a row, so that there is "
            "nothing to report. Build it again: dvc repro."
        )
    return verdict


def _iterations(build: Build, paths: Paths, chain: list[str]) -> list[dict[str, Any]]:
    """Our iterations of an answered dataset and, where it has the same source, the paper's.

    How long the outputs are is known of an iteration that a dataset answers.
    """
    if chain[-1].partition("/")[2] not in build.answered:
        return []
    grown = [reference for reference in chain if reference.startswith("sequences/")]
    start = chain[-2 - len(grown)]
    source, dataset = (reference.partition("/")[2] for reference in (chain[0], chain[-1]))
    answered = {one.reads: name for name, one in build.answered.items()} | {chain[-2]: dataset}
    own = _audit(paths, dataset)["statistics"].get("iterations", {})
    iterations = []
    for number, reference in enumerate((start, *grown)):
        other = answered.get(reference)
        out = _audit(paths, other)["statistics"] if other else {}
        theirs = TABLE_3.get(source, ())[number : number + 1]
        iterations.append(
            {
                "iteration": number,
                "ours": {
                    **own.get(str(number), {}),
                    "words_out": out.get("words_out"),
                    "tokens_out": out.get("tokens_out"),
                },
                "paper": asdict(theirs[0]) if theirs else None,
            }
        )
    return iterations


def _model(build: Build, paths: Paths, name: str) -> dict[str, Any]:
    """A model with the counts and the loss of its training; None where it was not trained."""
    return {
        "name": name,
        "dataset": build.models[name].dataset,
        "training": _found(paths.metrics(f"models/{name}")),
        "loss": _loss(paths.folder("models") / f"{name}.loss.csv"),
        **_released(paths, f"models/{name}"),
    }


def _loss(path: Path) -> list[list[float]] | None:
    """Steps and the mean loss up to each of them."""
    if not path.is_file():
        return None
    curve = pl.read_csv(path, columns=["step", "loss"])
    return [[step, loss] for step, loss in zip(curve["step"], curve["loss"], strict=True)]


def _benchmark(settings: Settings, paths: Paths, benchmark: str) -> dict[str, Any]:
    """What each model that is asked this scores on all items and on each group; None: not run."""
    scores = {}
    for model, benchmarks in settings.build.scored.items():
        if benchmark in benchmarks:
            found = _found(paths.folder("scores", model) / f"{benchmark}.json")
            # A test set that the profile does without has no items.
            scores[model] = found if found and found["items"] else None
    return {"name": benchmark, "origin": _origin(settings, benchmark), "scores": scores}


def _origin(settings: Settings, benchmark: str) -> str:
    """Where the items come from in this profile: `world`, `hub`, `file`, or `none`."""
    kind, _, name = lineage(settings.build, settings.build.items_of(benchmark))[0].partition("/")
    profile = settings.profile
    upstream: Mapping[str, Source | QuestionSet] = (
        profile.testsets if kind == "testsets" else profile.sources
    )
    return upstream[name].origin if name in upstream else "world"


def _compared(build: Build, paths: Paths, name: str) -> dict[str, Any]:
    """Two models tested in pairs; without tests and pairs where they were not."""
    one = build.compared[name]
    found = _found(paths.folder("compared") / f"{name}.json") or {}
    return {
        "name": name,
        "model": one.model,
        "against": one.against,
        "tests": found.get("tests", {}),
        "pairs": found.get("pairs", {}),
    }


def _found(path: Path) -> dict[str, Any] | None:
    return read_metrics(path) if path.is_file() else None
