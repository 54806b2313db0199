"""The candidates of a search: which there are, what is known of them, and which is the best. Nothing is computed here.

A candidate is scored fold by fold. A score has a key of its own, made of its prediction's and of what it is compared
with; the metrics are not in it, so that a new one is added to what is there. The fits behind the scores have the keys
of the same model written without ranges.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rapidml.evaluate.metrics import get_metric
from rapidml.keys import canonical_json, make_key
from rapidml.models.fitting import ModelSpec, resolve_model
from rapidml.models.network_params import merge_layers
from rapidml.models.registry import find_adapter
from rapidml.planning import step_keys
from rapidml.planning.candidates import Candidate, OpenSteps, Scored, ScoreStep
from rapidml.planning.forbidding import make_forbid
from rapidml.recipe.ranges import list_ranges, put_values
from rapidml.recipe.schema import Total
from rapidml.search.space import Space

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rapidml.planning.steps import Resolved
    from rapidml.recipe.ranges import Range
    from rapidml.recipe.schema import ModelEntry, Search


class ModelSearch:
    """The search over the ranges of one model: its candidates, and what is known of them.

    Args:
        resolved: The recipe with its defaults decided.
        name: Name of the model.

    Attributes:
        candidates: By number.
        known: What is known of the steps, by key.
        predicted: Steps whose predictions are stored, so that they are scored without a fit: key to seconds of the fit.
        pruned: Numbers of the candidates that were stopped.
        errors: Why a fit on the way to a candidate failed, by number.
        reached: Rounds, folds, score and seconds of candidates that are looked at on the way, by number.
        repeats: Fits of candidates on folds that were drawn again, by number.
        journalled: Numbers of the candidates that this run has written down before.
        parts: Rows that the fits of a candidate train on: each fold's, or those without the validation part.
        trained: Fits that this execution has trained.
        spent: Seconds that they took.
        collapsed: Fits that it saved because longer ones contained them.
    """

    def __init__(self, resolved: Resolved, name: str) -> None:
        assert resolved.recipe.search is not None
        self.resolved = resolved
        self.name = name
        self.entry: ModelEntry = resolved.ranged[name]
        self.search: Search = resolved.recipe.search
        self.ranges: tuple[Range, ...] = list_ranges(self.entry)
        self.space = Space(self.ranges, make_forbid(self.search, name, self.ranges))
        self.metric = get_metric(resolved.rank_by)
        self.candidates: list[Candidate] = []
        self.known: dict[str, Scored] = {}
        self.predicted: dict[str, float] = {}
        self.pruned: set[int] = set()
        self.errors: dict[int, str] = {}
        self.trained = 0
        self.spent = 0.0
        self.collapsed = 0
        self._numbers: dict[str, int] = {}
        self._owners: dict[str, list[Candidate]] = {}
        self._means: dict[int, float] = {}
        self._failed: set[int] = set()
        self._best: int | None = None
        self.reached: dict[int, dict[str, float]] = {}
        self.repeats: dict[int, tuple[ScoreStep, ...]] = {}
        self.journalled: set[int] = set()
        self.parts: tuple[str, ...] = tuple(_list_parts(resolved))
        self._contents: dict[tuple[str, int], dict[str, Any]] = {}
        self.family = make_key({**self._base_content(self.parts[0], 0), "model": {"type": self.entry.type}})
        """Key of every fit of this type on these rows, whatever its parameters."""

    @property
    def is_adaptive(self) -> bool:
        """Whether what is proposed depends on the scores so far."""
        return self.search.method in ("tpe", "hyperband")

    @property
    def is_endless(self) -> bool:
        """Whether time alone ends it."""
        return self.wanted is None and self.search.method != "grid"

    @property
    def wanted(self) -> int | None:
        """Number of candidates to be scored; None for all of a grid, or as many as the time allows."""
        written = self.search.candidates
        if isinstance(written, Total):
            names = list(self.resolved.ranged)
            share, rest = divmod(written.total, len(names))
            return share + (names.index(self.name) < rest)
        return written

    def make_spec(self, values: Mapping[str, Any]) -> ModelSpec:
        """The model with some values in place of its ranges."""
        return resolve_model(put_values(self.entry, values), self.resolved.task)

    def find(self, values: Mapping[str, Any]) -> Candidate | None:
        """The candidate with these values, if there is one."""
        number = self._numbers.get(canonical_json(values))
        return None if number is None else self.candidates[number]

    def add(self, values: Mapping[str, Any]) -> Candidate:
        """The candidate with these values, new or known."""
        text = canonical_json(values)
        if text not in self._numbers:
            spec = self.make_spec(values)
            steps = tuple(self._make_step(spec, part) for part in self.parts)
            self._numbers[text] = len(self.candidates)
            candidate = Candidate(len(self.candidates), dict(values), spec, steps)
            self.candidates.append(candidate)
            for step in steps:
                self._owners.setdefault(step.key, []).append(candidate)
            self._judge(candidate)
        return self.candidates[self._numbers[text]]

    def add_scored(self, values: Mapping[str, Any]) -> None:
        """Add the candidate with these values if all of its fits are scored: others are not ours to go on with."""
        spec = self.make_spec(values)
        if all(self.is_scored(self._make_step(spec, part)) for part in self.parts):
            self.add(values)

    def learn(self, key: str, scored: Scored) -> None:
        """Take what became of a step, of a candidate or on the way to one."""
        self.known[key] = scored
        for candidate in self._owners.get(key, ()):
            self._judge(candidate)

    def prune(self, candidate: Candidate) -> None:
        """Take that a candidate was stopped."""
        self.pruned.add(candidate.number)
        self._judge(candidate)

    def revive(self, candidate: Candidate) -> None:
        """Take that a candidate goes on that was stopped."""
        self.pruned.discard(candidate.number)
        self._judge(candidate)

    def fail(self, candidate: Candidate, error: str) -> None:
        """Take that a fit on the way to a candidate has failed."""
        self.errors[candidate.number] = error
        self._judge(candidate)

    def _judge(self, candidate: Candidate) -> None:
        """Bring up to date what follows from the scores of a candidate."""
        mean = None if candidate.number in self.pruned else self.mean_of(candidate.steps)
        number = candidate.number
        if mean is None:
            self._means.pop(number, None)
        else:
            self._means[number] = mean
        if number == self._best:  # it may be no longer
            self._best = min(self._means, key=self._rank, default=None)
        elif mean is not None and (self._best is None or self._rank(number) < self._rank(self._best)):
            self._best = number
        if self.find_error(candidate) is not None:
            self._failed.add(candidate.number)
        else:
            self._failed.discard(candidate.number)

    def add_planned(self) -> None:
        """Add every candidate that is known before anything is scored: of a grid, or drawn."""
        if self.search.method == "grid":
            planned = self.space.list_grid(self.wanted)
        elif self.search.method == "random" and self.wanted is not None:
            planned = self.space.list_draws(self.resolved.recipe.seed, self.wanted)
        else:
            return
        for values in planned:
            self.add(values)

    def add_journalled(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Add what this run has proposed before, in the order in which it did.

        Args:
            entries: Lines of its journal, those of other models among them.
        """
        for entry in entries:
            if entry.get("model") == self.name and self.space.contains(entry["values"]):
                candidate = self.add(entry["values"])
                self.journalled.add(candidate.number)
                if "repetition" in entry:
                    self.repeat(candidate, entry["repetition"])
                if "pruned" in entry:
                    (self.prune if entry["pruned"] else self.revive)(candidate)

    def repeat(self, candidate: Candidate, repetition: int) -> None:
        """Fit a candidate once more, on folds that are drawn again."""
        steps = tuple(self._make_step(candidate.spec, part, repetition) for part in self.parts)
        self.repeats[candidate.number] = (*self.repeats.get(candidate.number, ()), *steps)
        for step in steps:
            self._owners.setdefault(step.key, []).append(candidate)
        self._judge(candidate)

    def list_steps(self, candidate: Candidate) -> tuple[ScoreStep, ...]:
        """All fits of a candidate, those on folds drawn again at the end."""
        return (*candidate.steps, *self.repeats.get(candidate.number, ()))

    def _base_content(self, part: str, repetition: int) -> dict[str, Any]:
        """Content of the key of a fit on a part, without its model."""
        if (part, repetition) not in self._contents:
            content = step_keys.fit_content(self.resolved, ModelSpec("", {}), part, (), repetition)
            del content["model"]
            self._contents[part, repetition] = content
        return self._contents[part, repetition]

    def _make_step(self, spec: ModelSpec, part: str, repetition: int = 0) -> ScoreStep:
        model = step_keys.model_content(spec)
        content = {**self._base_content(part, repetition), "model": model}
        if spec.weights_ignored or step_keys.NAMING & set(spec.params):
            content = step_keys.fit_content(self.resolved, spec, part, (), repetition)
        fit = make_key(content)
        held = part.replace("fold", "held") if part.startswith("fold:") else "valid"
        prediction = step_keys.prediction_key(self.resolved, fit, held, repetition)
        adapter = find_adapter(spec.type)
        prefix = None if spec.early_stopping is not None else adapter.prefix
        if prefix is not None and adapter.prefix_rounds(spec.params) is not None:
            model = {**model, "params": {name: value for name, value in spec.params.items() if name != prefix}}
        family = make_key({**content, "model": model, "family": prefix})
        key = step_keys.score_key(self.resolved, prediction)
        return ScoreStep(key, fit, prediction, part, held, family, repetition)

    def is_legal(self, values: Mapping[str, Any]) -> bool:
        """Whether the model takes some values, as far as it can tell before it is fitted."""
        params = merge_layers(put_values(self.entry, values))
        return not any(find_adapter(self.entry.type).check(params, self.resolved.task.kind))

    def count_fits(self, values: Iterable[Mapping[str, Any]]) -> int:
        """Fits that candidates with some values would take; those that are prefixes of others take none."""
        part = self.parts[0]
        return len({self._make_step(self.make_spec(one), part).family for one in values}) * len(self.parts)

    def rungs_of(self, candidate: Candidate, rounds: int) -> tuple[ScoreStep, ...]:
        """The steps of a candidate trained for fewer rounds."""
        spec = shorten(candidate.spec, rounds)
        return tuple(self._make_step(spec, part) for part in self.parts)

    def is_scored(self, step: ScoreStep) -> bool:
        """Whether all metrics of the recipe are known of a step."""
        known = self.known.get(step.key)
        return known is not None and known.error is None and known.metrics.keys() >= set(self.resolved.metrics)

    def list_open(self, candidate: Candidate) -> list[ScoreStep]:
        """Steps of a candidate that are to be done."""
        if candidate.number in self.pruned:
            return []
        return [step for step in self.list_steps(candidate) if not self.is_scored(step)]

    def fold_scores(self, candidate: Candidate) -> list[float | None]:
        """Score in the ranking metric for each fold; None where it is unknown or undefined."""
        found = (self.known.get(step.key) for step in candidate.steps)
        return [None if one is None or one.error else one.metrics.get(self.metric.name) for one in found]

    def list_scores(self, candidate: Candidate) -> list[float]:
        """Scores in the ranking metric on all folds of all drawings; NaN where unknown."""
        found = (self.known.get(step.key) for step in self.list_steps(candidate))
        scores = (None if one is None or one.error else one.metrics.get(self.metric.name) for one in found)
        return [math.nan if score is None else score for score in scores]

    def mean(self, candidate: Candidate) -> float | None:
        """Plain mean over the folds; None unless all are known and defined, and for one that was stopped."""
        return self._means.get(candidate.number)

    def mean_of(self, steps: Sequence[ScoreStep]) -> float | None:
        """Plain mean over some steps; None unless all are known and defined."""
        found = (self.known.get(step.key) for step in steps)
        scores = [None if one is None or one.error else one.metrics.get(self.metric.name) for one in found]
        known = [score for score in scores if score is not None]
        return math.fsum(known) / len(known) if len(known) == len(scores) else None

    def ranked(self) -> list[Candidate]:
        """The candidates that are scored on all folds, the best first, equals in order of their numbers."""
        return [self.candidates[number] for number in sorted(self._means, key=self._rank)]

    def _rank(self, number: int) -> tuple[bool, float, int]:
        """Candidates that were repeated, because they were tied with the best, come first, by all of their folds."""
        again = self.mean_again(self.candidates[number])
        mean = self._means[number] if again is None else again
        return (again is None, -mean if self.metric.greater_is_better else mean, number)

    def mean_again(self, candidate: Candidate) -> float | None:
        """Plain mean over all folds of all drawings; None for a candidate that was not repeated."""
        return self.mean_of(self.list_steps(candidate)) if candidate.number in self.repeats else None

    @property
    def best(self) -> Candidate | None:
        """The best candidate so far; the first of equals."""
        return None if self._best is None else self.candidates[self._best]

    @property
    def n_scored(self) -> int:
        """Number of candidates that are scored on all folds."""
        return len(self._means)

    @property
    def n_failed(self) -> int:
        """Number of candidates of which a fit has failed."""
        return len(self._failed)

    def find_error(self, candidate: Candidate) -> str | None:
        """Why a fit of a candidate has failed; None if none has."""
        known = (self.known.get(step.key) for step in self.list_steps(candidate))
        return next((one.error for one in known if one and one.error), self.errors.get(candidate.number))

    def is_failed(self, candidate: Candidate) -> bool:
        """Whether a fit of a candidate has failed."""
        return candidate.number in self._failed

    @property
    def is_complete(self) -> bool:
        """Whether every candidate that is wanted is scored or pruned."""
        is_growing = self.is_adaptive or (self.search.method == "random" and self.wanted is None)
        if is_growing and (self.wanted is None or not self._has_enough(self.wanted)):
            return False
        return bool(self.candidates) and not any(self.list_open(one) for one in self.candidates)

    def _has_enough(self, wanted: int) -> bool:
        count = self.space.count
        return len(self.candidates) >= (wanted if count is None else min(wanted, count))

    def count_coming(self) -> int:
        """Candidates that are wanted and not proposed yet."""
        if not self.is_adaptive or self.wanted is None:
            return 0
        count = self.space.count
        return max(0, (self.wanted if count is None else min(count, self.wanted)) - len(self.candidates))

    def find_rounds(self) -> int | None:
        """Rounds of a whole fit, as of the first values of all ranges; None for a model without."""
        return self.make_spec({one.name: one.values[0] for one in self.ranges}).rounds

    def count_open(self) -> OpenSteps:
        """What is to be done of the candidates that are known."""
        wanted = [step for one in self.candidates for step in self.list_open(one)]
        to_fit = [(step.family, step.part) for step in wanted if step.key not in self.predicted]
        groups = len(set(to_fit))
        return OpenSteps(groups, len(to_fit) - groups, len(wanted) - len(to_fit))


def shorten(spec: ModelSpec, rounds: int) -> ModelSpec:
    """The same model trained for another number of rounds."""
    assert spec.iterations is not None
    return replace(spec, params={**spec.params, spec.iterations: rounds}, rounds=rounds)


def _list_parts(resolved: Resolved) -> list[str]:
    return [f"fold:{fold}" for fold in range(resolved.n_folds)] or ["fit"]
