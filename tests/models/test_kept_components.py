"""Models on principal components: one decomposition for all numbers of them, and the bytes of a fit of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rapidml.dataset.frame import Column, Frame, TrainingRows
from rapidml.dataset.preparation_keeping import KeptSteps
from rapidml.errors import DatasetError
from rapidml.models.fitting import ModelSpec, load_model, resolve_model, train
from rapidml.models.holding import held_content, hold, predict_held, train_held
from rapidml.models.shares import Source, make_share
from rapidml.recipe.schema import Choice, ModelEntry
from tests.models.conformance import TASKS, make_rows, stored_bytes

if TYPE_CHECKING:
    from pathlib import Path

BINARY = TASKS["binary"]
LOGISTIC = "sklearn.linear_model.LogisticRegression"
STANDARDIZE = Choice(name="standardize")
IMPUTE = Choice(name="impute", options={"value": "median"})


def spec(type_name: str, n_components: int, **fields: Any) -> ModelSpec:
    prepare = (IMPUTE, STANDARDIZE, Choice(name="pca", options={"n_components": n_components}))
    return resolve_model(ModelEntry(type=type_name, prepare=prepare, **fields), BINARY)


@pytest.fixture
def decompositions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Gets the size of each matrix whose eigenvectors are found."""
    sizes: list[int] = []
    real = np.linalg.eigh

    def eigh(matrix: np.ndarray) -> Any:
        sizes.append(len(matrix))
        return real(matrix)

    monkeypatch.setattr(np.linalg, "eigh", eigh)
    return sizes


@pytest.mark.parametrize("type_name", ["xgboost", LOGISTIC])
def test_candidates_with_other_numbers_of_components_share_the_decomposition(
    type_name: str, tmp_path: Path, decompositions: list[int]
) -> None:
    rows = make_rows("binary", weighted=True, categories=True, missing=True)
    shown = make_rows("binary", 90, seed=1, categories=True, missing=True).features
    source = Source(rows.target, rows.weight, rows.ids, rows.features.take, KeptSteps(), "fold 1")
    specs = [spec(type_name, n) for n in (2, 4, 1, 3)]
    assert len({held_content(one) for one in specs}) == 4
    models, predicted = [], []
    for wanted in specs:
        held = hold(wanted, source, shown, BINARY, seed=3)
        models.append(train_held(wanted, held, BINARY, seed=3))
        predicted.append(predict_held(models[-1], held)[0])
    assert decompositions == [4]
    for number, (wanted, model) in enumerate(zip(specs, models, strict=True)):
        fresh = train(wanted, rows, BINARY, seed=3)
        own = stored_bytes(fresh, tmp_path / f"{number} fresh")
        assert stored_bytes(model, tmp_path / f"{number}") == own
        np.testing.assert_array_equal(predicted[number], fresh.predict(shown))
        np.testing.assert_array_equal(load_model(tmp_path / f"{number}").predict(shown), predicted[number])
    assert decompositions == [4] * 5


def test_other_rows_of_a_fit_share_nothing(decompositions: list[int]) -> None:
    rows = make_rows("binary", weighted=True)
    source = Source(rows.target, rows.weight, rows.ids, rows.features.take, KeptSteps(), "fold 1")
    plain, stopped = spec("xgboost", 2), spec("xgboost", 2, early_stopping=5)
    unweighted = spec("xgboost", 2, weights="ignore")
    others = [(plain, 1), (stopped, 1), (stopped, 2), (unweighted, 1)]
    for wanted, seed in [*others, *others, (plain, 2), (stopped.with_rounds(9), 3)]:
        share = make_share(wanted, source, BINARY, seed)
        assert share.preparation == make_share(wanted, replace(source, kept=None), BINARY, seed).preparation
    assert len(decompositions) == len(others) + 10
    make_share(plain, replace(source, which="fold 2"), BINARY, 1)
    assert len(decompositions) == len(others) + 11


def test_the_number_of_threads_changes_no_bit() -> None:
    from threadpoolctl import threadpool_limits

    random = np.random.default_rng(1)
    numbers = random.normal(size=(3000, 150)) @ random.normal(size=(150, 150))
    features = Frame(tuple(Column(f"x{index}", values.copy()) for index, values in enumerate(numbers.T)))
    rows = TrainingRows(features, np.resize([0.0, 1.0], 3000), None, np.arange(3000, dtype=np.uint64))
    found = []
    for threads in (1, 2, 4):
        with threadpool_limits(threads, user_api="blas"):
            found.append(make_share(spec("xgboost", 40), Source.from_rows(rows), BINARY, 1).preparation)
    assert found[0] == found[1] == found[2]


def test_missing_values_are_refused_where_the_model_would_take_them() -> None:
    rows = make_rows("binary", missing=True)
    wanted = replace(spec("xgboost", 2), prepare=(Choice(name="pca", options={"value": 2}),))
    with pytest.raises(DatasetError, match="which pca cannot take; write 'impute: median' before pca"):
        train(wanted, rows, BINARY, seed=1)
