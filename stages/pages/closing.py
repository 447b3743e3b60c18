"""The summary that closes a build: the datasets, the headline scores, and where to look."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from stages.pages.site import models_in_order
from stages.quality.summary import new_table
from stages.scoring.metrics import headline, metric

_MOST_PLACES = 8  # of one kind, each with a line of its own
_SIDE_BY_SIDE = 2  # models whose every benchmark has its line


def closing(built: dict[str, Any], report: Path) -> Group:
    """The datasets, the scores of the models, and where to look.

    `report` is the folder of the page.
    """
    parts: list[RenderableType] = [_datasets(built["datasets"]), *_scores(built)]
    return Group(*parts, _files(built, report))


def _datasets(datasets: Sequence[dict[str, Any]]) -> Table:
    table = new_table("")
    table.add_column("dataset")
    for heading in ("rows", "mean tasks", "held", "quarantined", "checks passed"):
        table.add_column(heading, justify="right")
    for one in datasets:
        statistics = one["statistics"]
        table.add_row(
            one["name"],
            f"{statistics['rows']:,}",
            f"{statistics['mean_tasks']:.2f}",
            f"{statistics['held']:,}",
            f"{statistics['quarantined']:,}",
            f"{one['passed']}/{len(one['checks'])}",
        )
    return table


def _scores(built: dict[str, Any]) -> Iterator[Table]:
    """Two models side by side on every benchmark, and each other one on its first.

    Of the first benchmark all metrics of the headline are shown, of the others the main one.
    """
    benchmarks, models = built["benchmarks"], models_in_order(built)
    pair, others = models[:_SIDE_BY_SIDE], models[_SIDE_BY_SIDE:]
    if pair:
        table = _empty("scores, with 95 % intervals", ("benchmark", "metric"), ("items", *pair))
        for place, benchmark in enumerate(benchmarks):
            if any(model in benchmark["scores"] for model in pair):
                names = _headline(benchmark, pair)
                for line in _lines(benchmark, pair, names if place == 0 else names[:1]):
                    table.add_row(*line)
        yield table
    if others:
        headings = ("model", "benchmark", "metric"), ("items", "score")
        table = _empty("other models, each on its first benchmark", *headings)
        for model in others:
            benchmark = next(one for one in benchmarks if model in one["scores"])
            for line in _lines(benchmark, [model], _headline(benchmark, [model])[:1]):
                table.add_row(model, *line)
        yield table


def _headline(benchmark: dict[str, Any], models: Sequence[str]) -> list[str]:
    """The metrics that stand for a benchmark, the main one first; none where it was not run."""
    found = (benchmark["scores"].get(model) for model in models)
    return next((list(headline(benchmark["name"], one)) for one in found if one), [])


def _empty(title: str, left: Sequence[str], right: Sequence[str]) -> Table:
    table = new_table(title)
    for heading in left:
        table.add_column(heading)
    for heading in right:
        table.add_column(heading, justify="right")
    return table


def _lines(
    benchmark: dict[str, Any], models: Sequence[str], names: Sequence[str]
) -> Iterator[list[str]]:
    """Benchmark, metric, items, and the score of each model; a line for each metric."""
    found = [benchmark["scores"].get(model) for model in models]
    if not names:
        yield [benchmark["name"], "", "", *("not run" for _ in models)]
    for place, name in enumerate(names):
        items = max(one["metrics"][name]["items"] for one in found if one)
        yield [
            "" if place else benchmark["name"],
            metric(name, benchmark["name"]).label,
            f"{items:,}",
            *(_cell(one, name) for one in found),
        ]


def _cell(scores: dict[str, Any] | None, name: str) -> str:
    if not scores or name not in scores["metrics"]:
        return "not run"
    one, shown = scores["metrics"][name], metric(name)
    low, high = (shown.show_bound(one[end]) for end in ("low", "high"))
    return f"{shown.show(one['mean'])} ({low}-{high})"


def _files(built: dict[str, Any], report: Path) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("report", (report / "index.html").as_posix())
    made = [*built["datasets"], *built["models"]]
    for kind in ("audit", "release", "published"):
        places = [one[kind] for one in made if one.get(kind)]
        if len(places) > _MOST_PLACES:
            places = [f"{Path(places[0]).parent.as_posix()}, a folder for each dataset"]
        for place in places:
            table.add_row(kind, place)
    return table
