"""Deciding every default that depends on the data, once the training rows have been looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapidml.planning.checking import check_against
from rapidml.planning.steps import Resolved

if TYPE_CHECKING:
    from rapidml.dataset.columns import TableRequest
    from rapidml.dataset.profile import Profile
    from rapidml.planning.checking import Checked
    from rapidml.recipe.schema import Split


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
    from rapidml.evaluate.metrics import default_rank_by, get_metric
    from rapidml.models.fitting import resolve_model
    from rapidml.recipe.ranges import list_ranges

    document, recipe = checked.document, checked.recipe
    task = profile.task
    check_against(document, profile)
    document.finish()
    rank_by, *also = (
        get_metric(name).name for name in (recipe.evaluate.rank_by or default_rank_by(task.kind), *recipe.evaluate.also)
    )
    metrics = (rank_by, *(name for name in dict.fromkeys(also) if name != rank_by))
    balance = recipe.training.balance
    if balance is None:
        balance = "classes" if request.weight is not None and task.kind != "regression" else "none"
    ranged = {name: entry for name, entry in recipe.models.items() if list_ranges(entry)}
    return Resolved(
        recipe=recipe,
        request=request,
        profile=profile,
        task=task,
        balance=balance,
        rank_by=rank_by,
        metrics=metrics,
        models={name: resolve_model(entry, task) for name, entry in recipe.models.items() if name not in ranged},
        ranged=ranged,
        n_folds=_count_folds(recipe.split, profile),
    )


def _count_folds(split: Split, profile: Profile) -> int:
    """Number of folds: as written, or as many as the expression has values. A profile serves any number of folds."""
    if split.valid is not None:
        return 0
    return split.folds if isinstance(split.folds, int) else profile.n_folds
