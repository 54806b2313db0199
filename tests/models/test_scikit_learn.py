"""Every reviewed scikit-learn class is fitted, stored and loaded; what stored files may hold."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rapidml.errors import ModelError
from rapidml.models.scikit_learn import REFUSED, ScikitLearn, list_classes
from rapidml.models.skops_file import TRUSTED, read_skops, write_skops
from rapidml.models.threads import limit_threads, map_rows
from tests.models.conformance import TASKS, Kind, make_rows

if TYPE_CHECKING:
    from pathlib import Path

    from rapidml.dataset.frame import Task

SMALL = {"n_estimators": 4, "max_iter": 300}
EVERY = [(name, kind) for name in list_classes() for kind in sorted(ScikitLearn(name).tasks)]


def small_params(name: str) -> dict[str, int]:
    known = ScikitLearn(name)._about["parameters"]
    small = {parameter: value for parameter, value in SMALL.items() if parameter in known}
    return {"max_iter": 5} if "HistGradientBoosting" in name else small


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_every_class_is_fitted_stored_and_loaded(name: str, kind: Kind, tmp_path: Path) -> None:
    adapter, task = ScikitLearn(name), TASKS[kind]
    rows = make_rows(kind, 150, weighted=adapter.takes_weights)
    params = adapter.resolve(small_params(name), task, None)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="sklearn", message=".*(converge|onvergence|max_iter).*")
        model = adapter.fit(rows, params, task, seed=3, threads=2)
    predicted = model.predict(rows.features, threads=1)
    assert np.isfinite(predicted).all()
    for folder in (tmp_path / "1", tmp_path / "2"):
        folder.mkdir()
        model.save(folder)
    assert (tmp_path / "1" / "model.skops").read_bytes() == (tmp_path / "2" / "model.skops").read_bytes()
    loaded = adapter.load(tmp_path / "1", task)
    np.testing.assert_array_equal(loaded.predict(rows.features, threads=2), predicted)


def test_at_least_thirty_classes_are_reviewed() -> None:
    assert len(list_classes()) >= 30


@pytest.mark.parametrize("name", [name for name in list_classes() if ScikitLearn(name).takes_negative_weights])
def test_classes_said_to_take_negative_weights_do(name: str) -> None:
    adapter = ScikitLearn(name)
    kind: Kind = "regression" if "regression" in adapter.tasks else "binary"
    rows = make_rows(kind)
    weight = np.where(np.arange(400) % 20 == 0, -0.3, 1.0)
    model = adapter.fit(replace(rows, weight=weight), small_params(name), TASKS[kind], seed=0, threads=1)
    assert np.isfinite(model.predict(rows.features, threads=1)).all()


def test_predictions_are_scikit_learns_own() -> None:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import Ridge
    from sklearn.svm import SVC

    binary, several, values = (make_rows(kind, weighted=True) for kind in ("binary", "multiclass", "regression"))
    matrix = np.stack([column.values for column in binary.features.columns], axis=1)

    def ours(name: str, rows: Any, task: Task, **params: Any) -> Any:
        return ScikitLearn(name).fit(rows, params, task, seed=3, threads=2).predict(rows.features, threads=2)

    ridge = Ridge(alpha=2.0, random_state=3).fit(matrix, values.target, sample_weight=values.weight)
    found = ours("sklearn.linear_model.Ridge", values, TASKS["regression"], alpha=2.0)
    np.testing.assert_allclose(found, ridge.predict(matrix), rtol=1e-6)
    forest = RandomForestClassifier(5, random_state=3).fit(matrix, several.target, sample_weight=several.weight)
    found = ours("sklearn.ensemble.RandomForestClassifier", several, TASKS["multiclass"], n_estimators=5)
    np.testing.assert_allclose(found, forest.predict_proba(matrix), atol=1e-7)
    vectors = SVC().fit(matrix, binary.target, sample_weight=binary.weight)
    found = ours("sklearn.svm.SVC", binary, TASKS["binary"])
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-vectors.decision_function(matrix))), rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "params", "expected", "fix"),
    [
        ("linear_model.LogisticRegression", {"c": 1.0}, "one of C, ", "write 'C'"),
        ("linear_model.LogisticRegression", {"C": 0.0}, "a number above 0", "give C such a value"),
        ("linear_model.LogisticRegression", {"solver": "lbfg"}, "lbfgs, liblinear", "write 'lbfgs'"),
        ("ensemble.RandomForestClassifier", {"max_features": 2.0}, "an integer of at least 1, a fraction", "write 2"),
        ("ensemble.RandomForestClassifier", {"random_state": 1}, "a parameter that rapidml", REFUSED["random_state"]),
        ("ensemble.BaggingClassifier", {"estimator": "x"}, "a parameter that rapidml", REFUSED["estimator"]),
        ("neighbors.KNeighborsClassifier", {"metric": "pyfunc"}, "braycurtis", "give metric"),
        ("svm.SVC", {"kernel": "precomputed"}, "linear, poly, rbf or sigmoid", "give kernel"),
        ("neural_network.MLPClassifier", {"hidden_layer_sizes": ["a", None]}, "a list or an integer", "give hidden"),
    ],
)
def test_wrong_parameters_are_explained(name: str, params: dict[str, Any], expected: str, fix: str) -> None:
    (complaint,) = ScikitLearn(f"sklearn.{name}").check(params, None)
    assert complaint.expected.startswith(expected)
    assert fix in complaint.fix


def test_scikit_learns_own_refusals_become_model_errors() -> None:
    adapter = ScikitLearn("sklearn.linear_model.LogisticRegression")
    with pytest.raises(ModelError, match=r"LogisticRegression: .*dual"):
        adapter.fit(make_rows("binary"), {"dual": True}, TASKS["binary"], seed=0, threads=1)


def test_progress_ends_at_one_of_one() -> None:
    told: list[Any] = []
    adapter = ScikitLearn("sklearn.naive_bayes.GaussianNB")
    adapter.fit(make_rows("binary"), {}, TASKS["binary"], seed=0, threads=1, report=lambda *what: told.append(what))
    assert told == [(1, 1, {})]


# Stored files


def test_trusted_types_are_scikit_learns_own() -> None:
    assert all(name.startswith("sklearn.") for name in TRUSTED)
    assert list(TRUSTED) == sorted(TRUSTED)


def test_foreign_types_are_neither_written_nor_read(tmp_path: Path) -> None:
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    foreign = FunctionTransformer(func=json.dumps)
    with pytest.raises(ModelError, match=r"not trusted: json\.dumps"):
        write_skops(foreign, tmp_path / "a.skops")
    skops.io.dump(foreign, tmp_path / "b.skops")
    with pytest.raises(ModelError, match=r"not trusted: json\.dumps"):
        read_skops(tmp_path / "b.skops")


def test_a_file_of_another_class_is_refused(tmp_path: Path) -> None:
    ridge, lasso = (ScikitLearn(f"sklearn.linear_model.{name}") for name in ("Ridge", "Lasso"))
    task = TASKS["regression"]
    ridge.fit(make_rows("regression"), {}, task, seed=0, threads=1).save(tmp_path)
    with pytest.raises(ModelError, match="holds a Ridge"):
        lasso.load(tmp_path, task)


def test_files_hold_no_address_and_no_time(tmp_path: Path) -> None:
    adapter = ScikitLearn("sklearn.tree.DecisionTreeClassifier")
    adapter.fit(make_rows("binary"), {}, TASKS["binary"], seed=0, threads=1).save(tmp_path)
    with zipfile.ZipFile(io.BytesIO((tmp_path / "model.skops").read_bytes())) as archive:
        assert {info.date_time[0] for info in archive.infolist()} == {1980}
        assert [info.filename for info in archive.infolist()][:2] == ["0.npy", "1.npy"]
        schema = archive.read("schema.json").decode()
    assert max(int(part.split("}")[0].split(",")[0]) for part in schema.split('"__id__": ')[1:]) < 1000


# Threads


def test_rows_in_blocks_are_rows_in_order() -> None:
    matrix = np.arange(22.0).reshape(11, 2)
    np.testing.assert_array_equal(map_rows(lambda block: block.sum(axis=1), matrix, 3), matrix.sum(axis=1))


def test_blas_threads_are_limited_and_given_back() -> None:
    from threadpoolctl import threadpool_info, threadpool_limits

    def blas() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    with threadpool_limits(2, user_api="blas"):
        with limit_threads(2, "test"):
            with limit_threads(1, "test"):
                assert blas() == {1}
            assert blas() == {1}
        assert blas() == {2}
