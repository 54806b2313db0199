"""The training weight of a fit's rows, made from the physics weight as `training:` says. Scores never see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from rapidml.dataset.problems import FieldError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rapidml.recipe.schema import Training


def make_training_weight(
    physics: NDArray[np.floating] | None,
    target_codes: NDArray[np.integer] | None,
    training: Training,
    balance: Literal["none", "classes"],
) -> tuple[NDArray[np.float64] | None, NDArray[np.bool_]]:
    """The weight that a fit uses: negative weights treated, then classes brought to equal sums, then mean 1.

    Args:
        physics: Physics weight of the fit's rows; None if all rows weigh the same. Shape ``(n_rows,)``.
        target_codes: Class index of each row; None for regression. Shape ``(n_rows,)``.
        training: The recipe's ``training``.
        balance: ``training.balance``, or the default that the data give it.

    Returns:
        The weight, of mean 1 over the rows that are kept and 0 on the others, or None if all rows weigh the same;
        and which rows are kept. Both of shape ``(n_rows,)``; with neither weights nor classes nothing tells the
        number of rows, and the mask is empty.

    Raises:
        FieldError: A weight is null or infinite, weights are negative though ``negative_weights`` is ``error``, or
            the weights of a class (of all rows) have no positive sum.
    """
    if balance == "classes" and target_codes is None:
        raise ValueError("only classes can be balanced")
    if physics is None and balance == "none":
        return None, np.ones(0 if target_codes is None else len(target_codes), np.bool_)
    weight = np.ones(len(target_codes)) if physics is None and target_codes is not None else np.array(physics, float)
    keep = _treat_negative(weight, training.negative_weights)
    if balance == "classes" and target_codes is not None:
        weight[keep] = balance_classes(weight[keep], target_codes[keep])
    total = weight[keep].sum()
    if not total > 0:
        text = f"training weights with a positive sum; they sum to {total:.6g}"
        raise FieldError(("dataset", "weight"), text, "mend the weights, or select other rows")
    weight *= keep.sum() / total
    return weight, keep


def balance_classes(weight: NDArray[np.float64], codes: NDArray[np.integer]) -> NDArray[np.float64]:
    """The weights scaled class by class so that every class present has the same sum and the total is as before.

    Args:
        weight: Weight of each row. Shape ``(n_rows,)``.
        codes: Class index of each row. Shape ``(n_rows,)``.

    Returns:
        Scaled weights. Shape ``(n_rows,)``.

    Raises:
        FieldError: The weights of a class have no positive sum.
    """
    if not len(codes):
        return weight
    present, classes = np.unique(codes, return_inverse=True)
    sums = np.bincount(classes, weight, minlength=len(present))
    if not np.all(sums > 0):
        worst = int(np.argmin(sums))
        text = f"weights with a positive sum in every class; those of class number {int(present[worst])} sum to"
        fix = "mend the weights, or write training.balance: none"
        raise FieldError(("dataset", "weight"), f"{text} {sums[worst]:.6g}", fix)
    return np.asarray(weight * (sums.sum() / len(present) / sums)[classes])


def _treat_negative(weight: NDArray[np.float64], rule: str) -> NDArray[np.bool_]:
    """Treat negative weights in place and say which rows are kept."""
    if not np.all(np.isfinite(weight)):
        count = int((~np.isfinite(weight)).sum())
        text = f"a finite weight in every row; {count:,} of {len(weight):,} have none"
        raise FieldError(("dataset", "weight"), text, "mend the weights, or drop these rows with dataset.select")
    negative = weight < 0
    if rule == "drop":
        weight[negative] = 0.0
        return np.asarray(~negative)
    if rule == "absolute":
        np.abs(weight, out=weight)
    elif rule == "error" and negative.any():
        raise _negative_error(weight, negative)
    return np.ones(len(weight), np.bool_)


def _negative_error(weight: NDArray[np.float64], negative: NDArray[np.bool_]) -> FieldError:
    count, share = int(negative.sum()), negative.mean()
    weight_share = -weight[negative].sum() / np.abs(weight).sum()
    rows = "1 training row has a negative weight" if count == 1 else f"{count:,} training rows have negative weights"
    shares = f"{share:.2%} of the rows, {weight_share:.2%} of the sum of absolute weights"
    where = ("training", "negative_weights")
    return FieldError(where, f"what to do with negative weights; {rows} ({shares})", "write drop, absolute or use")
