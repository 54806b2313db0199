"""Fitted trees as XGBoost's own bytes: predicting, cutting, storing. Training is in ``boosted_trees``."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rapidml.errors import ExtraNotInstalled, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.frame import Frame, Task
    from rapidml.models.boosting import History


@dataclass(frozen=True)
class BoosterModel:
    """Fitted trees as XGBoost's own bytes (UBJSON), which is also how they are stored.

    Attributes:
        raw: The model without training state; two equal fits have equal bytes.
        task: What was learned.
        rounds: Rounds in it.
        best_round: Round with the lowest watched loss; None if nothing was watched.
        losses: Losses of all rounds that were trained, those cut off included: they decide how continuing goes.
    """

    raw: bytes = field(repr=False)
    task: Task
    rounds: int
    best_round: int | None
    losses: History = field(repr=False)

    @property
    def history(self) -> dict[str, list[float]]:
        """Losses by name, each as long as ``round``."""
        return self.losses.to_json()

    def predict(self, features: Frame, *, threads: int) -> NDArray[np.float32]:
        """Chance of class 1, of every class, or the value; see ``adapter.Fitted.predict``."""
        from rapidml.models.boosted_rows import make_float_matrix

        return predict_rounds(load_booster(self.raw, threads), make_float_matrix(features), self.task, 0)

    def save(self, folder: Path) -> None:
        """Write ``model.ubj`` (XGBoost's own format) and ``rounds.json``."""
        (folder / "model.ubj").write_bytes(self.raw)
        rounds = {"rounds": self.rounds, "best_round": self.best_round, "losses": self.history}
        (folder / "rounds.json").write_text(json.dumps(rounds, sort_keys=True), encoding="utf-8")

    def cut(self, rounds: int) -> BoosterModel:
        """The model after its first rounds, equal to the byte to a fit of that many.

        Raises:
            ValueError: It has fewer rounds, or ``rounds`` is below 1.
        """
        self.require_rounds(rounds)
        if rounds == self.rounds:
            return self
        raw = bytes(load_booster(self.raw, 1)[:rounds].save_raw("ubj"))
        return BoosterModel(raw, self.task, rounds, None, self.losses.first(rounds))

    def require_rounds(self, rounds: int) -> None:
        """Stop at a number of rounds that this model does not have.

        Raises:
            ValueError: It has fewer rounds, or ``rounds`` is below 1.
        """
        if not 1 <= rounds <= self.rounds:
            raise ValueError(f"cannot cut a model of {self.rounds} rounds to {rounds}")


def predict_rounds(booster: Any, matrix: NDArray[np.float32], task: Task, end: int) -> NDArray[np.float32]:
    """Predictions of the first rounds, of all if ``end`` is 0."""
    return _shape(booster.inplace_predict(matrix, iteration_range=(0, end), validate_features=False), matrix, task)


def predict_prefixes(
    booster: Any, matrix: NDArray[np.float32], task: Task, rounds: Sequence[int]
) -> list[NDArray[np.float32]]:
    """Predictions after each of some numbers of rounds, in the order asked for; every tree is read once.

    XGBoost adds tree after tree to a margin in float32, so going on from a margin gives the bits of going all the way;
    a range without trees then turns the margin into the prediction.

    Args:
        booster: XGBoost's booster.
        matrix: Rows to predict. Shape ``(n_rows, n_flat)``.
        task: What was learned.
        rounds: Numbers of rounds, each at least 1 and at most those of the booster.
    """
    found: dict[int, NDArray[np.float32]] = {}
    margin, begin = None, 0
    for end in sorted(set(rounds)):
        go_on = {"validate_features": False, "base_margin": margin}
        margin = booster.inplace_predict(matrix, iteration_range=(begin, end), predict_type="margin", **go_on)
        go_on["base_margin"] = margin
        found[end] = _shape(booster.inplace_predict(matrix, iteration_range=(end, end), **go_on), matrix, task)
        begin = end
    return [found[end] for end in rounds]


def _shape(predicted: Any, matrix: NDArray[np.float32], task: Task) -> NDArray[np.float32]:
    import numpy as np

    shape = (len(matrix), len(task.classes)) if task.kind == "multiclass" else (len(matrix),)
    return np.asarray(predicted, dtype=np.float32).reshape(shape)


def make_booster_model(booster: Any, task: Task, losses: History) -> BoosterModel:
    """All rounds trained so far."""
    return BoosterModel(bytes(booster.save_raw("ubj")), task, booster.num_boosted_rounds(), None, losses)


def load_booster(raw: bytes, threads: int) -> Any:
    """The library's own object.

    XGBoost reads trees in all cores' threads, whatever it is told: beside other fits that is twenty times slower.

    Raises:
        ModelError: The bytes are no whole model.
    """
    import xgboost

    from rapidml.models.threads import limit_threads

    try:
        with limit_threads(threads, "xgboost"):
            return xgboost.Booster({"nthread": threads, "verbosity": 0}, model_file=bytearray(raw))
    except xgboost.core.XGBoostError as error:
        raise ModelError(f"not a whole xgboost model: {_first_line(error)}") from error


@contextmanager
def explain_refusals(xgboost: Any) -> Iterator[None]:
    """XGBoost's own refusals as errors of the model."""
    try:
        yield
    except xgboost.core.XGBoostError as error:
        raise ModelError(f"xgboost: {_first_line(error)}") from error


def import_xgboost(device: str) -> Any:
    """The library.

    Raises:
        ExtraNotInstalled: It is absent, or cannot train on this device.
    """
    try:
        import xgboost
    except ImportError as error:
        raise ExtraNotInstalled("type: xgboost", "cpu") from error
    if device == "cuda" and not xgboost.build_info().get("USE_CUDA"):
        raise ExtraNotInstalled("device: cuda", "gpu")
    return xgboost


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].partition("Check failed: ")[2] or str(error).strip().splitlines()[0]
