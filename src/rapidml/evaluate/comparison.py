"""Which model is better, by how much, and whether the difference is real. Plain Python on kept replicas; no numpy.

Replicas of two scores are paired: the same draws of the same rows, fold by fold. Their difference therefore has the
uncertainty of the difference, not that of two scores. On rows that only partly agree it stays right: the common rows
share their draws, the others are independent.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rapidml.evaluate.scores import COVERAGE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rapidml.evaluate.metrics import Metric
    from rapidml.evaluate.scores import Score

SURE = 0.95
"""Share of the replicas in which a difference must keep its sign, or the two are tied."""


@dataclass(frozen=True)
class Difference:
    """Score a minus score b, on the same draws. NaN where undefined.

    Attributes:
        value: Difference of the values.
        low: Lower end of the central 68.3% of the paired differences of the replicas.
        high: Upper end.
        std: Their standard deviation.
        confidence: Share of the replicas in which the difference has the sign of ``value``; 0 if ``value`` is 0.
        tied: ``confidence`` is below 95%, or unknown.
        better: Whether a is the better one by value, tied or not.
    """

    value: float
    low: float
    high: float
    std: float
    confidence: float
    tied: bool
    better: bool


def compare_scores(a: Score, b: Score, greater_is_better: bool) -> Difference:
    """The paired difference of two scores of the same metric.

    Replicas that are undefined on either side are left out; with fewer than half left the confidence is unknown.

    Raises:
        ValueError: The scores have different numbers of replicas.
    """
    if len(a.replicas) != len(b.replicas):
        raise ValueError(f"scores with {len(a.replicas)} and {len(b.replicas)} replicas cannot be paired")
    value = a.value - b.value
    better = value > 0 if greater_is_better else value < 0
    pairs = (x - y for x, y in zip(a.replicas, b.replicas, strict=True))
    steps = sorted(step for step in pairs if not math.isnan(step))
    if math.isnan(value) or len(steps) < max(2, len(a.replicas) / 2):
        return Difference(value, math.nan, math.nan, math.nan, math.nan, tied=True, better=better)
    confidence = sum(step * value > 0 for step in steps) / len(steps)
    low, high = (_find_quantile(steps, (1 + side * COVERAGE) / 2) for side in (-1, 1))
    return Difference(value, low, high, statistics.stdev(steps), confidence, tied=confidence < SURE, better=better)


def _find_quantile(ordered: Sequence[float], share: float) -> float:
    """Quantile with linear interpolation, as numpy's default."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def choose(scores: Mapping[str, Score], metric: Metric) -> str:
    """Name of the best score by value; the first of equals. Undefined scores are passed over.

    Raises:
        ValueError: No score is defined; the text says why for the first.
    """
    best = next(iter(order(scores, metric)), None)
    if best is None:
        raise ValueError("there is nothing to choose from")
    if math.isnan(scores[best].value):
        raise ValueError(f"{metric.name} of {best} is undefined: {scores[best].undefined}")
    return best


def order(scores: Mapping[str, Score], metric: Metric) -> list[str]:
    """Names from the best score to the worst, equals as given, undefined ones last."""
    sign = -1 if metric.greater_is_better else 1
    return sorted(scores, key=lambda name: (math.isnan(scores[name].value), _sortable(sign * scores[name].value)))


def _sortable(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def describe(scores: Mapping[str, Score], metric: Metric) -> dict[str, str]:
    """How each model stands against the best: ``best``, ``tied``, ``worse (97%)`` or ``undefined``."""
    if all(math.isnan(score.value) for score in scores.values()):
        return dict.fromkeys(scores, "undefined")
    best = choose(scores, metric)
    texts = {}
    for name, score in scores.items():
        difference = compare_scores(score, scores[best], metric.greater_is_better)
        texts[name] = "best" if name == best else describe_difference(difference)
    return texts


def describe_difference(difference: Difference) -> str:
    """``tied``, ``better (97%)``, ``worse (97%)``, ``no interval`` or ``undefined``: the first against the second."""
    if math.isnan(difference.value):
        return "undefined"
    if math.isnan(difference.confidence):
        return "no interval"
    if difference.tied:
        return "tied"
    percent = math.floor(100 * difference.confidence + 1e-9)
    sure = f"{percent}%" if percent < 100 else ">99%"
    return f"{'better' if difference.better else 'worse'} ({sure})"


def beats(score: Score, baseline: Score, metric: Metric) -> bool | None:
    """Whether a model is better than the baseline and not tied with it; None if there is no interval to tell."""
    difference = compare_scores(score, baseline, metric.greater_is_better)
    if math.isnan(difference.confidence):
        return None
    return difference.better and not difference.tied
