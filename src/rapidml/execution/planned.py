"""A plan as text, with its estimates: what would be computed, why, how long, how much memory and disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.planning.estimates import estimate_text
from rapidml.planning.reasons import reason_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapidml.execution.running import Prepared


def plan_lines(prepared: Prepared) -> list[str]:
    """What ``rapidml plan`` prints."""
    from rapidml.terminal import columns

    plan = prepared.plan
    if plan is None:
        return _unread_lines(prepared)
    profile = plan.resolved.profile
    read = "to do" if prepared.reading.missing else "stored"
    lines = [f"read      {read}    {profile.n_rows:,} rows x {len(profile.features)} features"]
    rows = []
    for model in plan.resolved.models:
        own = plan.fits_by_model[model]
        to_do = sum(fit.state == "to_do" for fit in own)
        why = [reason_text(reason) for reason in plan.reasons if not reason.models or model in reason.models]
        stored = f", {len(own) - to_do} stored" if len(own) - to_do else ""
        rows.append(
            [model, f"{to_do} to fit{stored}" if to_do else f"{len(own)} stored", "; ".join(why) if to_do else ""]
        )
    open_steps = sum(step.state == "to_do" for step in plan.evaluations)
    rows.append(["evaluate", f"{open_steps} to compute" if open_steps else "stored", ""])
    lines += columns(rows, indent="")
    lines += [f"left out  {name}: {why}" for name, why in profile.left_out]
    lines += plan.notes
    if plan.to_train:
        lines.append(estimate_text(prepared.cost))
    return lines


def _unread_lines(prepared: Prepared) -> list[str]:
    """A plan before the rows have been read: what is known without them."""
    from rapidml.terminal import columns

    recipe = prepared.checked.recipe
    n_files = len(prepared.checked.identity.files)
    files = "1 file" if n_files == 1 else f"{n_files} files"
    kept = f", {prepared.stored_files} of them read before" if prepared.stored_files else ""
    read = f"to do    {files}{kept}" if prepared.reading.missing else "stored   training rows to be looked at"
    folds = recipe.split.folds
    each = "" if not isinstance(folds, int) else f"{folds + 1} "
    rows = [[model, f"{each}to fit"] for model in recipe.models]
    why = "; ".join(reason_text(reason) for reason in prepared.unread_reasons if reason.code != "rows_unknown")
    return [f"read      {read}    {why}", *columns(rows, indent=""), estimate_text(None)]


def start_lines(name: str, plan: Mapping[str, Any]) -> list[str]:
    """First lines of a run that has something to compute."""
    lines = [f"{name}  {plan['description']}"]
    fits = plan["fits"]
    total = fits["to_train"] + fits["stored"]
    each = f"{plan['folds']} folds + 1" if plan["folds"] else "1 fit"
    models = "1 model" if len(plan["models"]) == 1 else f"{len(plan['models'])} models"
    estimate = f", {plan['estimate']}" if plan.get("estimate") else ""
    changed = [reason for reason in plan["reasons"] if reason["code"] != "first_run"]
    if changed and fits["to_train"]:
        why = "; ".join(dict.fromkeys(_short(reason) for reason in changed))
        lines.append(f"{fits['to_train']} of {total} fits to do: {why}{estimate}")
    else:
        lines.append(f"{total} fits ({models} x ({each})), {fits['stored']} stored{estimate}")
    return lines


def _short(reason: Mapping[str, Any]) -> str:
    from rapidml.planning.steps import Reason

    if reason["code"] == "field_changed":
        return reason_text(Reason(**{**reason, "models": ()})).partition(" (")[0]
    return reason_text(Reason(**{**reason, "models": ()}))
