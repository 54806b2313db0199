"""Deciding every default that depends on the data, once the training rows have been looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapidml.planning.checking import check_metrics
from rapidml.planning.steps import Resolved

if TYPE_CHECKING:
    from rapidml.dataset.columns import TableRequest
    from rapidml.dataset.profile import Profile
    from rapidml.planning.checking import Checked
    from rapidml.recipe.document import Document


def resolve(checked: Checked, request: TableRequest, profile: Profile) -> Resolved:
    """The recipe with all defaults decided.

    Args:
        checked: The recipe after its first check.
        request: Rows and columns of its table.
        profile: What its training rows look like.

    Raises:
        RecipeError: The data contradict the recipe: a leaking feature, negative weights, a model or metric that does
            not fit the task.
    """
    from rapidml.evaluate.metrics import default_rank_by
    from rapidml.models.checking import check_model
    from rapidml.models.fitting import resolve_model

    document, recipe = checked.document, checked.recipe
    task = profile.task
    for name, entry in recipe.models.items():
        check_model(document, name, entry, task.kind, profile)
    check_metrics(document, task.kind)
    _check_weights(document, profile)
    _check_leaks(document, profile)
    document.finish()
    rank_by = recipe.evaluate.rank_by or default_rank_by(task.kind)
    metrics = (rank_by, *(name for name in dict.fromkeys(recipe.evaluate.also) if name != rank_by))
    balance = recipe.training.balance
    if balance is None:
        balance = "classes" if request.weight is not None and task.kind != "regression" else "none"
    return Resolved(
        recipe=recipe,
        request=request,
        profile=profile,
        task=task,
        balance=balance,
        rank_by=rank_by,
        metrics=metrics,
        models={name: resolve_model(entry, task) for name, entry in recipe.models.items()},
        n_folds=profile.n_folds,
    )


def _check_leaks(document: Document, profile: Profile) -> None:
    for leak in profile.leaks:
        what = "the target" if leak.kind == "target" else "the weight within a class"
        document.add(
            ["dataset", "features"],
            f"features that do not give the answer away: '{leak.feature}' alone follows {what} ({leak.describe()})",
            f"leave it out with features: {{exclude: [{leak.feature}]}}, or list it by its full name if it is honest",
        )


def _check_weights(document: Document, profile: Profile) -> None:
    recipe = document.recipe
    if recipe is None:
        return
    if recipe.training.balance == "classes" and profile.task.kind == "regression":
        document.add(["training", "balance"], "none for regression: there are no classes to balance", "write 'none'")
    if profile.n_negative_weights and recipe.training.negative_weights == "error":
        share = profile.n_negative_weights / max(1, profile.n_training)
        document.add(
            ["training", "negative_weights"],
            f"what to do with {profile.n_negative_weights:,} negative weights ({share:.1%} of the training rows)",
            "write negative_weights: drop, absolute or use; scores always use the weights as they are",
        )
