"""How much the best of many candidates looks better than it is: it was chosen for its luck as well as for its quality.

From kept replicas alone; what the candidates are, and which of them is kept, is decided elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.evaluate.scores import Score

_SHARE = 0.5
"""Size of the noise added before choosing, in units of the scores' own; smaller is closer to the real choice."""


@dataclass(frozen=True)
class Optimism:
    """What the choice of the best of some candidates adds to its score. NaN where unknown.

    Attributes:
        value: How much better the best score looks than it is, at least 0; in the unit of the metric.
        corrected: The best score without it: lower where greater is better, else higher.
        low: Lower end of the best score's interval, moved as ``corrected`` is.
        high: Upper end.
    """

    value: float
    corrected: float
    low: float
    high: float


def estimate_optimism(scores: Sequence[Score], greater_is_better: bool) -> Optimism:
    """The optimism of the best of some scores on the same rows.

    Every replica tells how far chance moves all scores at once: its deviation from the candidate's mean replica. Half
    the deviation is added to the scores before the best is chosen, and twice the deviation is taken away before the
    chosen one is valued. Choice and value are then independent, though made of the same scores, so the mean value over
    the replicas has no luck in it; the best score as it is, minus that, is the optimism. The choice is made at a
    variance of 1.25 instead of 1, so where candidates differ the optimism is a little too large rather than too small.

    Args:
        scores: Scores of the candidates. Those far behind the best change nothing and can be left out; undefined ones
            are. A replica in which one is undefined is left out.
        greater_is_better: Direction of the metric.

    Returns:
        The optimism; 0 for one candidate. NaN beside the best score if fewer than half of the replicas are left.

    Raises:
        ValueError: No score is defined, or the scores have different numbers of replicas.

    Reference:
        Tsamardinos, Greasidou and Borboudakis (2018), "Bootstrapping the out-of-sample predictions for efficient and
        accurate cross-validation", Machine Learning 107, 1895-1922, for the bootstrap of the choice among candidates;
        Oliveira, Lei and Tibshirani (2021), "Unbiased risk estimation in the normal means problem via coupled
        bootstrap techniques", arXiv:2111.09447, for noise that makes choice and value independent.
    """
    defined = [score for score in scores if not math.isnan(score.value)]
    if not defined:
        raise ValueError("there is no defined score to choose from")
    if len({len(score.replicas) for score in defined}) > 1:
        raise ValueError("scores with different numbers of replicas cannot be paired")
    sign = 1.0 if greater_is_better else -1.0
    best = max(defined, key=lambda score: sign * score.value)
    if len(defined) == 1:
        return Optimism(0.0, best.value, best.low, best.high)
    value = _estimate(defined, sign)
    return Optimism(value, *(number - sign * value for number in (best.value, best.low, best.high)))


def _estimate(scores: Sequence[Score], sign: float) -> float:
    import numpy as np

    values = sign * np.array([score.value for score in scores])
    replicas: NDArray[np.float64] = sign * np.array([score.replicas for score in scores])
    known = np.asarray(np.isfinite(replicas).all(axis=0))
    if known.sum() < max(2, len(known) / 2):
        return math.nan
    deviations = replicas[:, known]
    deviations -= deviations.mean(axis=1, keepdims=True)
    chosen = (values[:, None] + _SHARE * deviations).argmax(axis=0)
    valued = values[chosen] - deviations[chosen, np.arange(len(chosen))] / _SHARE
    return max(0.0, float(values.max() - valued.mean()))
