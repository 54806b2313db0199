"""Every reviewed scikit-learn class that says so: a smaller ensemble is the first part of a larger one, to the byte."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rapidml.models.boosted_trees import BoostedTrees
from rapidml.models.ensembles import DEFAULT_TREES, cut_ensemble
from rapidml.models.fitting import cut_model, resolve_model, train
from rapidml.models.scikit_learn import ScikitLearn, list_classes
from rapidml.models.skops_file import read_skops
from rapidml.recipe.schema import ModelEntry
from tests.models.conformance import TASKS, Kind, make_rows, stored_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from rapidml.models.fitting import TrainedModel

PREFIXED = [name for name in list_classes() if ScikitLearn(name).prefix is not None]
EVERY: list[tuple[str, Kind]] = [(name, kind) for name in PREFIXED for kind in sorted(ScikitLearn(name).tasks)]  # type: ignore[misc]
VARIANTS: list[dict[str, Any]] = [
    {},
    {"max_features": 2, "max_depth": 3, "ccp_alpha": 0.001},
    {"subsample": 0.6, "max_features": "sqrt"},
    {"bootstrap": True, "max_samples": 0.5, "class_weight": "balanced_subsample"},
    {"loss": "absolute_error"},
    {"loss": "quantile", "alpha": 0.8},
    {"loss": "exponential"},
    {"init": "zero"},
]


def fit(name: str, kind: Kind, **params: Any) -> TrainedModel:
    rows = make_rows(kind, weighted=True, categories=True)
    return train(resolve_model(ModelEntry(type=name, params=params), TASKS[kind]), rows, TASKS[kind], seed=3, threads=2)


def known_params(name: str, variant: dict[str, Any], kind: Kind) -> bool:
    fits_kind = not (variant.get("loss") == "exponential" and kind == "multiclass")
    return fits_kind and list(ScikitLearn(name).check(variant, kind)) == []


def test_forests_and_gradient_boosting_have_prefixes_and_no_other_class() -> None:
    families = {name.rpartition(".")[2].removesuffix("Classifier").removesuffix("Regressor") for name in PREFIXED}
    assert families == {"RandomForest", "ExtraTrees", "GradientBoosting"}


@pytest.mark.parametrize("name", PREFIXED)
def test_the_default_number_of_trees_is_the_librarys(name: str) -> None:
    import sklearn.ensemble

    signature = inspect.signature(getattr(sklearn.ensemble, name.rpartition(".")[2]))
    assert signature.parameters["n_estimators"].default == DEFAULT_TREES == ScikitLearn(name).prefix_rounds({})


@pytest.mark.parametrize(
    ("name", "kind", "variant"),
    [(name, kind, variant) for name, kind in EVERY for variant in VARIANTS if known_params(name, variant, kind)],
)
def test_smaller_ensembles_are_prefixes(name: str, kind: Kind, variant: dict[str, Any], tmp_path: Path) -> None:
    large, small = (fit(name, kind, n_estimators=n, **variant) for n in (7, 3))
    cut = cut_model(large, small.spec)
    shown = make_rows(kind, 100, seed=1, categories=True).features
    np.testing.assert_array_equal(cut.predict(shown), small.predict(shown))
    assert stored_bytes(cut, tmp_path / "cut") == stored_bytes(small, tmp_path / "small")


@pytest.mark.parametrize("params", [{"n_iter_no_change": 3}, {"loss": "huber"}])
def test_parameters_without_prefixes_are_known(params: dict[str, Any]) -> None:
    name = "sklearn.ensemble.GradientBoostingRegressor"
    assert ScikitLearn(name).prefix_rounds({"n_estimators": 5, **params}) is None
    large, small = (fit(name, "regression", n_estimators=n, **params) for n in (5, 3))
    with pytest.raises(ValueError, match="is no prefix of a longer one"):
        cut_model(large, small.spec)
    with pytest.raises(ValueError, match="cannot cut"):
        large.fitted.cut(3)


def test_other_classes_have_no_prefixes() -> None:
    adapter = ScikitLearn("sklearn.ensemble.HistGradientBoostingClassifier")
    assert adapter.prefix is None
    assert adapter.prefix_rounds({"max_iter": 5}) is None
    model = fit(adapter.name, "binary", max_iter=5)
    with pytest.raises(ValueError, match="has no rounds"):
        model.fitted.cut(3)


def test_a_cut_forest_shares_its_trees_with_the_whole_one() -> None:
    whole: Any = fit("sklearn.ensemble.RandomForestClassifier", "binary", n_estimators=4).fitted
    cut = cut_ensemble(whole.estimator, 2)
    assert [id(tree) for tree in cut.estimators_] == [id(tree) for tree in whole.estimator.estimators_[:2]]
    assert len(whole.estimator.estimators_) == whole.estimator.n_estimators == 4


def test_random_generators_are_not_stored(tmp_path: Path) -> None:
    model = fit("sklearn.ensemble.GradientBoostingRegressor", "regression", n_estimators=3, subsample=0.5)
    stored_bytes(model, tmp_path / "model")
    estimator = read_skops(tmp_path / "model" / "model.skops")
    assert not hasattr(estimator, "_rng")
    assert {tree.random_state for tree in estimator.estimators_.ravel()} == {3}


def test_xgboost_counts_rounds_with_random_rows_too() -> None:
    adapter = BoostedTrees()
    assert adapter.prefix_rounds({"n_estimators": 30, "subsample": 0.5}) == 30
    assert adapter.prefix_rounds({}) == 100
