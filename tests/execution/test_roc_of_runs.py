"""ROC curves of stored runs, against scikit-learn on the rows and predictions themselves."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn import metrics as sk

from rapidml.errors import StoreError
from rapidml.execution.curves import MOST_POINTS, load_curves
from rapidml.store.store import open_store
from tests.execution import small_runs as small

if TYPE_CHECKING:
    from pathlib import Path

    from rapidml.execution.curves import ModelCurve

pytestmark = pytest.mark.slow

RECIPE = """
dataset: {{path: events.csv, target: {target}, features: [pt, eta, mass]{more}}}
split: {split}
models:
  bdt: {{type: xgboost, params: {{n_estimators: 4, max_depth: 2}}}}
  logistic: sklearn.linear_model.LogisticRegression
"""
FOLDS, VALID = "{test: 0.25, folds: 3}", "{test: 0.25, valid: 0.3}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("roc")
    small.write_csv(folder / "events.csv", small.make_events(400))
    return folder


def run(folder: Path, name: str, target: str, more: str, split: str) -> tuple[Path, dict[str, Any]]:
    recipe = small.write(folder / f"{name}.yaml", RECIPE.format(target=target, more=more, split=split))
    return recipe, small.run(recipe, folder / "store")


def pool(folder: Path, recipe: Path, model: str) -> tuple[Any, Any, Any]:
    """Truth, prediction and weight of the selection rows of a model, from the plan and not from what is tested."""
    prepared = small.plan(recipe, folder / "store")
    rows = small.open_run_rows(folder / "store", prepared)
    assert prepared.plan is not None
    found: list[tuple[Any, Any, Any]] = []
    for fit in prepared.plan.fits_by_model[model]:
        for prediction in fit.predictions:
            if prediction.part == "valid" or prediction.part.startswith("held:"):
                place = folder / "store" / "objects" / "predictions" / prediction.key[:2] / prediction.key
                _, truth, weight = rows.truth(prediction.part)
                weight = np.ones(len(truth)) if weight is None else weight
                found.append((truth, np.load(place / "prediction.npy"), weight))
    truths, predictions, weights = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return truths, predictions, weights


def assert_equal_to_scikit_learn(curve: ModelCurve, truth: Any, score: Any, weight: Any) -> None:
    false, true, _ = sk.roc_curve(truth, score, sample_weight=weight)
    assert curve.area == pytest.approx(sk.auc(false, true), abs=1e-12)
    shown = curve.curve
    assert len(shown.threshold) <= MOST_POINTS
    for at in (0.01, 0.1, 0.37, 0.8):
        ours = np.interp(at, shown.false_positive_rate, shown.true_positive_rate)
        assert ours == pytest.approx(np.interp(at, false, true), abs=1e-9)


@pytest.mark.parametrize("split", [FOLDS, VALID], ids=["folds", "valid"])
@pytest.mark.parametrize("more", [", positive: s, weight: w", ", positive: b", ", positive: s, id: event"])
def test_two_classes(folder: Path, more: str, split: str) -> None:
    recipe, result = run(folder, "two", "label", more, split)
    with open_store(folder / "store", create=False) as store:
        curves = load_curves(store, result["run"])
    assert [curve.model for curve in curves] == ["bdt", "logistic"]
    for curve in curves:
        truth, score, weight = pool(folder, recipe, curve.model)
        assert_equal_to_scikit_learn(curve, truth == 1, score, weight)
        assert curve.n_rows == len(truth)
        assert (curve.is_weighted, curve.is_pooled) == ("weight" in more, split == FOLDS)
        assert curve.class_name == ("b" if "positive: b" in more else "s")
    if split == VALID:  # one part: the area is the score
        selection = result["models"]["bdt"]["selection"]["roc_auc"]["value"]
        assert curves[0].area == pytest.approx(selection, abs=1e-9)


def test_several_classes_are_one_against_rest(folder: Path) -> None:
    recipe, result = run(folder, "kinds", "kind", ", weight: w", FOLDS)
    with open_store(folder / "store", create=False) as store:
        curves = load_curves(store, result["run"], ["logistic"])
    assert [(curve.model, curve.class_name) for curve in curves] == [
        ("logistic", name) for name in ("ee", "mumu", "tautau")
    ]
    truth, score, weight = pool(folder, recipe, "logistic")
    for code, curve in enumerate(curves):
        assert_equal_to_scikit_learn(curve, truth == code, score[:, code], weight)


def test_the_data_files_are_not_needed(folder: Path, tmp_path: Path) -> None:
    small.write_csv(tmp_path / "events.csv", small.make_events(120))
    recipe = small.write(
        tmp_path / "by.yaml",
        RECIPE.format(
            target="label",
            more=", positive: s, spectators: [jets], columns: {jump: abs(eta)}, select: pt > -2",
            split="{test: {column: jets, train: [none, one], test: [many]}, folds: {by: event % 3}}",
        ),
    )
    result = small.run(recipe, tmp_path / "store")
    with open_store(tmp_path / "store", create=False) as store:
        before = load_curves(store, result["run"])
    (tmp_path / "events.csv").unlink()
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    with open_store(tmp_path / "copy", create=False) as store:
        after = load_curves(store, result["run"])
    assert [curve.area for curve in after] == [curve.area for curve in before]
    assert len(after) == 2


def test_a_run_of_0_2_has_its_curves(root: Path, tmp_path: Path) -> None:
    (kept,) = (root / "tests" / "execution" / "stores").glob("v0.2")
    store_path = small.copy_store(kept / "store", tmp_path / "store")
    with open_store(store_path, create=False) as store:
        (record,) = store.list_runs()
        content = store.runs.load(record.id)
        curves = load_curves(store, record.id)
    scored = [name for name, entry in content["result"]["models"].items() if entry["selection"]]
    regression = content["result"]["task"]["kind"] == "regression"
    assert {curve.model for curve in curves} == (set() if regression else set(scored))
    assert all(0 <= curve.area <= 1 for curve in curves)


def test_regression_has_none(folder: Path) -> None:
    recipe = small.write(
        folder / "energy.yaml",
        RECIPE.format(target="energy", more="", split=FOLDS).replace("LogisticRegression", "Ridge"),
    )
    result = small.run(recipe, folder / "store")
    with open_store(folder / "store", create=False) as store:
        assert load_curves(store, result["run"]) == []


@pytest.mark.parametrize("kind", ["tables", "predictions"])
def test_what_is_gone_is_said(folder: Path, tmp_path: Path, kind: str) -> None:
    _, result = run(folder, "gone", "label", ", positive: s", FOLDS)
    copy = small.copy_store(folder / "store", tmp_path / "store")
    shutil.rmtree(copy / "objects" / kind)
    with open_store(copy, create=False) as store, pytest.raises(StoreError, match="gone"):
        load_curves(store, result["run"])


def test_a_curve_drawn_on_500_pixels_is_right_to_a_pixel() -> None:
    from rapidml.evaluate.curves import roc_curve

    draw = np.random.default_rng(3)
    truth = draw.random(200_000) < 0.3
    score, weight = draw.normal(truth * 1.2), draw.uniform(0.1, 3, len(truth))
    shown = roc_curve(truth, score, weight, max_points=MOST_POINTS)
    false, true, _ = sk.roc_curve(truth, score, sample_weight=weight, drop_intermediate=False)
    assert len(shown.threshold) <= MOST_POINTS
    drawn = np.interp(false, shown.false_positive_rate, shown.true_positive_rate)
    across = np.interp(true, shown.true_positive_rate, shown.false_positive_rate)
    distance = np.minimum(np.abs(drawn - true), np.abs(across - false))
    assert distance.max() < 1 / 500


def test_a_run_without_a_result_has_none(folder: Path, tmp_path: Path) -> None:
    _, result = run(folder, "two", "label", ", positive: s", FOLDS)
    copy = small.copy_store(folder / "store", tmp_path / "store")
    path = copy / "runs" / result["run"] / "run.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "result": None}))
    with open_store(copy, create=False) as store:
        assert load_curves(store, result["run"]) == []
