"""How the time of a fit depends on the number of threads or shards: a serial part, a parallel part, an exchange.

Time at ``n``: ``T(n) = serial + parallel / n + exchange * (n - 1)``. The first two terms are Amdahl's law. The third is
the latency of a ring of ``n`` ranks, which a sum goes round in ``2 (n - 1)`` steps; what the ring transfers at its
bandwidth grows as ``(n - 1) / n``, which times cannot tell from ``serial`` and ``parallel``.

References:
    Amdahl (1967), "Validity of the single processor approach to achieving large scale computing capabilities",
    AFIPS 30, 483-485. Lawson and Hanson (1974), "Solving Least Squares Problems", chapter 23.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

DRAWS = 1000
"""Bootstrap draws of the repetitions."""
COVERAGE = 0.683
"""Share of the draws inside an interval: one standard deviation of a normal distribution."""
TERMS = ("serial", "parallel", "exchange")
_SEED = 20261122


@dataclass(frozen=True)
class Interval:
    """A number with its interval.

    Attributes:
        value: The number.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float | None]:
        """Plain tree; what is infinite is null."""
        ends = {"value": self.value, "low": self.low, "high": self.high}
        return {name: number if math.isfinite(number) else None for name, number in ends.items()}


@dataclass(frozen=True)
class CostModel:
    """Coefficients in seconds, with those of every bootstrap draw.

    Attributes:
        numbers: Numbers of threads or shards whose times were fitted, ascending.
        n_fits: Number of times.
        terms: Names of the terms that were fitted, the first of ``TERMS``.
        coefficients: One for each term, none below zero. Shape ``(n_terms,)``.
        draws: The same for each draw. Shape ``(n_draws, n_terms)``.
        misfit: Largest relative deviation from the mean time at a number.
    """

    numbers: tuple[int, ...]
    n_fits: int
    terms: tuple[str, ...]
    coefficients: NDArray[np.float64] = field(repr=False)
    draws: NDArray[np.float64] = field(repr=False)
    misfit: float

    @property
    def is_tested(self) -> bool:
        """Whether there are more numbers than coefficients, so that the times could contradict the model."""
        return len(self.numbers) > len(self.terms)

    def term(self, name: str) -> Interval:
        """A coefficient, seconds.

        Raises:
            ValueError: It was not fitted.
        """
        place = self.terms.index(name)
        return _interval(self.coefficients[place], self.draws[:, place])

    def seconds(self, number: float) -> Interval:
        """Time at a number of threads or shards, measured or not."""
        row = _design([number], self.terms)[0]
        return _interval(row @ self.coefficients, self.draws @ row)

    def speed_up(self, number: float) -> Interval:
        """Time at the smallest number that was measured, divided by that at another one."""
        first, row = _design([self.numbers[0], number], self.terms)
        return _interval(
            _divide(first @ self.coefficients, row @ self.coefficients), _divide(self.draws @ first, self.draws @ row)
        )

    def limit(self) -> Interval:
        """Largest speed-up against the smallest number that was measured, for any number; infinite without a limit.

        Without exchange it is Amdahl's ``T(first) / serial``; with one it is reached at ``sqrt(parallel / exchange)``.
        """
        first = _design([self.numbers[0]], self.terms)[0]
        return _interval(
            _divide(first @ self.coefficients, _least(self.coefficients)),
            _divide(self.draws @ first, _least(self.draws)),
        )


def fit_cost_model(
    repetitions: Sequence[Mapping[int, float]], *, with_exchange: bool = False, n_draws: int = DRAWS
) -> CostModel:
    """Fit the coefficients to all times by least squares, none of them below zero.

    Deviations count relative to the mean time at their number, since clocks err by a share. The draws take whole
    repetitions with replacement, so that what slows one down at all its numbers does not blur the ratios; they are the
    same for the same times.

    Args:
        repetitions: Of each, the seconds by number of threads or shards; a number may be absent from some.
        with_exchange: Fit that term too, if there are three numbers or more; with fewer it cannot be told apart.
        n_draws: Number of bootstrap draws.

    Raises:
        ValueError: There are fewer than two numbers, or a time is not above zero.
    """
    import numpy as np

    numbers = tuple(sorted({number for times in repetitions for number in times}))
    if len(numbers) < 2:
        raise ValueError("a cost model needs times at two numbers at least")
    times = np.array([[one.get(number, math.nan) for number in numbers] for one in repetitions], dtype=np.float64)
    if not (np.isnan(times) | (times > 0)).all():
        raise ValueError("the times at every number must be above zero")
    terms = TERMS if with_exchange and len(numbers) > 2 else TERMS[:2]
    design = _design(numbers, terms)
    found = _solve(design, times, np.ones(len(times)))
    draws = [_solve(design, times, taken) for taken in _draw(times, n_draws)]
    misfit = float(np.abs(design @ found / np.nanmean(times, axis=0) - 1.0).max())
    n_fits = int((~np.isnan(times)).sum())
    return CostModel(numbers, n_fits, terms, found, np.array(draws).reshape(-1, len(terms)), misfit)


def _draw(times: NDArray[np.float64], n_draws: int) -> Iterator[NDArray[np.float64]]:
    """How often each repetition is taken, for every draw; one that leaves a number without a time is not used."""
    import numpy as np

    draw = np.random.default_rng(_SEED)
    is_known = ~np.isnan(times)
    n_done = 0
    while n_done < n_draws:
        taken = draw.multinomial(len(times), np.full(len(times), 1.0 / len(times))).astype(np.float64)
        if (taken @ is_known > 0).all():
            n_done += 1
            yield taken


def _design(numbers: Iterable[float], terms: Sequence[str]) -> NDArray[np.float64]:
    """What each coefficient is multiplied with. Shape ``(n_numbers, n_terms)``."""
    import numpy as np

    rows = [(1.0, 1.0 / number, number - 1.0) for number in numbers]
    return np.array(rows, dtype=np.float64)[:, : len(terms)]


def _solve(design: NDArray[np.float64], times: NDArray[np.float64], taken: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least squares without negative coefficients: the best of the free solutions of all subsets of the terms.

    The times of one number enter as their mean, which gives the same coefficients as each by itself.

    Args:
        design: What each coefficient is multiplied with. Shape ``(n_numbers, n_terms)``.
        times: Seconds, NaN where there are none. Shape ``(n_repetitions, n_numbers)``.
        taken: How often each repetition counts. Shape ``(n_repetitions,)``.
    """
    import numpy as np

    counts = taken @ ~np.isnan(times)
    means = taken @ np.nan_to_num(times) / counts
    scale = np.sqrt(counts) / means
    weighted, wanted = design * scale[:, None], means * scale
    n_terms, best, lowest = design.shape[1], np.zeros(design.shape[1]), math.inf
    for chosen in (chosen for size in range(n_terms, 0, -1) for chosen in combinations(range(n_terms), size)):
        found = np.linalg.lstsq(weighted[:, chosen], wanted, rcond=None)[0]
        if (found < -1e-12 * means.max()).any():
            continue
        found = np.maximum(found, 0.0)
        residual = float(((weighted[:, chosen] @ found - wanted) ** 2).sum())
        if residual < lowest - 1e-12:
            best, lowest = np.zeros(n_terms), residual
            best[list(chosen)] = found
    return best


def _least(coefficients: NDArray[np.float64]) -> Any:
    """Shortest time at any number; of one model, or of each row."""
    import numpy as np

    serial, parallel = coefficients[..., 0], coefficients[..., 1]
    if coefficients.shape[-1] < 3:
        return serial
    exchange = coefficients[..., 2]
    at = np.maximum(1.0, np.sqrt(_divide(parallel, exchange)))
    far = np.isinf(at)
    finite = np.where(far, 1.0, at)
    return np.where(far, serial, serial + parallel / finite + exchange * (finite - 1.0))


def _divide(above: Any, below: Any) -> Any:
    """Quotients, infinite where the lower number is zero."""
    import numpy as np

    above, below = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    return np.divide(above, below, out=np.full(np.broadcast(above, below).shape, math.inf), where=below > 0)


def _interval(value: Any, draws: NDArray[np.float64]) -> Interval:
    import numpy as np

    ordered = np.sort(np.asarray(draws, dtype=np.float64))
    # without interpolation: between a finite and an infinite draw there is nothing
    low, high = np.quantile(ordered, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2], method="inverted_cdf")
    return Interval(float(value), float(low), float(high))
