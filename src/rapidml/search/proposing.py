"""Which candidate to try next, from the scores so far: Optuna's sampler and pruner by ask and tell, in memory.

The study is thrown away with the process and made again from what is known: nothing of Optuna's is ever stored. The
only module that imports Optuna.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NamedTuple

from rapidml.errors import ExtraNotInstalled
from rapidml.keys import make_seed
from rapidml.search.range_values import is_same, tidy_value
from rapidml.search.space import identify

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

    from rapidml.recipe.ranges import Range
    from rapidml.search.space import Space

EXTRA = "search"
N_RANDOM = 10
"""Candidates are drawn until so many have a score; they are those of the method ``random``."""
REDUCTION = 3
"""One candidate in about so many goes on from a rung to the next."""
_MOST_TRIES = 5
"""Proposals in a row that are forbidden or not new, after which a candidate is drawn instead."""


class Rung(NamedTuple):
    """Where candidates are compared on their way.

    Attributes:
        rounds: Rounds of each fit.
        folds: Folds that it is fitted and scored on, the first ones.
    """

    rounds: int
    folds: int


@dataclass(frozen=True)
class Known:
    """What is known of one candidate before the search begins or goes on.

    Attributes:
        values: A value for the name of every range.
        score: Its score; None if it failed, or is not finished.
        rungs: Score at each rung that it has reached.
        pruned: It was stopped; ``score`` is then what it had reached, if anything.
    """

    values: Mapping[str, Any]
    score: float | None
    rungs: Mapping[Rung, float] = field(default_factory=dict)
    pruned: bool = False


def require_optuna(method: str) -> None:
    """Check that Optuna is installed, without importing it.

    Raises:
        ExtraNotInstalled: It is not.
    """
    if find_spec("optuna") is None:
        raise ExtraNotInstalled(f"search.method: {method}", EXTRA)


def list_rungs(rounds: int, folds: int) -> tuple[Rung, ...]:
    """Where candidates are compared, ascending; the last is the whole of a candidate.

    The first fold alone tells who is far behind, first after a third of the rounds, then after all: no earlier, for
    short fits prefer what learns fast to what ends best. Folds are what saves most. With boosted trees over learning
    rates, depths and leaf weights, at a quarter of a grid's rounds, 40 candidates on these rungs found as good a one as
    the grid's 54, and 22 with one look at a third of the rounds on all of three folds did not.

    Args:
        rounds: Rounds of a whole fit.
        folds: Number of folds.

    Example:
        >>> list_rungs(100, 3)
        (Rung(rounds=34, folds=1), Rung(rounds=100, folds=1), Rung(rounds=100, folds=3))
    """
    first = math.ceil(rounds / REDUCTION)
    return tuple(dict.fromkeys((Rung(first, 1), Rung(rounds, 1), Rung(rounds, folds))))


class Proposer:
    """The candidates of one model, one after another, each informed by the scores told so far.

    Candidates have numbers: those of ``known`` 0, 1, .. in their order, those of ``ask`` the next ones. A known
    candidate without a score that was not stopped keeps others away from its values, and may be told of later.
    The first candidates are drawn, as with the method random, until enough have a score; later ones come from a
    tree-structured Parzen estimator over all ranges together. With ``rungs``, a candidate is stopped at one when others
    do better there: asynchronous successive halving.

    Args:
        space: The candidates that there are.
        seed: Seed of the proposals: the same seed, known candidates and order of calls give the same proposals.
        greater_is_better: Direction of the score.
        rungs: Where candidates are compared and may be stopped, ascending; the last is the whole of a candidate, where
            none is stopped. Empty if none is stopped at all.
        known: What is known so far. Candidates outside the space inform nothing.

    Raises:
        ExtraNotInstalled: Optuna is not installed.

    References:
        Watanabe (2023), "Tree-structured Parzen estimator: understanding its algorithm components", arXiv:2304.11127.
        Li et al. (2020), "A system for massively parallel hyperparameter tuning", MLSys, arXiv:1810.05934.
    """

    def __init__(
        self,
        space: Space,
        *,
        seed: int,
        greater_is_better: bool,
        rungs: Sequence[Rung] = (),
        known: Sequence[Known] = (),
    ) -> None:
        require_optuna("hyperband" if rungs else "tpe")
        self._rungs = tuple(rungs)
        self._space = space
        self._axes = {range_.name: _make_axis(range_) for range_ in space.ranges}
        self._study = _make_study(greater_is_better=greater_is_better, has_rungs=bool(rungs))
        self._neutral, self._guided = self._study.sampler, _make_sampler(make_seed(seed, "propose", len(known)))
        self._seen: set[str] = set()
        self._draws = space.iter_draws(seed, self._seen)
        self._open: dict[int, Trial | None] = {}  # None: outside the space
        self._n_numbers = 0
        self._n_scored = 0
        for candidate in known:
            self._add(candidate)

    def ask(self) -> tuple[int, dict[str, Any]] | None:
        """The next candidate: one that was neither proposed nor known, and is not forbidden.

        Returns:
            Its number and values, or None if there is no other candidate.
        """
        proposed = self._sample() if self._n_scored >= N_RANDOM else None
        if proposed is None:
            values = next(self._draws, None)
            if values is None:
                return None
            proposed = self._begin(values), values
        trial, values = proposed
        number = self._take_number()
        self._open[number] = trial
        return number, values

    def report(self, number: int, rung: Rung, score: float) -> bool:
        """Take the score of a candidate at a rung.

        Args:
            number: Number of a candidate that is not finished.
            rung: One of the rungs; ascending from call to call.
            score: Score at it; NaN stops the candidate.

        Returns:
            Whether the candidate should be stopped, which is then to be told. Never after the last rung.

        Raises:
            ValueError: No such rung.
            KeyError: No unfinished candidate has this number.
        """
        if rung not in self._rungs:
            raise ValueError(f"{rung} is no rung; the rungs are {self._rungs}")
        trial = self._open[number]
        return trial is not None and rung != self._rungs[-1] and self._report(trial, rung, score)

    def tell(self, number: int, score: float | None, *, pruned: bool = False) -> None:
        """Take the end of a candidate.

        Args:
            number: Number of a candidate that is not finished.
            score: Its score; None or NaN if it failed: later proposals keep away from its values.
            pruned: It was stopped; ``score`` is what it had reached so far, if anything.

        Raises:
            KeyError: No unfinished candidate has this number.
        """
        trial = self._open.pop(number)
        reached = score is not None and not math.isnan(score)
        if trial is not None and (reached or pruned):
            self._finish(trial, score if reached else None, pruned=pruned)

    def _take_number(self) -> int:
        self._n_numbers += 1
        return self._n_numbers - 1

    def _add(self, known: Known) -> None:
        """Take a known candidate, with its rungs if candidates are compared at rungs."""
        number = self._take_number()
        self._seen.add(identify(known.values))
        is_scored = known.score is not None and not math.isnan(known.score)
        is_finished = is_scored or known.pruned
        if not self._space.contains(known.values):
            if not is_finished:
                self._open[number] = None
            return
        rungs = list(takewhile(known.rungs.__contains__, self._rungs[:-1]))  # Optuna fills gaps with what comes later
        if is_scored and not known.pruned and not rungs:
            self._add_scored(known)
            return
        trial = self._begin(known.values)
        for rung in rungs:
            self._report(trial, rung, known.rungs[rung])
        if is_finished:
            self._finish(trial, known.score if is_scored else None, pruned=known.pruned)
        else:
            self._open[number] = trial

    def _report(self, trial: Trial, rung: Rung, score: float) -> bool:
        """Tell Optuna, for which rungs are steps that grow by the reduction; whether the candidate should stop."""
        trial.report(score, REDUCTION ** self._rungs.index(rung))
        return bool(trial.should_prune())

    def _add_scored(self, known: Known) -> None:
        from optuna.trial import create_trial

        params = self._encode(known.values)
        self._study.add_trial(create_trial(params=params, distributions=self._distributions, value=known.score))
        self._n_scored += 1

    def _sample(self) -> tuple[Trial, dict[str, Any]] | None:
        """A new candidate of the guided sampler; None if it only finds others."""
        self._study.sampler = self._guided
        for _ in range(_MOST_TRIES):
            trial = self._study.ask(self._distributions)
            values = {name: axis.decode(trial.params[name]) for name, axis in self._axes.items()}
            name = identify(values)
            if name not in self._seen and self._space.is_allowed(values):
                self._seen.add(name)
                return trial, values
            # Left unfinished, it counts as bad from now on, and the next proposal is another one.
        return None

    def _begin(self, values: Mapping[str, Any]) -> Trial:
        self._study.sampler = self._neutral
        self._study.enqueue_trial(self._encode(values))
        return self._study.ask(self._distributions)

    def _finish(self, trial: Trial, score: float | None, *, pruned: bool) -> None:
        from optuna.trial import TrialState

        if not pruned:
            self._study.tell(trial, score)
        else:
            if score is not None:
                trial.report(score, 0)  # before every rung: it counts if the candidate reached none
            self._study.tell(trial, state=TrialState.PRUNED)
        self._n_scored += 1

    @property
    def _distributions(self) -> dict[str, BaseDistribution]:
        return {name: axis.distribution for name, axis in self._axes.items()}

    def _encode(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: axis.encode(values[name]) for name, axis in self._axes.items()}


@dataclass(frozen=True)
class _Axis:
    """A range in Optuna's terms.

    Attributes:
        range_: The range.
        choices: Values of ``any``, ascending if they are numbers: Optuna sees their positions.
        distribution: What Optuna samples from.
    """

    range_: Range
    choices: tuple[Any, ...] | None
    distribution: BaseDistribution

    def encode(self, value: Any) -> int | float:
        if self.choices is not None:
            return next(index for index, choice in enumerate(self.choices) if is_same(choice, value))
        low, high = self.range_.values
        inside = min(max(value, low), high)
        return int(inside) if self.range_.is_integer else float(inside)

    def decode(self, param: float) -> Any:
        return tidy_value(self.range_, param) if self.choices is None else self.choices[int(param)]


def _make_axis(range_: Range) -> _Axis:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if range_.kind != "any":
        low, high = range_.values
        log = range_.kind == "log"
        distribution: BaseDistribution = (
            IntDistribution(low, high, log=log) if range_.is_integer else FloatDistribution(low, high, log=log)
        )
        return _Axis(range_, None, distribution)
    last = len(range_.values) - 1
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in range_.values):
        return _Axis(range_, tuple(sorted(range_.values)), IntDistribution(0, last))
    return _Axis(range_, range_.values, CategoricalDistribution(range(last + 1)))


def _make_sampler(seed: int) -> Any:
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed, n_startup_trials=0, multivariate=True, constant_liar=True)


def _make_study(*, greater_is_better: bool, has_rungs: bool) -> Study:
    import optuna

    pruner = (
        optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=REDUCTION)
        if has_rungs
        else optuna.pruners.NopPruner()
    )
    with _silent():
        return optuna.create_study(
            direction="maximize" if greater_is_better else "minimize",
            sampler=optuna.samplers.RandomSampler(seed=0),
            pruner=pruner,
            study_name="search",
        )


@contextmanager
def _silent() -> Iterator[None]:
    """Optuna's log without what it says about a new study; its level is then as it was."""
    from optuna.logging import WARNING, get_verbosity, set_verbosity

    before = get_verbosity()
    set_verbosity(max(before, WARNING))
    try:
        yield
    finally:
        set_verbosity(before)
