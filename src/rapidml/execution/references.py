"""The earlier run that a plan is compared with, so that it can say what was edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.errors import StoreError
from rapidml.execution.comparing import find_score, scored_of
from rapidml.keys import make_key
from rapidml.planning.reasons import Reference, list_changes
from rapidml.recipe.naming import run_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapidml.planning.checking import Checked
    from rapidml.planning.steps import Plan
    from rapidml.store.store import Store


def find_reference(
    store: Store, checked: Checked, values: Mapping[str, Any], origins: Mapping[str, str]
) -> Reference | None:
    """The run to compare a plan with: among the newest of its name and of its dataset the one with fewest changes."""
    dataset = make_key({"identity": checked.identity.to_json()})
    name = run_name(checked.document)
    records = [*store.index.find_runs("name", name)[:10], *store.index.find_runs("dataset", dataset)[:10]]
    found = [_load_reference(store, run) for run in dict.fromkeys(record.id for record in records)]
    known = [reference for reference in found if reference is not None]
    identity = checked.identity.to_json()
    return min(
        known, key=lambda known: (known.identity != identity, len(list_changes(known, values, origins))), default=None
    )


def _load_reference(store: Store, run: str) -> Reference | None:
    content = store.runs.load(run)
    if "values" not in content:
        return None
    return Reference(
        id=run,
        values=content["values"],
        origins=content["origins"],
        identity=content["identity"],
        keys=frozenset(content["keys"]),
    )


def compare_with_reference(
    plan: Plan | None, reference: Reference | None, store: Store, result: dict[str, Any]
) -> dict[str, str]:
    """How each model whose fits changed stands against the same model of the run compared with."""
    from rapidml.evaluate.comparison import compare_scores
    from rapidml.evaluate.formatting import format_change
    from rapidml.evaluate.metrics import get_metric

    if plan is None or reference is None or reference.id == result["run"]:
        return {}
    try:
        before = store.runs.load(reference.id).get("result") or {}
    except StoreError:  # removed meanwhile
        return {}
    metric = result["rank_by"]
    if not before or scored_of(before, metric) != scored_of(result, metric):
        return {}
    texts = {}
    for name in dict.fromkeys(fit.model for fit in plan.fits if fit.state == "to_do"):
        if name in before.get("models", {}) and metric in before["metrics"]:
            now, then = (find_score(store, each, name, metric) for each in (result, before))
            if now is not None and then is not None:
                difference = compare_scores(now, then, get_metric(metric).greater_is_better)
                texts[name] = format_change(difference, "the run before")
    return texts
