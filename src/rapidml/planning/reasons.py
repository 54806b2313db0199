"""Why a plan has something to compute: a closed vocabulary, grouped, each naming the field, old -> new and where."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rapidml.planning.steps import Reason
from rapidml.recipe.affects import step_affected
from rapidml.recipe.resolved import write_flow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rapidml.planning.steps import Plan

CODES = {
    "first_run": "nothing of this dataset and recipe is stored",
    "model_added": "the model was not in the run compared with",
    "field_changed": "a field of the recipe that this step reads has another value",
    "data_changed": "files of the dataset were added, removed or changed",
    "not_finished": "planned before, but never finished",
    "failed_before": "failed before; tried again",
    "object_gone": "its files are no longer in the store, or damaged",
    "continued": "more rounds than stored: goes on from the stored fit",
    "cut": "fewer rounds than stored: cut from the stored fit",
    "rows_unknown": "the dataset has not been read yet",
}


@dataclass(frozen=True)
class Reference:
    """The earlier run that a plan is compared with.

    Attributes:
        id: Run id.
        values: Its resolved recipe, flat: dotted field to value.
        origins: Where each value was written.
        identity: Its dataset identity, as in ``run.json``.
        keys: Keys it planned.
        failed: Of these, the keys whose last attempt failed.
        finished: Of these, the keys with a finished fact, whether or not its objects are present.
    """

    id: str
    values: Mapping[str, Any]
    origins: Mapping[str, str]
    identity: Any
    keys: frozenset[str]
    failed: frozenset[str] = frozenset()
    finished: frozenset[str] = frozenset()


def list_changes(reference: Reference, values: Mapping[str, Any], origins: Mapping[str, str]) -> list[Reason]:
    """Every field whose value differs from the reference's, in order of the new recipe.

    A list or mapping that was empty, or is now, is passed over: its items are told one by one.
    """
    names = [*values, *(name for name in reference.values if name not in values)]
    return [
        Reason(
            "field_changed",
            field=name,
            old=reference.values.get(name),
            new=values.get(name),
            origin=_origin(origins, name),
            was=_origin(reference.origins, name),
        )
        for name in names
        if (name in values or reference.values[name] not in ([], {}))
        and (name in reference.values or values[name] not in ([], {}))
        and (
            reference.values.get(name) != values.get(name)
            or type(reference.values.get(name)) is not type(values.get(name))
        )
    ]


def _origin(origins: Mapping[str, str], name: str) -> str:
    """Where a field was written: its own place, or its nearest enclosing field's."""
    while name:
        if name in origins:
            return origins[name]
        name = name.rpartition(".")[0]
    return "default"


def explain(
    plan: Plan, reference: Reference | None, values: Mapping[str, Any], origins: Mapping[str, str], identity: Any
) -> Plan:
    """The plan with its reasons.

    Args:
        plan: Plan without reasons.
        reference: Earlier run to compare with, if any.
        values: The resolved recipe, flat.
        origins: Where each of its values was written.
        identity: The dataset's identity.
    """
    to_do = {fit.model: 0 for fit in plan.fits}
    for fit in plan.fits:
        to_do[fit.model] += fit.state == "to_do"
    for search in plan.searches:
        to_do[search.name] = to_do.get(search.name, 0) + search.count_open().fits + (not search.is_complete)
    total = sum(to_do.values())
    if reference is None:
        reasons = [Reason("first_run", count=total)] if total else []
    else:
        reasons = list(_reasons_against(plan, reference, values, origins, identity, to_do))
    return replace(plan, reasons=tuple(reasons + _starts(plan)))


def explain_unread(
    reference: Reference | None, values: Mapping[str, Any], origins: Mapping[str, str], identity: Any
) -> tuple[Reason, ...]:
    """Why rows are to be read: nothing is known of the fits before that."""
    if reference is None:
        return (Reason("first_run"), Reason("rows_unknown"))
    changes = [c for c in list_changes(reference, values, origins) if step_affected(c.field) != "nothing"]
    files = [Reason("data_changed")] if identity != reference.identity else []
    return (*files, *changes, Reason("rows_unknown"))


def _reasons_against(
    plan: Plan,
    reference: Reference,
    values: Mapping[str, Any],
    origins: Mapping[str, str],
    identity: Any,
    to_do: Mapping[str, int],
) -> Iterable[Reason]:
    waiting = [model for model, count in to_do.items() if count]
    changes = [
        change for change in list_changes(reference, values, origins) if step_affected(change.field) != "nothing"
    ]
    shared = [change for change in changes if not change.field.startswith(("models.", "evaluate."))]
    total = sum(to_do.values())
    if identity != reference.identity and total:
        yield Reason("data_changed", tuple(waiting), count=total)
    if total:
        yield from (replace(change, models=tuple(waiting), count=total) for change in shared)
    for model in waiting:
        if not any(name.startswith(f"models.{model}.") for name in reference.values):
            yield Reason("model_added", (model,), field=f"models.{model}", count=to_do[model])
            continue
        own = [change for change in changes if change.field.startswith(f"models.{model}.")]
        yield from (replace(change, models=(model,), count=to_do[model]) for change in own)
        if not own and not shared and identity == reference.identity:
            yield from _without_change(plan, reference, model)
    if any(step.state == "to_do" for step in plan.evaluations):
        yield from (change for change in changes if change.field.startswith("evaluate."))


def _without_change(plan: Plan, reference: Reference, model: str) -> Iterable[Reason]:
    """Nothing was edited, yet fits are to do: they failed, never finished, or are gone."""
    keys = [fit.key for fit in plan.fits_by_model.get(model, ()) if fit.state == "to_do"]
    if not keys:
        yield Reason("not_finished", (model,))
        return
    failed = sum(key in reference.failed for key in keys)
    gone = sum(key in reference.finished for key in keys)
    counts = {"failed_before": failed, "object_gone": gone, "not_finished": len(keys) - failed - gone}
    yield from (Reason(code, (model,), count=count) for code, count in counts.items() if count)


def _starts(plan: Plan) -> list[Reason]:
    found = []
    for model in plan.resolved.models:
        starting = [fit for fit in plan.fits_by_model[model] if fit.start is not None]
        for code, chosen in (
            ("continued", [fit for fit in starting if fit.start and fit.start.rounds < (fit.spec.rounds or 0)]),
            ("cut", [fit for fit in starting if fit.start and fit.start.rounds >= (fit.spec.rounds or 0)]),
        ):
            if chosen and chosen[0].start is not None:
                found.append(
                    Reason(code, (model,), old=chosen[0].start.rounds, new=chosen[0].spec.rounds, count=len(chosen))
                )
    return found


def reason_text(reason: Reason) -> str:
    """One line for people, such as ``models.bdt.params.max_depth 6 -> 8 (command line; was higgs.yaml:14)``."""
    if reason.code == "field_changed":
        where = f"{reason.origin}; was {reason.was}"
        return f"{reason.field} {_show(reason.old)} -> {_show(reason.new)} ({where})"
    if reason.code in ("continued", "cut"):
        verb = "continued from" if reason.code == "continued" else "cut from"
        return f"{verb} {reason.old} rounds to {reason.new}"
    return {
        "first_run": "first run",
        "model_added": "new model",
        "data_changed": "the files of the dataset changed",
        "not_finished": "not finished before",
        "failed_before": "failed before, tried again",
        "object_gone": "files gone from the store",
        "rows_unknown": "the dataset has not been read yet",
    }[reason.code]


def _show(value: Any) -> str:
    if value is None:
        return "unset"
    text = write_flow(value) if isinstance(value, dict | list) else str(value)
    return text if len(text) <= 40 else text[:37] + "..."
