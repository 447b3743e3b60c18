"""What each metric is called and measured in, and which ones stand for a whole benchmark."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stages.scoring.marks import PAPER

Unit = Literal["percent", "points"]

_STEP = re.compile(r"_(\d+)$")
_LABELS = {
    "accuracy": "right",
    "accuracy_norm": "right, by length",
    "exact": "all exact",
    "following": "followed",
    "following_people": "followed, by people",
    "judged": "judged",
    "lost": "lost",
    "pass_at_1": "passed",
    "pass_at_10": "one of 10 samples passed",
    "pass_at_1_sampled": "samples passed",
    "quality": "quality, 1 to 5",
    "quality_people": "quality, by people",
    "quality_spread": "spread of quality",
    "repeated": "repeated",
    "rouge_l": "ROUGE-L",
    "rouge_l_mean": "ROUGE-L, mean of steps",
    "tasks_done": "tasks done",
    "tied": "tied",
    "win": "won, ties as half",
    "win_lc": "won, length-controlled",
    "won": "won",
}
_OF_BENCHMARK = {("world", "accuracy"): "sub-tasks right"}  # where the word says too little
_POINTS = {"quality", "quality_people", "quality_spread"}
_MAIN = ("accuracy", "pass_at_1", "win_lc", "quality", "rouge_l")
"""the first of them that a benchmark has is its main one"""
_BESIDE = {
    "world": ("following", "exact"),
    "commonsense-qa": ("repeated", "following"),
    "human-eval": ("pass_at_10",),
}
"""what stands beside it: of others than these, how the answers followed"""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as people read it."""

    name: str
    label: str
    unit: Unit
    """`percent`: a share of 1, shown as a percentage; `points`: as it is"""

    @property
    def scale(self) -> float:
        """What a value is multiplied with where it is shown."""
        return 100.0 if self.unit == "percent" else 1.0

    def show(self, value: float) -> str:
        """`87.5 %` or `4.66`."""
        return f"{100 * value:.1f} %" if self.unit == "percent" else f"{value:.2f}"

    def show_bound(self, value: float) -> str:
        """An end of an interval, whose unit stands beside it already."""
        return f"{100 * value:.1f}" if self.unit == "percent" else f"{value:.2f}"

    def show_change(self, difference: float) -> str:
        """A difference with its sign, in percentage points or points."""
        decimals = 1 if self.unit == "percent" else 2
        return f"{self.scale * difference:+.{decimals}f}".replace("-", "\u2212")


def metric(name: str, benchmark: str = "") -> Metric:
    """A metric by its name; one that nobody has heard of is called by it.

    `_paper` at the end: computed as published. A number at the end: of that step alone.
    """
    plain = name.removesuffix(PAPER)
    step = None if plain in _LABELS else _STEP.search(plain)
    base = plain[: step.start()] if step else plain
    label = _OF_BENCHMARK.get((benchmark, base)) or _LABELS.get(base, base)
    if step:
        label += f", step {step[1]}"
    if plain != name:
        label += ", as published"
    return Metric(name, label, "points" if base in _POINTS else "percent")


def main_metric(metrics: Mapping[str, Any]) -> str | None:
    """The one that stands for the benchmark: the first where none is known, None where none is."""
    return next((name for name in (*_MAIN, *metrics) if name in metrics), None)


def headline_names(benchmark: str, metrics: Mapping[str, Any]) -> list[str]:
    """The metrics that stand for a benchmark, the main one first; none where there are none."""
    names = dict.fromkeys([main_metric(metrics), *_BESIDE.get(benchmark, ("following",))])
    return [name for name in names if name is not None and name in metrics]


def headline(benchmark: str, summary: Mapping[str, Any]) -> dict[str, float]:
    """The means that stand for a benchmark, from `summarise`; none where it has no items."""
    metrics = summary["metrics"]
    return {name: metrics[name]["mean"] for name in headline_names(benchmark, metrics)}
