"""Numbers of networks against numpy and scikit-learn, and what a fit does with images, weights and wrong rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import log_loss

from rapidml.dataset.frame import Column, Frame, Task, TrainingRows
from rapidml.errors import ModelError
from rapidml.models.fitting import ModelSpec, TrainedModel, train
from rapidml.models.network_params import EPOCHS
from rapidml.models.network_rows import NetworkRows, TargetFacts, make_inputs
from rapidml.models.network_training import NetworkFit, Ranks
from rapidml.models.registry import find_adapter
from tests.models.conformance import TASKS, Kind, make_rows

tf = pytest.importorskip("tensorflow", reason="networks need TensorFlow: pip install 'iml-rapidml[tensorflow]'")
pytestmark = pytest.mark.slow

ALL_ROWS = 10_000
LINEAR: list[Any] = [["Rescaling", {"scale": 1.0}]]
"""Nothing but the output layer: logistic or linear regression."""


def fit(rows: TrainingRows, kind: Kind, type_name: str = "keras", **params: Any) -> TrainedModel:
    adapter = find_adapter(type_name)
    resolved = adapter.resolve(params, TASKS[kind], None)
    spec = ModelSpec(type_name, resolved, rounds=resolved[EPOCHS], iterations=EPOCHS)
    return train(spec, rows, TASKS[kind], seed=3)


def matrix_of(rows: TrainingRows) -> Any:
    return np.stack([column.values for column in rows.features.columns], axis=1).astype(np.float32)


def weights_of(model: TrainedModel) -> list[Any]:
    state: list[Any] = model.fitted.state["weights"]  # type: ignore[attr-defined]
    return state


def test_a_step_is_that_of_gradient_descent() -> None:
    rows = make_rows("binary", weighted=True)
    sgd: dict[str, Any] = {"layers": LINEAR, "batch_size": ALL_ROWS, "optimizer": "sgd", "learning_rate": 0.1}
    (w0, b0), (w1, b1) = (weights_of(fit(rows, "binary", **sgd, epochs=epochs)) for epochs in (1, 2))
    X, y, weight = matrix_of(rows), rows.target, rows.weight
    assert weight is not None
    wrong = (1 / (1 + np.exp(-(X @ w0[:, 0] + b0[0]))) - y) * weight / len(y)
    np.testing.assert_allclose(w1[:, 0], w0[:, 0] - 0.1 * X.T @ wrong, atol=1e-6)
    np.testing.assert_allclose(b1[0], b0[0] - 0.1 * wrong.sum(), atol=1e-6)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_the_loss_is_scikit_learns(kind: Kind) -> None:
    rows = make_rows(kind, 300, weighted=True)
    still: dict[str, Any] = {
        "layers": LINEAR,
        "batch_size": ALL_ROWS,
        "optimizer": "sgd",
        "learning_rate": 1e-12,
        "epochs": 1,
    }
    model = fit(rows, kind, **still)
    chances = model.predict(rows.features).astype(float)
    if kind == "multiclass":
        chances /= chances.sum(axis=1, keepdims=True)  # they add up to 1 in single precision alone
    expected = log_loss(rows.target, chances, sample_weight=rows.weight)
    assert model.history["train"] == [pytest.approx(expected, rel=1e-5)]


def test_weight_two_is_the_row_twice() -> None:
    rows = make_rows("binary")
    weight = np.where(np.arange(400) % 3 == 0, 2.0, 1.0)
    repeated = rows.take(np.repeat(np.arange(400), weight.astype(int)))
    sgd: dict[str, Any] = {
        "layers": LINEAR,
        "batch_size": ALL_ROWS,
        "optimizer": {"sgd": {"momentum": 0.9}},
        "epochs": 30,
    }
    first, second = fit(replace(rows, weight=weight / weight.mean()), "binary", **sgd), fit(repeated, "binary", **sgd)
    np.testing.assert_allclose(first.predict(rows.features), second.predict(rows.features), atol=1e-5)


def test_a_regression_does_not_depend_on_the_unit_of_its_target() -> None:
    rows = make_rows("regression")
    small = fit(rows, "regression", "mlp", hidden=[16], epochs=5)
    large = fit(replace(rows, target=1e6 * rows.target + 1e7), "regression", "mlp", hidden=[16], epochs=5)
    np.testing.assert_allclose(large.predict(rows.features), 1e6 * small.predict(rows.features) + 1e7, rtol=1e-4)


def test_other_users_of_pythons_random_numbers_change_nothing() -> None:
    import random

    found = []
    for draws in (0, 5):
        for _ in range(draws):
            random.random()
        random.seed(draws)
        layers = [["Dense", {"units": 8}], ["Dropout", {"rate": 0.3}], ["PReLU", {}]]
        found.append(fit(make_rows("binary"), "binary", layers=layers, epochs=2))
    for mine, theirs in zip(*map(weights_of, found), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("name", ["GRU", "LSTM", "SimpleRNN"])
def test_layers_over_time_have_seeds_of_their_own(name: str) -> None:
    rows = make_images(60)
    layers = [["Rescaling", {"scale": 0.01}], [name, {"units": 4, "dropout": 0.2}]]
    first, second = (fit(rows, "binary", layers=layers, epochs=1) for _ in range(2))
    for mine, theirs in zip(*map(weights_of, (first, second)), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def make_images(n: int = 400) -> TrainingRows:
    """Bright at the top or at the bottom; bytes, as pictures are."""
    random = np.random.default_rng(0)
    images = random.integers(0, 80, (n, 8, 8))
    target = random.integers(0, 2, n)
    images[target == 1, :4] += 60
    images[target == 0, 4:] += 60
    column = Column("image", images.astype(np.uint8))
    return TrainingRows(Frame((column,)), target.astype(float), None, np.arange(n, dtype=np.uint64))


def test_images_without_channels_are_convolved() -> None:
    rows = make_images()
    layers = [
        ["Rescaling", {"scale": 1 / 255}],
        ["Conv2D", {"filters": 4, "kernel_size": 3, "activation": "relu"}],
        ["MaxPooling2D", {}],
    ]
    model = fit(rows, "binary", layers=layers, epochs=8, batch_size=32, learning_rate=0.02)
    assert np.mean((model.predict(rows.features) > 0.5) == rows.target) > 0.95
    assert next(array.shape for array in weights_of(model)) == (3, 3, 1, 4)


def test_layers_that_do_not_fit_are_named() -> None:
    layers = [["Conv2D", {"filters": 4, "kernel_size": 3}]]
    with pytest.raises(ModelError, match=r"layer 1, Conv2D, does not fit rows of shape \(4,\)"):
        fit(make_rows("binary"), "binary", layers=layers, epochs=1)


def test_an_array_beside_columns_is_refused() -> None:
    rows = make_images()
    both = Frame((*rows.features.columns, Column("x", np.zeros(400))))
    with pytest.raises(ModelError, match="'image' is an array beside other features"):
        fit(replace(rows, features=both), "binary", "mlp", epochs=1)


def test_a_loss_that_is_no_number_ends_the_fit() -> None:
    rows = make_rows("regression")
    fast: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 1e20, "epochs": 3, "batch_size": 16}
    with pytest.raises(
        ModelError, match=r"not a number in epoch 1: .*\(1e\+20\) is too high; lower params.learning_rate"
    ):
        fit(rows, "regression", "mlp", **fast)
    columns = tuple(replace(column, values=1000 * column.values) for column in rows.features.columns)
    with pytest.raises(
        ModelError, match=r"features are as large as [\d.e+]+, .*; add 'prepare: \[standardize\]', or lower"
    ):
        fit(replace(rows, features=Frame(columns)), "regression", "mlp", **fast)


def test_a_rank_that_goes_on_draws_its_own_random_numbers() -> None:
    def train_two(start: Any, epochs: int, rank: int) -> Any:
        data = make_rows("binary")
        inputs = make_inputs(data.features)
        weight = np.ones(len(data.target), np.float32)
        ids = np.arange(len(data.target), dtype=np.uint64)
        rows = NetworkRows(inputs, data.target.astype(np.float32), weight, ids, TargetFacts())
        params = find_adapter("mlp").resolve(
            {"hidden": [4], "dropout": 0.5, "epochs": epochs, "batch_size": 100}, TASKS["binary"], None
        )
        plan = find_adapter("mlp").plan(params)  # type: ignore[attr-defined]
        ranks = Ranks(rank, (len(ids), len(ids)))
        return NetworkFit(plan, TASKS["binary"], rows, seed=1, ranks=ranks).run(start)

    first = train_two(None, 1, 0)  # what is stored is that of rank 0
    whole, later = train_two(None, 2, 1), train_two(first, 2, 1)
    np.testing.assert_array_equal(later.state["seeds"], whole.state["seeds"])
    assert not np.array_equal(np.asarray(first.state["seeds"])[:, 0], np.asarray(whole.state["seeds"])[:, 0])


def test_a_schedule_over_all_epochs_has_no_prefixes() -> None:
    adapter = find_adapter("mlp")
    for schedule, expected in (("constant", 20), ({"exponential": {"rate": 0.9}}, 20), ("cosine", None)):
        params = adapter.resolve({"schedule": schedule}, Task("regression"), None)
        assert adapter.prefix_rounds(params) == expected


@pytest.mark.skipif(not tf.config.list_physical_devices("GPU"), reason="no GPU here")
def test_a_gpu_trains_nearly_the_same() -> None:
    rows, task = make_rows("binary"), TASKS["binary"]
    params = find_adapter("mlp").resolve({"hidden": [16], "epochs": 3}, task, None)
    spec = ModelSpec("mlp", params, rounds=3, iterations=EPOCHS)
    cpu, gpu = (train(replace(spec, device=device), rows, task, seed=3) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(cpu.predict(rows.features), gpu.predict(rows.features), atol=1e-3)


def test_a_gpu_that_is_not_there_is_said() -> None:
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU here")
    params = find_adapter("mlp").resolve({"epochs": 1}, TASKS["binary"], None)
    spec = ModelSpec("mlp", params, rounds=1, iterations=EPOCHS, device="cuda")
    with pytest.raises(ModelError, match="finds no GPU here: write 'device: cpu'"):
        train(spec, make_rows("binary"), TASKS["binary"], seed=3)
