"""Finding and listing stored runs: for ``ls``, ``show`` and ``best``. Imports nothing heavy: these must be instant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.errors import RapidmlError, RunNotFound

if TYPE_CHECKING:
    from rapidml.store.store import Store


def list_entries(store: Store, filter_text: str | None = None, limit: int | None = 30) -> list[dict[str, Any]]:
    """Runs, newest first, each as a flat record.

    Args:
        store: The store.
        filter_text: Expression over ``name``, ``state``, ``tags``, ``seconds``, ``dataset``, ``scores.METRIC``, ...
        limit: Number of runs at most.

    Raises:
        ExpressionError: The filter is not an expression.
    """
    test = None
    if filter_text is not None:
        from rapidml.dataset.expression import parse_expression

        test = parse_expression(filter_text).test
    return [run.to_record() for run in store.list_runs(limit=limit, test=test)]


def load_result(store: Store, name: str) -> tuple[dict[str, Any], str | None]:
    """The stored result of ``RUN`` or ``RUN/MODEL``, and the model named.

    Raises:
        RunNotFound: No run fits, or it has no such model.
        RapidmlError: The run has no result yet.
    """
    run, model = store.runs.parse(name)
    result: dict[str, Any] | None = store.runs.load(run).get("result")
    if result is None:
        state = store.get_run(run).state
        raise RapidmlError(f"run {run} has no result yet: it is {state}; run its recipe again to go on")
    if model is not None and model != "dummy" and model not in result["models"]:
        raise RunNotFound(f"run {run} has no model {model}; it has {', '.join(result['models'])}")
    return result, model


def find_best(store: Store, run_or_filter: str | None) -> dict[str, Any]:
    """The best model of a run, or of all finished runs that a filter selects, by selection score.

    Args:
        store: The store.
        run_or_filter: A run's name, an expression, or None for all runs.

    Returns:
        ``{"run", "name", "model", "metric", "score", "params"}``.

    Raises:
        RunNotFound: Nothing has a score.
        RapidmlError: The runs rank by different metrics, or score different rows.
    """
    entries = _candidates(store, run_or_filter)
    metrics = {entry["rank_by"] for entry in entries}
    if not entries:
        raise RunNotFound("no finished run with a score fits; rapidml ls lists all runs")
    if len(metrics) > 1:
        raise RapidmlError(
            f"these runs rank by different metrics ({', '.join(sorted(metrics))}): filter them by rank_by"
        )
    if len({entry["scored_rows"] for entry in entries}) > 1:
        names = ", ".join(sorted({entry["name"] for entry in entries}))
        raise RapidmlError(f"these runs score different rows or weights ({names}): name a run, or filter them")
    from rapidml.evaluate.metrics import get_metric

    metric = metrics.pop()
    pick = max if get_metric(metric).greater_is_better else min
    chosen = pick(entries, key=lambda entry: entry["score"]["value"])
    result, _ = load_result(store, chosen["id"])
    model = result["models"][chosen["chosen"]]
    return {
        "run": chosen["id"],
        "name": chosen["name"],
        "model": chosen["chosen"],
        "metric": metric,
        "balanced": result["balanced"],
        "score": chosen["score"],
        "type": model["type"],
        "params": model["params"],
    }


def _candidates(store: Store, run_or_filter: str | None) -> list[dict[str, Any]]:
    if run_or_filter is not None:
        try:
            run = store.runs.find(run_or_filter)
        except RunNotFound:
            if not any(sign in run_or_filter for sign in "=<>() "):
                raise
        else:
            return [entry for entry in list_entries(store, None, None) if entry["id"] == run and entry.get("score")]
    return [entry for entry in list_entries(store, run_or_filter, None) if entry.get("score")]
