"""Training weights: order of the treatments, messages, and laws of balance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.utils.class_weight import compute_sample_weight

from rapidml.dataset.training_weight import balance_classes, make_training_weight
from rapidml.errors import DatasetError
from rapidml.recipe.schema import Training

PHYSICS = np.array([1.0, 2.0, -1.0, 4.0, 0.0, 2.0])
CODES = np.array([0, 0, 0, 1, 1, 1])


def test_without_weights_and_balance_all_rows_weigh_the_same() -> None:
    weight, keep = make_training_weight(None, CODES, Training(), "none")
    assert weight is None
    assert_array_equal(keep, np.ones(6, bool))
    assert make_training_weight(None, None, Training(), "none")[0] is None


def test_negative_weights_dropped_then_balanced_then_mean_one() -> None:
    weight, keep = make_training_weight(PHYSICS, CODES, Training(negative_weights="drop"), "classes")
    assert weight is not None
    assert_array_equal(keep, PHYSICS >= 0)
    # class sums 3 and 6 become equal; 5 rows are kept
    assert_allclose(weight, np.array([1 / 3, 2 / 3, 0, 4 / 6, 0, 2 / 6]) * 2.5)


def test_negative_weights_absolute_and_used() -> None:
    weight, keep = make_training_weight(PHYSICS, CODES, Training(negative_weights="absolute"), "none")
    assert weight is not None
    assert keep.all()
    assert_allclose(weight, np.abs(PHYSICS) * 0.6)
    weight, keep = make_training_weight(PHYSICS, CODES, Training(negative_weights="use"), "classes")
    assert weight is not None
    assert keep.all()
    assert_allclose(weight, np.array([1 / 2, 2 / 2, -1 / 2, 4 / 6, 0, 2 / 6]) * 3)


def test_the_physics_weight_is_left_as_it_is() -> None:
    physics = PHYSICS.copy()
    make_training_weight(physics, CODES, Training(negative_weights="drop"), "classes")
    assert_array_equal(physics, PHYSICS)


def test_balance_of_counts_is_scikit_learns() -> None:
    codes = np.array([0] * 7 + [1] * 2 + [2] * 4)
    weight, _ = make_training_weight(None, codes, Training(), "classes")
    assert weight is not None
    assert_allclose(weight, compute_sample_weight("balanced", codes))


def test_regression_is_rescaled_only() -> None:
    weight, _ = make_training_weight(np.array([1, 2, 3]), None, Training(), "none")
    assert weight is not None
    assert_allclose(weight, [0.5, 1.0, 1.5])


@given(arrays(np.float64, 20, elements=st.floats(0.01, 1e6)), st.integers(1, 10))
def test_balanced_sums_are_equal_and_the_total_is_kept(weight: np.ndarray, n_first: int) -> None:
    codes = np.where(np.arange(20) < n_first, 5, 2)
    balanced = balance_classes(weight, codes)
    sums = [balanced[codes == code].sum() for code in (2, 5)]
    assert_allclose(sums, weight.sum() / 2)
    physics, _ = make_training_weight(weight, codes, Training(), "classes")
    assert physics is not None
    assert physics.mean() == pytest.approx(1)
    assert_allclose(physics / balanced, physics[0] / balanced[0])


def test_balance_of_no_rows() -> None:
    assert len(balance_classes(np.zeros(0), np.zeros(0, int))) == 0


@pytest.mark.parametrize(
    ("physics", "rule", "balance", "message"),
    [
        (
            PHYSICS,
            "error",
            "classes",
            (
                r"training\.negative_weights: expected what to do with negative weights; "
                r"1 training row has a negative weight \(16\.67% of the rows, 10\.00% of the sum of absolute weights\)"
                r"; to fix: write drop, absolute or use"
            ),
        ),
        (-PHYSICS, "error", "none", r"4 training rows have negative weights \(66\.67% of the rows, 90\.00%"),
        ([1, 2, -4, 4, 0, 2], "use", "classes", "a positive sum in every class; those of class number 0 sum to -1"),
        ([1, 2, 3, 0, 0, 0], "error", "classes", "those of class number 1 sum to 0"),
        ([0, 0, 0, 0, 0, 0], "error", "none", "training weights with a positive sum; they sum to 0"),
        ([-1, -1, -1, -1, -1, -1], "drop", "none", "training weights with a positive sum; they sum to 0"),
        ([1, 2, np.nan, np.inf, 0, 1], "use", "none", "a finite weight in every row; 2 of 6 have none"),
    ],
)
def test_weights_that_cannot_train_are_refused(physics: list[float], rule: str, balance: str, message: str) -> None:
    training = Training.model_validate({"negative_weights": rule})
    with pytest.raises(DatasetError, match=message):
        make_training_weight(np.array(physics, float), CODES, training, balance)  # type: ignore[arg-type]


def test_values_cannot_be_balanced() -> None:
    with pytest.raises(ValueError, match="only classes"):
        make_training_weight(np.ones(3), None, Training(), "classes")
