"""The set tied with the best: models and candidates that the rows cannot tell from it, and the cheapest of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.errors import StoreError
from rapidml.execution.candidate_table import load_candidates
from rapidml.execution.comparing import compare_runs
from rapidml.execution.listing import list_scored, load_result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapidml.execution.candidate_table import Candidate, CandidateTable
    from rapidml.store.store import Store

_MOST_RUNS = 30
"""Runs whose chosen models are compared: those with the best scores."""


def list_tied(store: Store, found: Mapping[str, Any], run_or_filter: str | None) -> list[dict[str, Any]]:
    """The best model and everything tied with it, best first.

    Args:
        store: The store.
        found: What ``find_best`` found.
        run_or_filter: What it was asked for: a run's name, an expression, or None for all runs.

    Returns:
        ``{"run", "name", "model", "candidate", "values", "params", "value", "low", "high", "seconds", "best",
        "cheapest"}`` each: the models of the best run, the chosen models of other runs, and the candidates of the best
        model, as far as they are tied. ``seconds`` are those of the fits that the score comes from.
    """
    result, _ = load_result(store, found["run"])
    names = [f"{found['run']}/{name}" for name, entry in result["models"].items() if _is_scored(entry, found["metric"])]
    names += _other_runs(store, found, run_or_filter)
    comparison = compare_runs(store, names, found["metric"])
    tied: list[dict[str, Any]] = []
    known: set[frozenset[str]] = set()
    for entry in comparison["entries"]:
        is_best = (entry["run"], entry["model"]) == (found["run"], found["model"])
        if not is_best and entry["against"] not in ("tied", "same scores"):
            continue
        content = result if entry["run"] == found["run"] else load_result(store, entry["run"])[0]
        model = content["models"][entry["model"]]
        fits = frozenset(_selection_keys(model))
        if not is_best and fits in known:
            continue  # the same model of another run
        known.add(fits)
        tied += _expand(store, entry, model, is_best=is_best)
    tied.sort(key=lambda entry: not entry["best"])
    _mark_cheapest(tied)
    return tied


def _is_scored(entry: Mapping[str, Any], metric: str) -> bool:
    return metric in (entry["selection"] or {})


def _other_runs(store: Store, found: Mapping[str, Any], run_or_filter: str | None) -> list[str]:
    """The other runs that were asked for, those with the best scores."""
    from rapidml.evaluate.metrics import get_metric

    entries = [entry for entry in list_scored(store, run_or_filter)[0] if entry["id"] != found["run"]]
    greater = get_metric(found["metric"]).greater_is_better
    entries = [entry for entry in entries if entry["score"]["value"] is not None]
    entries.sort(key=lambda entry: entry["score"]["value"], reverse=greater)
    return [entry["id"] for entry in entries[:_MOST_RUNS]]


def _expand(store: Store, entry: Mapping[str, Any], model: Mapping[str, Any], *, is_best: bool) -> list[dict[str, Any]]:
    """A model that is tied; of the best one also the candidates tied with the chosen one."""
    table = _find_table(store, entry["run"], entry["model"]) if model.get("search") else None
    number = model["search"]["best"] if model.get("search") else None
    chosen = None if table is None or number is None else table.find(number)
    seconds = _fold_seconds(store, model) if chosen is None or chosen.seconds is None else chosen.seconds
    own = {
        **{part: entry[part] for part in ("run", "name", "model")},
        "candidate": number,
        "values": {} if chosen is None else dict(chosen.values),
        "params": dict(model["params"]),
        **{part: entry[part] for part in ("value", "low", "high")},
        "seconds": seconds,
        "best": is_best,
        "cheapest": False,
    }
    if table is None or not is_best:
        return [own]
    return [own, *(_candidate(own, row) for row in table.tied if row.number != number)]


def _candidate(own: Mapping[str, Any], row: Candidate) -> dict[str, Any]:
    """A candidate of the best model; its parameters are the chosen ones with its own values."""
    params = dict(own["params"])
    for name, value in row.values.items():
        first, _, rest = name.partition(".")
        if first == "params":
            params = _put(params, rest.split("."), value)
    score = {"value": row.mean, "low": row.low, "high": row.high}
    own = {**own, "candidate": row.number, "values": dict(row.values), "params": params, **score}
    return {**own, "seconds": row.seconds, "best": False}


def _put(tree: Mapping[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    inner = tree.get(path[0])
    if len(path) > 1 and isinstance(inner, dict):
        value = _put(inner, path[1:], value)
    return {**tree, path[0]: value}


def _find_table(store: Store, run: str, model: str) -> CandidateTable | None:
    try:
        return load_candidates(store, run).get(model)
    except StoreError:
        return None


def _selection_keys(model: Mapping[str, Any]) -> list[str]:
    """Keys of the fits that a selection score comes from: not the final fit where there are folds."""
    return [key for part, key in model["keys"].items() if part != "train"]


def _fold_seconds(store: Store, model: Mapping[str, Any]) -> float | None:
    facts = store.find_facts(_selection_keys(model), stored=False)
    return round(sum(fact.seconds for fact in facts.values()), 3) if facts else None


def _mark_cheapest(tied: list[dict[str, Any]]) -> None:
    known = [entry for entry in tied if entry["seconds"] is not None]
    if len(tied) > 1 and known:
        min(known, key=lambda entry: entry["seconds"])["cheapest"] = True
