"""What the terminal shows: the verdicts of an audit, and the summary that closes a build."""

from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

WIDTH = 100
_MOST_PLACES = 8  # of one kind, each with a line of its own
METRICS = {"accuracy": "sub-tasks right", "following": "followed", "exact": "all exact"}


def verdict_table(dataset: str, checks: Sequence[dict[str, Any]]) -> Table:
    """One line for each check; under those that failed the first ids."""
    passed = sum(check["success"] for check in checks)
    table = _table(f"{dataset}: {passed} of {len(checks)} checks passed")
    for heading in ("", "check", "found", "allowed"):
        table.add_column(heading)
    for check in checks:
        name = Text(check["what"])
        if not check["success"] and check["examples"]:
            name.append("\n" + "\n".join(check["examples"]), "dim")
        table.add_row(_mark(check), name, Text(check["observed"]), Text(check["expected"]))
    return table


def _mark(check: dict[str, Any]) -> Text:
    if check["success"]:
        return Text("ok", "green")
    return Text("FAILED", "bold red") if check["severity"] == "error" else Text("warning", "yellow")


def closing(built: dict[str, Any], report: Path) -> Group:
    """The datasets, the scores of the models, and where to look.

    `report` is the folder of the page.
    """
    parts: list[RenderableType] = [_datasets(built["datasets"])]
    for benchmark in built["benchmarks"]:
        # Groups where there is room for them: with several benchmarks only the overall scores.
        groups = benchmark["groups"] if len(built["benchmarks"]) == 1 else benchmark["groups"][-1:]
        parts.append(_scores(benchmark["name"], groups))
    return Group(*parts, _files(built["datasets"], report))


def console() -> Console:
    """Standard output: as wide as the terminal and no wider than `WIDTH`; plain if it is none."""
    found = Console()
    return Console(width=min(WIDTH, found.width) if found.is_terminal else WIDTH)


def as_text(shown: RenderableType) -> str:
    """What a terminal shows, without colours and without spaces at the ends of lines."""
    plain = StringIO()
    Console(file=plain, width=WIDTH).print(shown)
    return "".join(f"{line.rstrip()}\n" for line in plain.getvalue().splitlines())


def _datasets(datasets: Sequence[dict[str, Any]]) -> Table:
    table = _table("")
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


def _scores(benchmark: str, groups: Sequence[dict[str, Any]]) -> Table:
    table = _table(f"benchmark {benchmark}, with 95 % intervals")
    table.add_column("group")
    table.add_column("model")
    for heading in METRICS.values():
        table.add_column(heading, justify="right")
    for group in groups:
        for index, (model, scores) in enumerate(group["scores"].items()):
            table.add_row("" if index else group["name"], model, *_cells(scores))
    return table


def _files(datasets: Sequence[dict[str, Any]], report: Path) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("report", (report / "index.html").as_posix())
    for kind in ("audit", "release", "published"):
        places = [one[kind] for one in datasets if one[kind]]
        if len(places) > _MOST_PLACES:
            places = [f"{Path(places[0]).parent.as_posix()}, a folder for each dataset"]
        for place in places:
            table.add_row(kind, place)
    return table


def _cells(scores: dict[str, Any] | None) -> Iterator[str]:
    for metric in METRICS:
        if scores is None:
            yield "not run"
            continue
        mean, low, high = (100 * scores[metric][part] for part in ("mean", "low", "high"))
        yield f"{mean:.1f} % ({low:.0f}-{high:.0f})"


def _table(title: str) -> Table:
    return Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
