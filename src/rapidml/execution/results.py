"""The result of a run as one JSON object: scores with intervals, the comparison with the best, costs, counts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rapidml.execution.training import describe_training
from rapidml.planning.planner import BASELINE
from rapidml.planning.step_keys import scored_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rapidml.planning.steps import Plan, Resolved
    from rapidml.store.facts import Fact


def make_result(run: str, name: str, plan: Plan, facts: Mapping[str, Fact], trained: int) -> dict[str, Any]:
    """The object that ``show --json`` prints, from the facts of a plan.

    Args:
        run: Run id.
        name: Name of the run.
        plan: Its plan.
        facts: Newest fact of each key of the plan that has one.
        trained: Fits that this execution trained.

    Returns:
        Plain JSON. Scores are ``{"value", "low", "high"}`` by metric; ``against_best`` compares on selection rows.
    """
    resolved = plan.resolved
    distinct = {fit.key: fit for fit in plan.fits}
    failed = [fit for fit in distinct.values() if fit.key in facts and facts[fit.key].state == "failed"]
    missing = [fit for fit in distinct.values() if fit.key not in facts]
    unscored = [step for step in plan.evaluations if step.key in facts and facts[step.key].state == "failed"]
    evaluations: dict[str, dict[str, Fact]] = {}
    for step in plan.evaluations:
        if step.key in facts and step.candidate is None:
            evaluations.setdefault(step.model, {})[step.stage] = facts[step.key]
    models = {name: _model(name, plan, facts, evaluations.get(name, {})) for name in (*resolved.models, BASELINE)}
    baseline = models.pop(BASELINE)
    chosen, texts, beats_baseline = _compare(plan, facts)
    for model, entry in models.items():
        entry["chosen"] = model == chosen
        entry["against_best"] = texts.get(model)
    baseline["against_best"] = texts.get(BASELINE)
    return {
        "run": run,
        "name": name,
        "state": "failed" if failed or unscored else "interrupted" if missing else "finished",
        "fits": {
            "trained": trained,
            "stored": len(distinct) - trained - len(failed) - len(missing),
            "failed": len(failed),
            "pruned": 0,
            "collapsed": len(plan.fits) - len(distinct),
        },
        "seconds": None,
        "task": {"kind": resolved.task.kind, "classes": list(resolved.task.classes)},
        "rank_by": resolved.rank_by,
        "metrics": list(resolved.metrics),
        "balanced": resolved.balance == "classes",
        "selection": selection_name(resolved),
        "dataset": _dataset(plan),
        "scored_rows": scored_key(resolved),
        "models": models,
        "baseline": baseline,
        "beats_baseline": beats_baseline,
        "errors": _errors([*failed, *unscored], facts),
        "warnings": _warnings(plan, facts),
    }


def selection_name(resolved: Resolved) -> str:
    """What selection rows are called in tables."""
    return "validation" if resolved.n_folds == 0 else "out-of-fold"


def _dataset(plan: Plan) -> dict[str, Any]:
    profile = plan.resolved.profile
    return {
        "rows": profile.n_rows,
        "test_rows": profile.n_test,
        "features": [feature.name for feature in profile.features],
        "weighted": profile.is_weighted,
        "left_out": [list(pair) for pair in profile.left_out],
        "description": profile.describe(),
    }


def _model(name: str, plan: Plan, facts: Mapping[str, Fact], stages: Mapping[str, Fact]) -> dict[str, Any]:
    resolved = plan.resolved
    steps = plan.fits_by_model.get(name, [])
    fits = [facts[fit.key] for fit in steps if fit.key in facts]
    entry: dict[str, Any] = {"selection": _scores(stages, "selection", "selection", resolved.metrics)}
    entry["evaluations"] = {stage: fact.key for stage, fact in stages.items()}
    entry["train"] = _scores(stages, "final", "train", resolved.metrics)
    entry["test"] = _scores(stages, "final", "test", resolved.metrics)
    if name in resolved.models:
        spec = resolved.models[name]
        entry = {"type": spec.type, "params": dict(spec.params), **entry}
        entry["keys"] = {fit.part: fit.key for fit in steps}
        entry["rounds"] = next((f.payload.get("rounds") for f in fits if not _is_fold(f)), None)
        training = describe_training(spec.type, {fit.part: facts[fit.key] for fit in steps if fit.key in facts})
        entry |= {} if training is None else {"training": training}
    entry["seconds"] = round(sum(fact.seconds for fact in fits), 3)
    entry["fits"] = len(fits)
    return entry


def _is_fold(fact: Fact) -> bool:
    return str(fact.payload.get("part", "")).startswith("fold:")


def _scores(stages: Mapping[str, Fact], stage: str, group: str, metrics: Sequence[str]) -> dict[str, Any] | None:
    fact = stages.get(stage)
    if fact is None or fact.state != "finished" or group not in fact.payload:
        return None
    stored = fact.payload[group]
    return {
        name: {part: stored[name][part] for part in ("value", "low", "high", "std")}
        for name in metrics
        if name in stored
    }


def selection_scores(plan: Plan, facts: Mapping[str, Fact]) -> dict[str, Any]:
    """Selection score of every evaluated model and of the baseline in the ranking metric, with replicas."""
    from rapidml.evaluate.scores import Score

    found = {}
    for step in plan.evaluations:
        fact = facts.get(step.key)
        is_chosen = step.stage == "selection" and step.candidate is None
        if is_chosen and fact is not None and fact.state == "finished":
            found[step.model] = Score.from_json(fact.payload["selection"][plan.resolved.rank_by])
    return found


def _compare(plan: Plan, facts: Mapping[str, Fact]) -> tuple[str | None, dict[str, str], bool | None]:
    """Name of the chosen model, how each model stands against it, and whether it beats the baseline."""
    from rapidml.evaluate.comparison import beats, choose, compare_scores, describe_difference
    from rapidml.evaluate.metrics import get_metric

    scores = selection_scores(plan, facts)
    baseline = scores.pop(BASELINE, None)
    if not scores:
        return None, {}, None
    metric = get_metric(plan.resolved.rank_by)
    if all(math.isnan(score.value) for score in scores.values()):
        return None, dict.fromkeys(scores, "undefined"), None
    best = choose(scores, metric)
    texts = {
        name: "best"
        if name == best
        else describe_difference(compare_scores(score, scores[best], metric.greater_is_better))
        for name, score in {**scores, **({} if baseline is None else {BASELINE: baseline})}.items()
    }
    return best, texts, None if baseline is None else beats(scores[best], baseline, metric)


def _errors(failed: Sequence[Any], facts: Mapping[str, Fact]) -> list[dict[str, Any]]:
    return [
        {
            "model": fit.model,
            "part": fit.part if hasattr(fit, "part") else f"{fit.stage} scores",
            "error": facts[fit.key].error,
            "traceback": facts[fit.key].payload.get("traceback"),
        }
        for fit in failed
    ]


def _warnings(plan: Plan, facts: Mapping[str, Fact]) -> list[dict[str, Any]]:
    """What libraries warned of, by model, with the number of fits."""
    counts: dict[tuple[str, str], int] = {}
    for fit in plan.fits:
        for text in facts[fit.key].payload.get("warnings", ()) if fit.key in facts else ():
            counts[fit.model, text] = counts.get((fit.model, text), 0) + 1
    return [{"model": model, "text": text, "fits": count} for (model, text), count in counts.items()]


def make_summary(result: Mapping[str, Any], scored_rows: str) -> dict[str, Any]:
    """What listings show of a result: flat and small.

    Args:
        result: The result.
        scored_rows: Equal for runs whose scores can be compared: same rows, same weights.
    """
    chosen = next((name for name, entry in result["models"].items() if entry["chosen"]), None)
    selection = {} if chosen is None else result["models"][chosen]["selection"] or {}
    return {
        "rows": result["dataset"]["rows"],
        "scored_rows": scored_rows,
        "chosen": chosen,
        "rank_by": result["rank_by"],
        "balanced": result["balanced"],
        "score": selection.get(result["rank_by"]),
        **{f"scores.{name}": score["value"] for name, score in selection.items()},
    }
