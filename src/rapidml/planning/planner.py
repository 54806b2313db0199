"""From a resolved recipe and known facts to a plan: what is stored, what is to do, what continues what."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from rapidml.keys import make_key
from rapidml.models.network_params import NETWORKS
from rapidml.models.registry import find_adapter
from rapidml.planning import step_keys
from rapidml.planning.steps import EvaluateStep, FitStep, Plan, Prediction, Start

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from rapidml.models.fitting import ModelSpec
    from rapidml.planning.steps import Resolved

BASELINE = "dummy"
"""Name of the baseline row: class shares or the mean."""


class KnownFacts(Protocol):
    """What planning asks of a store."""

    def find_finished(self, keys: Iterable[str]) -> Collection[str]:
        """Those of the keys whose step is finished and whose objects are present."""
        ...

    def find_family(self, families: Collection[str]) -> Mapping[str, Sequence[tuple[str, int]]]:
        """Stored fits of each family with a kept model, as (key, rounds)."""
        ...


def make_plan(resolved: Resolved, known: KnownFacts) -> Plan:
    """The plan of a resolved recipe against what is stored; reasons are added by ``reasons``."""
    fits: list[FitStep] = []
    evaluations: list[EvaluateStep] = []
    for name, spec in resolved.models.items():
        own = _fits_of_model(resolved, name, spec)
        fits += own
        evaluations += _evaluations(resolved, name, own)
    evaluations += _baseline(resolved)
    keys = [fit.key for fit in fits] + [p.key for fit in fits for p in fit.predictions] + [s.key for s in evaluations]
    finished = set(known.find_finished(keys))
    fits = [_with_state(fit, finished) for fit in fits]
    families = known.find_family({fit.family for fit in fits if fit.family and fit.state == "to_do"})
    fits = [_with_start(fit, families) for fit in fits]
    evaluations = [replace(step, state="stored") if step.key in finished else step for step in evaluations]
    return Plan(resolved, tuple(fits), tuple(evaluations))


def _with_state(fit: FitStep, finished: set[str]) -> FitStep:
    done = fit.key in finished and all(prediction.key in finished for prediction in fit.predictions)
    return replace(fit, state="stored") if done else fit


def _with_start(fit: FitStep, families: Mapping[str, Sequence[tuple[str, int]]]) -> FitStep:
    """Continue the longest shorter fit of the family, or cut the shortest longer one, where its type can be cut."""
    if fit.state == "stored" or fit.family is None:
        return fit
    wanted = fit.spec.rounds
    assert wanted is not None
    others = [Start(key, rounds) for key, rounds in families.get(fit.family, ()) if key != fit.key]
    longer = min((s for s in others if s.rounds >= wanted), key=lambda s: s.rounds, default=None)
    if fit.spec.type in NETWORKS:  # what is stored of them is their last epoch
        longer = None
    shorter = max((s for s in others if s.rounds < wanted), key=lambda s: s.rounds, default=None)
    return replace(fit, start=longer or shorter)


def _fits_of_model(resolved: Resolved, name: str, spec: ModelSpec) -> list[FitStep]:
    has_test = resolved.profile.n_test > 0
    if resolved.n_folds == 0:
        parts = ["valid", "fit"] + ["test"] * has_test
        return [_make_fit(resolved, name, spec, "fit", parts, ())]
    folds = [_make_fit(resolved, name, spec, f"fold:{fold}", [f"held:{fold}"], ()) for fold in range(resolved.n_folds)]
    rounds_from = [fold.key for fold in folds] if spec.early_stopping is not None else []
    final = _make_fit(resolved, name, spec, "train", ["train"] + ["test"] * has_test, rounds_from)
    return [*folds, final]


def _make_fit(
    resolved: Resolved, name: str, spec: ModelSpec, part: str, predicted: Sequence[str], rounds_from: Sequence[str]
) -> FitStep:
    content = step_keys.fit_content(resolved, spec, part, rounds_from)
    key = make_key(content)
    predictions = tuple(Prediction(step_keys.prediction_key(resolved, key, part), part) for part in predicted)
    seed = step_keys.fit_seed(resolved.recipe.seed, part)
    return FitStep(key, _family(content, spec), name, part, spec, seed, predictions, tuple(rounds_from))


def _family(content: Mapping[str, Any], spec: ModelSpec) -> str | None:
    """Key of the fit without its number of rounds; None if it has none, finds them itself, or cannot be continued."""
    if spec.iterations is None or spec.rounds is None or spec.early_stopping is not None:
        return None
    if spec.type in NETWORKS and (
        spec.trainer is not None or find_adapter(spec.type).prefix_rounds(spec.params) is None
    ):
        return None
    model = dict(content["model"])
    model["params"] = {name: value for name, value in model["params"].items() if name != spec.iterations}
    return make_key({**content, "model": model, "family": spec.iterations})


def _evaluations(resolved: Resolved, name: str, fits: Sequence[FitStep]) -> list[EvaluateStep]:
    every = [prediction for fit in fits for prediction in fit.predictions]
    selection = [p for p in every if p.part == "valid" or p.part.startswith("held:")]
    final = [p for p in every if p.part in ("train", "fit", "test")]
    return [_evaluation(resolved, name, "selection", selection), _evaluation(resolved, name, "final", final)]


def _evaluation(resolved: Resolved, model: str, stage: Any, predictions: Sequence[Prediction]) -> EvaluateStep:
    key = step_keys.evaluate_key(resolved, stage, [prediction.key for prediction in predictions])
    return EvaluateStep(key, model, stage, tuple(predictions))


def _baseline(resolved: Resolved) -> list[EvaluateStep]:
    trained = "fit" if resolved.n_folds == 0 else "train"
    selection = [(f"fold:{fold}", f"held:{fold}") for fold in range(resolved.n_folds)] or [("fit", "valid")]
    final = [(trained, trained)] + [(trained, "test")] * (resolved.profile.n_test > 0)
    stages: list[tuple[Any, list[tuple[str, str]]]] = [("selection", selection), ("final", final)]
    return [
        EvaluateStep(step_keys.evaluate_key(resolved, stage, [], parts), BASELINE, stage, (), tuple(parts))
        for stage, parts in stages
    ]
