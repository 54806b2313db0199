"""A plan as text, with its estimates: what would be computed, why, how long, how much memory and disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.layout import columns, count_text, wrap
from rapidml.planning.estimates import estimate_text
from rapidml.planning.reasons import reason_text
from rapidml.recipe.ranges import list_ranges
from rapidml.recipe.schema import FoldsBy
from rapidml.search_text import plan_line
from rapidml.terminal import left_out_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapidml.execution.running import Prepared
    from rapidml.planning.steps import Reason
    from rapidml.recipe.schema import Split


def plan_lines(prepared: Prepared, width: int | None = None) -> list[str]:
    """What ``rapidml plan`` prints.

    Args:
        prepared: The recipe against the store.
        width: Characters of a line; None for no limit.
    """
    lines = _unread_lines(prepared) if prepared.plan is None else _read_lines(prepared)
    left_out = [] if prepared.plan is None else left_out_lines(prepared.plan.resolved.profile.left_out, width)
    notes = [] if prepared.plan is None else list(prepared.plan.notes)
    if prepared.plan is None or prepared.plan.to_train:
        notes.append(estimate_text(prepared.cost))
    return [*_wrap_all(lines, width), *left_out, *_wrap_all(notes, width)]


def _wrap_all(lines: list[str], width: int | None) -> list[str]:
    return [piece for line in lines for piece in wrap(line, width, "    ")]


def _read_lines(prepared: Prepared) -> list[str]:
    """Steps of a plan whose rows are known: how many are stored, and why the others are not."""
    plan = prepared.plan
    assert plan is not None
    profile = plan.resolved.profile
    read = "to do" if prepared.reading.missing else "stored"
    size = f"{count_text(profile.n_rows, 'row')} x {count_text(len(profile.features), 'feature')}"
    searched = _find_searches(prepared)
    rows = []
    for model in plan.resolved.recipe.models:
        own = plan.fits_by_model.get(model, [])
        to_do = sum(fit.state == "to_do" for fit in own)
        why = [reason_text(reason) for reason in plan.reasons if _concerns(reason, model)]
        planned = searched.get(model)
        if planned is None:
            what = _fits_text(to_do, len(own) - to_do)
        else:
            what = plan_line(planned, folds=plan.resolved.n_folds, then=to_do if own else plan.resolved.n_folds + 1)
            to_do += planned["to_fit"]
        rows.append([model, what, "; ".join(why) if to_do else ""])
    open_steps = sum(step.state == "to_do" for step in plan.evaluations)
    why = [reason_text(reason) for reason in plan.reasons if reason.field.startswith("evaluate.")]
    rows.append(["evaluate", f"{open_steps} to compute" if open_steps else "stored", "; ".join(why)])
    return [f"read      {read}    {size}", *columns(rows, indent="")]


def _find_searches(prepared: Prepared) -> Mapping[str, Any]:
    """What the plan says of the searches, by model."""
    if prepared.checked.recipe.search is None:
        return {}
    from rapidml.execution.running import describe_plan

    return describe_plan(prepared).get("search") or {}


def _fits_text(to_do: int, stored: int) -> str:
    return f"{to_do} to fit{f', {stored} stored' if stored else ''}" if to_do else f"{stored} stored"


def _concerns(reason: Reason, model: str) -> bool:
    """Whether a reason is one for fits of a model; a changed metric is none."""
    return model in reason.models or (not reason.models and not reason.field.startswith("evaluate."))


def _unread_lines(prepared: Prepared) -> list[str]:
    """Steps of a plan before the rows have been read: what is known without them."""
    recipe = prepared.checked.recipe
    files = count_text(len(prepared.checked.identity.files), "file")
    kept = f", {prepared.stored_files} of them read before" if prepared.stored_files else ""
    read = f"to do    {files}{kept}" if prepared.reading.missing else "stored   training rows to be looked at"
    each, search = _expected_fits(recipe.split), recipe.search
    rows = []
    for model, entry in recipe.models.items():
        candidates = f", after a {search.method} search for its best candidate" if search and list_ranges(entry) else ""
        rows.append([model, f"{each}{candidates}"])
    why = "; ".join(reason_text(reason) for reason in prepared.unread_reasons if reason.code != "rows_unknown")
    return [f"read      {read}    {why}", *columns(rows, indent="")]


def _expected_fits(split: Split) -> str:
    """The fits of a model as far as the recipe alone tells."""
    if isinstance(split.folds, FoldsBy):
        return f"to fit, one for each value of {split.folds.by} and one on all training rows"
    return f"{1 if split.folds is None else split.folds + 1} to fit"


def start_lines(name: str, plan: Mapping[str, Any]) -> list[str]:
    """First lines of a run that has something to compute."""
    lines = [f"{name}  {plan['description']}"]
    fits = plan["fits"]
    total = fits["to_train"] + fits["stored"]
    each = f" x ({plan['folds']} folds + 1)" if plan["folds"] else ""
    models = count_text(len(plan["models"]), "model")
    estimate = f", {plan['estimate']}" if plan.get("estimate") else ""
    lines += _search_lines(plan)
    changed = [reason for reason in plan["reasons"] if reason["code"] != "first_run"]
    if changed and fits["to_train"]:
        why = "; ".join(dict.fromkeys(_short(reason) for reason in changed))
        lines.append(f"{fits['to_train']} of {count_text(total, 'fit')} to do: {why}{estimate}")
    elif total:
        lines.append(f"{count_text(total, 'fit')} ({models}{each}), {fits['stored']} stored{estimate}")
    lines += plan["notes"]
    return lines


def _search_lines(plan: Mapping[str, Any]) -> list[str]:
    """What will be searched, a line for each model; the fits of chosen candidates are counted there."""
    lines = []
    for model, planned in (plan.get("search") or {}).items():
        own = plan["models"].get(model)
        then = plan["folds"] + 1 if own is None else own["to_train"]
        lines.append(f"{model}  {plan_line(planned, folds=plan['folds'], then=then)}")
    return lines


def _short(reason: Mapping[str, Any]) -> str:
    from rapidml.planning.steps import Reason

    if reason["code"] == "field_changed":
        return reason_text(Reason(**{**reason, "models": ()})).partition(" (")[0]
    return reason_text(Reason(**{**reason, "models": ()}))
