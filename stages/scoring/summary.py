"""Scores of a model on a benchmark: means over items with bootstrap intervals, and paired tests."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stages.scoring.marks import Marked

RESAMPLES = 1_000
CONFIDENCE = 0.95
_PERMUTATIONS = 10_000
_AT_ONCE = 250_000  # numbers drawn at once: 2 MB


def summarise(marked: Sequence[Marked], seed: int) -> dict[str, Any]:
    """All items and each group: their number, those without a whole answer, and every metric.

    A metric is a mean over the items that have it, with its 95 % interval over resampled items.
    """
    groups = sorted({one.group for one in marked})
    return {
        **_scores(marked, seed),
        "groups": {
            group: _scores([one for one in marked if one.group == group], seed) for group in groups
        },
    }


def compare(
    model: Sequence[Marked], against: Sequence[Marked], seed: int
) -> dict[str, dict[str, Any]]:
    """Metric -> how much better `model` does than `against` on the same items, tested in pairs.

    The interval is a bootstrap over items, the p-value that of a two-sided permutation test, which
    swaps the two answers to an item. Items that only one of the two was asked are left out.
    """
    theirs = {one.id: one for one in against}
    pairs = [(one, theirs[one.id]) for one in model if one.id in theirs]
    metrics = sorted({metric for ours, _ in pairs for metric in ours.marks})
    compared = {}
    for metric in metrics:
        points = [
            (ours.marks[metric], other.marks[metric])
            for ours, other in pairs
            if metric in ours.marks and metric in other.marks
        ]
        if points:
            ours = np.array([first.got / first.of for first, _ in points])
            other = np.array([second.got / second.of for _, second in points])
            compared[metric] = _paired(ours, other, seed)
    return compared


def _paired(ours: np.ndarray, other: np.ndarray, seed: int) -> dict[str, Any]:
    difference = ours - other
    found = {
        "items": len(difference),
        "better": int((difference > 0).sum()),
        "worse": int((difference < 0).sum()),
        **_interval(difference, np.ones(len(difference)), seed),
    }
    if len(difference) < 2 or not difference.any():
        return {**found, "p": 1.0}
    # Imported here because it takes a second, which scores of one model need not pay.
    from scipy.stats import permutation_test  # noqa: PLC0415

    test = permutation_test(
        (ours, other),
        lambda first, second, axis: (first - second).mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=_PERMUTATIONS,
        batch=max(1, _AT_ONCE // len(difference)),
        rng=np.random.default_rng(seed),
    )
    return {**found, "p": float(test.pvalue)}


def _scores(marked: Sequence[Marked], seed: int) -> dict[str, Any]:
    outcomes = Counter(one.outcome for one in marked if one.outcome != "answered")
    metrics = list(dict.fromkeys(metric for one in marked for metric in one.marks))
    return {
        "items": len(marked),
        "unanswered": dict(sorted(outcomes.items())),
        "metrics": {metric: _metric(marked, metric, seed) for metric in metrics},
    }


def _metric(marked: Sequence[Marked], metric: str, seed: int) -> Mapping[str, Any]:
    points = [one.marks[metric] for one in marked if metric in one.marks]
    got = np.array([one.got for one in points])
    of = np.array([one.of for one in points])
    return {"items": len(points), **_interval(got, of, seed)}


def _interval(got: np.ndarray, of: np.ndarray, seed: int) -> dict[str, float]:
    """`got` as a share of `of`, with its interval over resampled items."""
    rng = np.random.default_rng(seed)
    step = max(1, _AT_ONCE // len(got))
    shares = []
    for start in range(0, RESAMPLES, step):
        draws = rng.integers(len(got), size=(min(step, RESAMPLES - start), len(got)))
        shares.append(got[draws].sum(axis=1) / of[draws].sum(axis=1))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.concatenate(shares), [tail, 1 - tail])
    return {"mean": float(got.sum() / of.sum()), "low": float(low), "high": float(high)}
