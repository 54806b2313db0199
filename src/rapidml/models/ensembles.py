"""scikit-learn's ensembles whose trees are added one after the other: their first trees are the smaller ensemble.

Forests draw the seed of each tree in turn, and gradient boosting never looks back; so a fit with fewer trees is the
first part of one with more. Ensembles that may end early (AdaBoost) or draw all seeds at once (bagging) are not here.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

FOREST = ("RandomForest", "ExtraTrees")
BOOSTED = ("GradientBoosting",)
DEFAULT_TREES = 100
"""Trees where ``n_estimators`` is not given: scikit-learn's own default, of all these classes."""


def is_prefixed(name: str) -> bool:
    """Whether a class of this dotted name is made of trees added one after the other."""
    return name.rpartition(".")[2].startswith((*FOREST, *BOOSTED))


def find_prefix_rounds(params: Mapping[str, Any]) -> int | None:
    """Number of trees of a fit with these parameters; None where a smaller ensemble is not its first part.

    ``n_iter_no_change`` ends the fit when it likes, and the Huber loss stores a scale that each tree changes.
    """
    if params.get("n_iter_no_change") is not None or params.get("loss") == "huber":
        return None
    return int(params.get("n_estimators", DEFAULT_TREES))


def cut_ensemble(estimator: Any, rounds: int) -> Any:
    """The ensemble with its first trees alone; the trees are shared with the whole one.

    Args:
        estimator: A fitted ensemble of a class that ``is_prefixed``.
        rounds: Number of trees (of boosted ones: for each class) to keep.

    Raises:
        ValueError: It has fewer trees, or ``rounds`` is below 1, or its trees are no prefix.
    """
    params = estimator.get_params(deep=False)
    whole = len(estimator.estimators_)
    if not 1 <= rounds <= whole or find_prefix_rounds(params) is None:
        raise ValueError(f"cannot cut an ensemble of {whole} trees to {rounds}")
    cut = copy.copy(estimator)
    cut.n_estimators = rounds
    cut.estimators_ = estimator.estimators_[:rounds]
    if hasattr(estimator, "train_score_"):
        _cut_scores(cut, rounds)
    return cut


def _cut_scores(cut: Any, rounds: int) -> None:
    """Cut what gradient boosting remembers of its rounds."""
    cut.n_estimators_ = rounds
    cut.train_score_ = cut.train_score_[:rounds]
    if hasattr(cut, "oob_scores_"):
        cut.oob_scores_ = cut.oob_scores_[:rounds]
        cut.oob_improvement_ = cut.oob_improvement_[:rounds]
        cut.oob_score_ = cut.oob_scores_[-1]


def forget_generator(estimator: Any) -> None:
    """Drop the random generator that gradient boosting leaves in itself and in its trees: only going on needs it."""
    if not (type(estimator).__name__.startswith(BOOSTED) and hasattr(estimator, "_rng")):
        return
    del estimator._rng  # noqa: SLF001
    for tree in estimator.estimators_.ravel():
        tree.random_state = estimator.random_state
