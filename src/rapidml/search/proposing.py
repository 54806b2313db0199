"""Which candidate to try next, from the scores so far: Optuna's sampler and pruner by ask and tell, in memory.

The study is thrown away with the process and made again from what is known: nothing of Optuna's is ever stored. The
only module that imports Optuna.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

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
"""One candidate in so many goes on from a rung to the next, which has so many times the rounds."""
LOOKS = 1
"""Rungs before the last one. Earlier ones prefer what learns fast to what ends best: with boosted trees over learning
rates, depths and leaf weights, at equal total rounds, one look at a third found better candidates than two or three."""
_MOST_TRIES = 5
"""Proposals in a row that are forbidden or not new, after which a candidate is drawn instead."""


@dataclass(frozen=True)
class Known:
    """What is known of one candidate before the search begins or goes on.

    Attributes:
        values: A value for the name of every range.
        score: Its score; None if it failed, or is not finished.
        rungs: Score after so many rounds.
        pruned: It was stopped; ``score`` is then what it had reached, if anything.
    """

    values: Mapping[str, Any]
    score: float | None
    rungs: Mapping[int, float] = field(default_factory=dict)
    pruned: bool = False


def require_optuna(method: str) -> None:
    """Check that Optuna is installed, without importing it.

    Raises:
        ExtraNotInstalled: It is not.
    """
    if find_spec("optuna") is None:
        raise ExtraNotInstalled(f"search.method: {method}", EXTRA)


def list_rungs(rounds: int, least: int = 1, looks: int = LOOKS) -> tuple[int, ...]:
    """Rounds after which candidates are compared, ascending; the last is the whole fit.

    Args:
        rounds: Rounds of a whole fit.
        least: No comparison after fewer rounds.
        looks: Number of comparisons on the way, unless ``least`` leaves no room for them.

    Example:
        >>> list_rungs(100), list_rungs(100, looks=2)
        ((34, 100), (12, 36, 100))
    """
    rungs = []
    rung = max(least, math.ceil(rounds / REDUCTION**looks))
    while rung < rounds:
        rungs.append(rung)
        rung *= REDUCTION
    return (*rungs, rounds)


class Proposer:
    """The candidates of one model, one after another, each informed by the scores told so far.

    Candidates have numbers: those of ``known`` 0, 1, .. in their order, those of ``ask`` the next ones. A known
    candidate without a score that was not stopped keeps others away from its values, and may be told of later.
    The first candidates are drawn, as with the method random, until enough have a score; later ones come from a
    tree-structured Parzen estimator over all ranges together. With ``rounds``, a candidate is stopped at a rung when
    others do better there: asynchronous successive halving.

    Args:
        space: The candidates that there are.
        seed: Seed of the proposals: the same seed, known candidates and order of calls give the same proposals.
        greater_is_better: Direction of the score.
        rounds: Rounds of a whole fit if candidates are stopped on the way; None if they are not.
        least: No candidate is stopped after fewer rounds.
        looks: How often a candidate may be stopped on the way.
        known: What is known so far. Candidates outside the space inform nothing.

    Attributes:
        rungs: Rounds at which ``report`` is due, ascending; the last is ``rounds``. Empty without ``rounds``.

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
        rounds: int | None = None,
        least: int = 1,
        looks: int = LOOKS,
        known: Sequence[Known] = (),
    ) -> None:
        require_optuna("tpe" if rounds is None else "hyperband")
        self.rungs = () if rounds is None else list_rungs(rounds, least, looks)
        self._space = space
        self._axes = {range_.name: _make_axis(range_) for range_ in space.ranges}
        self._study = _make_study(greater_is_better=greater_is_better, least=self.rungs[0] if self.rungs else None)
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

    def report(self, number: int, rounds: int, score: float) -> bool:
        """Take the score of a candidate after some rounds.

        Args:
            number: Number of a candidate that is not finished.
            rounds: One of ``rungs``; ascending from call to call.
            score: Score after so many rounds; NaN stops the candidate.

        Returns:
            Whether the candidate should be stopped, which is then to be told. Never after the last rung.

        Raises:
            ValueError: No such rung.
            KeyError: No unfinished candidate has this number.
        """
        if rounds not in self.rungs:
            raise ValueError(f"{rounds} rounds are no rung; the rungs are {self.rungs}")
        trial = self._open[number]
        return trial is not None and _report(trial, rounds, score) and rounds < self.rungs[-1]

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
        rungs = [rung for rung in self.rungs if rung in known.rungs]
        if is_scored and not known.pruned and not rungs:
            self._add_scored(known)
            return
        trial = self._begin(known.values)
        for rung in rungs:
            _report(trial, rung, known.rungs[rung])
        if is_finished:
            self._finish(trial, known.score if is_scored else None, pruned=known.pruned)
        else:
            self._open[number] = trial

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


def _make_study(*, greater_is_better: bool, least: int | None) -> Study:
    import optuna

    pruner = (
        optuna.pruners.NopPruner()
        if least is None
        else optuna.pruners.SuccessiveHalvingPruner(min_resource=least, reduction_factor=REDUCTION)
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


def _report(trial: Trial, rounds: int, score: float) -> bool:
    trial.report(score, rounds)
    return bool(trial.should_prune())
