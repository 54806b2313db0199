"""An exported network, read by Keras alone, predicts what the model did."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rapidml.models.network_model import NetworkModel
from rapidml.models.network_rows import make_inputs
from tests.models.conformance import Kind, make_rows

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("tensorflow", reason="networks need TensorFlow: pip install 'iml-rapidml[tensorflow]'")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras 3 while it saves
]


def read_and_predict(folder: Path, inputs: Any) -> Any:
    import keras

    whole = keras.saving.load_model(folder / "model.keras")
    return np.asarray(whole(inputs.astype(np.float32), training=False))


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("members", [0, 2])
def test_keras_alone_predicts_the_same(kind: Kind, members: int, tmp_path: Path) -> None:
    from tests.models.test_networks import fit

    rows = make_rows(kind)
    fitted = fit(rows, kind, "mlp", hidden=[8], epochs=2, batch_norm=True, dropout=0.2).fitted
    assert isinstance(fitted, NetworkModel)
    others = tuple(
        [np.asarray(array + 0.01 * number) for array in fitted.state["weights"]] for number in range(members)
    )
    model = replace(fitted, members=others)
    inputs = make_inputs(rows.features)
    model.export(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]
    expected = model.predict_inputs(inputs).reshape(len(inputs), -1)
    np.testing.assert_allclose(read_and_predict(tmp_path, inputs), expected, rtol=2e-5, atol=2e-6)


def test_a_class_without_rows_has_no_chance(tmp_path: Path) -> None:
    from tests.models.test_networks import fit

    rows = make_rows("multiclass")
    some = rows.take(np.flatnonzero(rows.target != 1))
    fitted = fit(some, "multiclass", "mlp", hidden=[4], epochs=1).fitted
    assert isinstance(fitted, NetworkModel)
    fitted.export(tmp_path)
    inputs = make_inputs(some.features)
    found = read_and_predict(tmp_path, inputs)
    assert np.all(found[:, 1] == 0)
    np.testing.assert_allclose(found, fitted.predict_inputs(inputs), rtol=2e-5, atol=2e-6)
