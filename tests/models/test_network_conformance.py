"""The conformance suite for networks; skips where TensorFlow is not installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from rapidml.models.fitting import load_model, train
from rapidml.recipe.schema import Choice
from tests.models.conformance import TASKS, Kind, RoundsConformance, WeightConformance, make_rows, stored_bytes
from tests.models.prefix_conformance import PrefixConformance

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("tensorflow", reason="networks need TensorFlow: pip install 'iml-rapidml[tensorflow]'")
pytestmark = pytest.mark.slow


class NetworkConformance(WeightConformance, RoundsConformance, PrefixConformance):
    """What holds for networks in place of models that see all rows in each round."""

    iterations = "epochs"
    default_length = 20
    weight_tolerance = None  # mini-batches: a row twice is in two of them
    prepare = (Choice(name="impute", options={"value": "median"}), Choice(name="standardize"))

    def test_prefixes_of_loaded_models_are_the_same(self, any_kind: Kind, tmp_path: Path) -> None:
        """A stored network has its last epoch alone."""
        model = train(self.of_length(any_kind, 3), make_rows(any_kind), TASKS[any_kind], seed=5)
        stored_bytes(model, tmp_path / "model")
        with pytest.raises(ValueError, match="cannot cut a network of 3 epochs to 2"):
            load_model(tmp_path / "model").fitted.cut(2)


class TestMlp(NetworkConformance):
    type = "mlp"
    params: ClassVar[dict[str, Any]] = {"hidden": [32, 16], "epochs": 25, "batch_size": 32, "learning_rate": 0.01}


class TestMlpWithDropoutAndBatchNormalisation(NetworkConformance):
    type = "mlp"
    params: ClassVar[dict[str, Any]] = {
        "hidden": [32],
        "dropout": 0.1,
        "batch_norm": True,
        "epochs": 25,
        "batch_size": 32,
        "learning_rate": 0.01,
    }
