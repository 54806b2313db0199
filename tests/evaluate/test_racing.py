"""Stopping candidates that are clearly behind: how often good ones are stopped, and bad ones are not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from rapidml.evaluate.racing import is_behind

if TYPE_CHECKING:
    from numpy.typing import NDArray


def draw_leads(rng: np.random.Generator, folds: int, n_races: int) -> NDArray[np.float64]:
    """Differences of two equal models in each fold, as correlated as training rows shared by folds make them.

    With a share 1/k of the rows held out, Nadeau and Bengio take 1/k as the correlation of two folds.
    """
    correlation = 1 / folds
    shared = rng.normal(scale=math.sqrt(correlation), size=(n_races, 1))
    return shared + rng.normal(scale=math.sqrt(1 - correlation), size=(n_races, folds))


def race(leads: NDArray[np.float64], folds: int, level: float) -> bool:
    """Whether a candidate is stopped at any look, of which there is one after every fold from the second on."""
    best = list(0.9 + 0.01 * leads)
    return any(
        is_behind([0.9] * n, best, greater_is_better=True, folds=folds, looks=folds - 1, level=level)
        for n in range(2, folds + 1)
    )


@pytest.mark.parametrize(("folds", "level"), [(2, 0.05), (3, 0.1), (5, 0.05), (5, 0.2), (10, 0.1)])
def test_equal_candidates_are_rarely_stopped(folds: int, level: float) -> None:
    rng = np.random.default_rng(folds)
    n_races = 3000
    stopped = np.mean([race(leads, folds, level) for leads in draw_leads(rng, folds, n_races)])
    error = math.sqrt(level / n_races)
    assert stopped <= level + 3 * error
    # Looks share the level as if they were independent, which they are not; some of it must still be used.
    assert stopped >= level / 5


def test_one_look_uses_the_whole_level() -> None:
    rng = np.random.default_rng(1)
    leads = draw_leads(rng, 5, 4000)
    stopped = [is_behind([0.0] * 5, list(lead), greater_is_better=True, folds=5, looks=1) for lead in leads]
    assert np.mean(stopped) == pytest.approx(0.05, abs=3 * math.sqrt(0.05 / 4000))


def test_without_the_correction_good_candidates_would_be_stopped() -> None:
    # The plain t test of the same differences: the simulation is one that needs the correction.
    leads = draw_leads(np.random.default_rng(2), 5, 4000)
    plain = stats.ttest_1samp(leads, 0, axis=1, alternative="greater").pvalue < 0.05
    assert plain.mean() > 0.08


def test_bad_candidates_are_stopped() -> None:
    rng = np.random.default_rng(3)
    stopped = [race(12 + lead, 5, 0.05) for lead in draw_leads(rng, 5, 300)]
    assert np.mean(stopped) > 0.9


def test_the_interval_is_that_of_the_corrected_t_test() -> None:
    candidate, best = [0.80, 0.82, 0.79, 0.81], [0.84, 0.83, 0.83, 0.86]
    leads = np.subtract(best, candidate)
    error = np.sqrt((1 / 4 + 1 / 9) * leads.var(ddof=1))
    chance = float(stats.t.sf(leads.mean() / error, 3))
    for looks in (1, 4):
        for factor, stops in ((1.001, True), (0.999, False)):
            level = factor * chance * looks
            found = is_behind(candidate, best, greater_is_better=True, folds=10, looks=looks, level=level)
            assert found is stops


def test_direction() -> None:
    low, high = [0.10, 0.11, 0.10, 0.12], [0.50, 0.52, 0.51, 0.49]
    assert is_behind(low, high, greater_is_better=True, folds=5, looks=4)
    assert not is_behind(low, high, greater_is_better=False, folds=5, looks=4)
    assert is_behind(high, low, greater_is_better=False, folds=5, looks=4)
    assert not is_behind(high, low, greater_is_better=True, folds=5, looks=4)


def test_only_common_folds_count() -> None:
    candidate, best = [0.10, math.nan, 0.11, 0.10], [0.50, 0.90, math.nan, 0.50, 0.52]
    assert not is_behind(candidate[:3], best, greater_is_better=True, folds=5, looks=1)
    both = is_behind(candidate, best, greater_is_better=True, folds=5, looks=1)
    assert both is is_behind([0.10, 0.10], [0.50, 0.50], greater_is_better=True, folds=5, looks=1)
    assert not is_behind([0.1], [0.9], greater_is_better=True, folds=5, looks=1)
    assert not is_behind([], [0.9], greater_is_better=True, folds=5, looks=1)


def test_equal_differences_tell_nothing_of_their_spread() -> None:
    assert not is_behind([0.7, 0.8, 0.1], [0.8, 0.9, 0.2], greater_is_better=True, folds=5, looks=1)
    assert not is_behind([0.7, 0.8], [0.7, 0.8], greater_is_better=True, folds=5, looks=1)


@pytest.mark.parametrize(("folds", "looks", "level"), [(1, 1, 0.05), (5, 0, 0.05), (5, 1, 0.0), (5, 1, 1.0)])
def test_mistakes_are_refused(folds: int, looks: int, level: float) -> None:
    with pytest.raises(ValueError, match="needs folds >= 2, looks >= 1 and 0 < level < 1"):
        is_behind([0.1, 0.2], [0.3, 0.4], greater_is_better=True, folds=folds, looks=looks, level=level)
