"""Comparing models of stored runs: paired differences of their selection scores, from stored bootstrap replicas."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rapidml.errors import RapidmlError
from rapidml.execution.listing import load_result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rapidml.evaluate.scores import Score
    from rapidml.store.store import Store

DIFFERENT_ROWS = "the runs score different rows or weights: their differences are paired only where row ids agree"


@dataclass(frozen=True)
class Entry:
    """One model of one run that takes part in a comparison.

    Attributes:
        run: Run id.
        name: Name of the run.
        model: Name of the model.
        result: The run's result.
        score: Selection score with replicas.
    """

    run: str
    name: str
    model: str
    result: dict[str, Any]
    score: Score


def compare_runs(store: Store, names: Sequence[str], metric: str | None = None) -> dict[str, Any]:
    """Paired differences against the best of all models named.

    Args:
        store: The store.
        names: ``RUN`` (its chosen model) or ``RUN/MODEL``.
        metric: Metric to compare in; default: the first run's ``rank_by``.

    Returns:
        ``{"metric", "entries": [{"run", "name", "model", "value", "low", "high", "against", "difference": {..}}]}``,
        best first; ``note`` says when the rows differ.

    Raises:
        RunNotFound: A name fits no run.
        RapidmlError: A run has no such model, or no score in the metric.
    """
    from rapidml.evaluate.comparison import choose, order
    from rapidml.evaluate.metrics import get_metric

    results = [(_load(store, name), name) for name in names]
    metric = metric or results[0][0][0]["rank_by"]
    entries = [_entry(store, result, model, metric) for (result, model), _ in results]
    rows = {entry.run: scored_of(entry.result, metric) for entry in entries}
    comparable = {str(i): e.score for i, e in enumerate(entries) if rows[e.run] == rows[entries[0].run]}
    if all(math.isnan(score.value) for score in comparable.values()):
        raise RapidmlError(f"{metric} is undefined for all of them: {entries[0].score.undefined}")
    best = entries[int(choose(comparable, get_metric(metric)))]
    ordered = order({str(i): entry.score for i, entry in enumerate(entries)}, get_metric(metric))
    listed = [_describe(entries[int(i)], best, rows, metric) for i in ordered]
    note = None if len(set(rows.values())) == 1 else DIFFERENT_ROWS
    return {"metric": metric, "balanced": best.result["balanced"], "entries": listed, "note": note}


def _describe(entry: Entry, best: Entry, rows: Mapping[str, str], metric: str) -> dict[str, Any]:
    """One entry of a comparison. No verdict is given on other rows: only the difference."""
    from rapidml.evaluate.comparison import compare_scores, describe_difference
    from rapidml.evaluate.metrics import get_metric
    from rapidml.evaluate.scores import to_null

    difference = compare_scores(entry.score, best.score, get_metric(metric).greater_is_better)
    against = describe_difference(difference)
    if entry is best:
        against = "best"
    elif rows[entry.run] != rows[best.run]:
        against = "other rows"
    elif difference.value == difference.std == 0:
        against = "same scores"
    parts = ("value", "std", "low", "high", "confidence")
    numbers = {part: to_null(getattr(difference, part)) for part in parts}
    return {
        "run": entry.run,
        "name": entry.name,
        "model": entry.model,
        **entry.score.summary(),
        "against": against,
        "difference": {**numbers, "tied": difference.tied},
    }


def _load(store: Store, name: str) -> tuple[dict[str, Any], str]:
    result, model = load_result(store, name)
    if model is None:
        model = next((key for key, entry in result["models"].items() if entry["chosen"]), None)
        if model is None:
            raise RapidmlError(f"run {result['run']} has no model with a score")
    return result, model


def _entry(store: Store, result: dict[str, Any], model: str, metric: str) -> Entry:
    score = find_score(store, result, model, metric)
    if score is None:
        known = ", ".join(result["metrics"])
        raise RapidmlError(f"{result['run']}/{model} has no score in {metric}; it has {known}")
    return Entry(result["run"], result["name"], model, result, score)


def find_score(store: Store, result: Mapping[str, Any], model: str, metric: str) -> Score | None:
    """Selection score of a model of a run, with its replicas; None if it has none.

    Args:
        store: The store.
        result: Result of the run.
        model: Name of the model, or ``dummy``.
        metric: Name of the metric.
    """
    from rapidml.evaluate.scores import Score

    entry = result["models"][model] if model in result["models"] else result["baseline"]
    key = entry["evaluations"].get("selection", "")  # not by the fact's model: under any name it is one fact
    fact = store.find_facts([key], stored=False).get(key)
    if fact is None or metric not in fact.payload.get("selection", {}):
        return None
    return Score.from_json(fact.payload["selection"][metric])


def scored_of(result: Mapping[str, Any], metric: str) -> str:
    """Equal for results whose scores in a metric mean the same: same rows, weights, and balance where it counts."""
    from rapidml.evaluate.metrics import get_metric

    balance = "-balanced" if result["balanced"] and get_metric(metric).can_balance else ""
    return f"{result['scored_rows']}{balance}"
