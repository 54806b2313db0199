"""Arrays handed over in Python: the same result as a file, their identity, and names that are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import rapidml
from rapidml.errors import RecipeError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RECIPE = """\
dataset: {positive: s}
split: {test: 0.2, folds: 2}
models: {bdt: {type: xgboost, params: {n_estimators: 5}}}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "arrays.yaml"
    path.write_text(RECIPE)
    return path


def make_arrays() -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    random = np.random.default_rng(3)
    X = random.normal(size=(120, 2))
    return X, np.where(X[:, 0] + random.normal(size=120) > 0, "s", "b"), random.uniform(0.5, 2, size=120)


def test_arrays_are_kept_and_known_again(recipe: Path, tmp_path: Path) -> None:
    X, y, weight = make_arrays()
    first = rapidml.run(recipe, X=X, y=y, weight=weight, store=tmp_path / "store")
    again = rapidml.run(recipe, X=X.copy(), y=y.copy(), weight=weight.copy(), store=tmp_path / "store")
    assert first.result["dataset"]["features"] == ["x0", "x1"]
    assert (again.id, again.result["fits"]["trained"]) == (first.id, 0)
    other = rapidml.run(recipe, X=X + 1, y=y, weight=weight, store=tmp_path / "store")
    assert other.result["fits"]["trained"] == 3


def test_names_that_are_taken(recipe: Path, tmp_path: Path) -> None:
    X, y, _ = make_arrays()
    with pytest.raises(ValueError, match="cannot be called 'y'"):
        rapidml.run(recipe, X={"x": X[:, 0], "y": X[:, 1]}, y=y, store=tmp_path / "store")


def test_rows_must_agree(recipe: Path, tmp_path: Path) -> None:
    X, y, _ = make_arrays()
    with pytest.raises(ValueError, match="different numbers of rows"):
        rapidml.run(recipe, X=X, y=y[:-1], store=tmp_path / "store")


def test_arrays_cannot_be_written_by_hand(recipe: Path, tmp_path: Path) -> None:
    document = rapidml.load_recipe(recipe, ["dataset.arrays={}"])
    with pytest.raises(RecipeError, match=r"arrays handed to rapidml.run\(\)"):
        rapidml.run(document, store=tmp_path / "store")
