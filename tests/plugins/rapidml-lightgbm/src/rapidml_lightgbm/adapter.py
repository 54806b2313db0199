"""The ``lightgbm`` adapter: boosted trees in LightGBM's own text format."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rapidml.errors import ModelError
from rapidml.models.parameters import ParameterList

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.frame import Frame, Task, TrainingRows
    from rapidml.models.adapter import Complaint, Fitted, Keep, Report

OBJECTIVES = {"binary": "binary", "multiclass": "multiclass", "regression": "regression"}


def _number(low: float, high: float | None = None, closed: str = "left") -> dict[str, Any]:
    return {"kinds": [{"form": "number", "low": low, "high": high, "closed": closed}]}


PARAMETERS: dict[str, Any] = {
    "n_estimators": {"kinds": [{"form": "integer", "low": 1}], "aliases": ["num_iterations", "num_boost_round"]},
    "learning_rate": _number(0, closed="right") | {"aliases": ["eta", "shrinkage_rate"]},
    "num_leaves": {"kinds": [{"form": "integer", "low": 2, "high": 131072}], "aliases": ["max_leaves"]},
    "max_depth": {"kinds": [{"form": "integer"}]},
    "min_child_samples": {"kinds": [{"form": "integer", "low": 0}], "aliases": ["min_data_in_leaf"]},
    "min_child_weight": _number(0) | {"aliases": ["min_sum_hessian_in_leaf"]},
    "subsample": _number(0, 1, "right") | {"aliases": ["bagging_fraction"]},
    "subsample_freq": {"kinds": [{"form": "integer", "low": 0}], "aliases": ["bagging_freq"]},
    "colsample_bytree": _number(0, 1, "right") | {"aliases": ["feature_fraction"]},
    "reg_alpha": _number(0) | {"aliases": ["lambda_l1"]},
    "reg_lambda": _number(0) | {"aliases": ["lambda_l2"]},
    "max_bin": {"kinds": [{"form": "integer", "low": 2}]},
}
REFUSED = {
    "seed": "remove it; the recipe's 'seed' sets it",
    "num_threads": "remove it; rapidml gives every fit its share of the cores",
    "early_stopping_round": "write 'early_stopping' beside 'params', not in it",
}


class LightGBM:
    """Adapter of LightGBM's gradient-boosted trees; see ``rapidml.models.adapter.Adapter`` for the contract.

    It never continues a stored fit: LightGBM does that only approximately.
    """

    name = "lightgbm"
    library = "lightgbm"
    extra: str | None = None
    tasks = frozenset(OBJECTIVES)
    takes_weights = True
    takes_negative_weights = False
    takes_categories = True
    takes_missing = True
    takes_negative_features = True
    iterations: str | None = "n_estimators"
    prefix: str | None = "n_estimators"
    uses_threads = True
    devices = frozenset({"cpu"})
    takes_shards = False

    def check(self, params: Mapping[str, Any], task_kind: str | None) -> Iterator[Complaint]:
        """Names, types and ranges."""
        yield from ParameterList.from_json(PARAMETERS, REFUSED).check(params)

    def resolve(self, params: Mapping[str, Any], task: Task, early_stopping: int | None) -> dict[str, Any]:
        """Canonical names, and the number of rounds."""
        rounds = 100 if early_stopping is None else 2000
        return {"n_estimators": rounds, **ParameterList.from_json(PARAMETERS, REFUSED).resolve(params)}

    def prefix_rounds(self, params: Mapping[str, Any]) -> int | None:
        """The number of rounds, which ``resolve`` always gives."""
        return int(params["n_estimators"])

    def versions(self) -> dict[str, str]:
        """Version of LightGBM."""
        from importlib.metadata import PackageNotFoundError, version

        try:
            return {"lightgbm": version("lightgbm")}
        except PackageNotFoundError:
            return {}

    def fit(
        self,
        rows: TrainingRows,
        params: Mapping[str, Any],
        task: Task,
        *,
        seed: int,
        threads: int,
        watch: TrainingRows | None = None,
        early_stopping: int | None = None,
        start: Fitted | None = None,
        device: str = "cpu",
        report: Report | None = None,
        keep: Keep | None = None,
    ) -> Trees:
        """Train; see ``rapidml.models.adapter.Adapter.fit``."""
        import lightgbm

        total = int(params["n_estimators"])
        settings = {name: value for name, value in params.items() if name != "n_estimators"}
        settings |= {"objective": OBJECTIVES[task.kind], "seed": seed, "num_threads": threads, "verbosity": -1}
        settings |= {"deterministic": True, "force_row_wise": True}
        if task.kind == "multiclass":
            settings["num_class"] = len(task.classes)
        losses: dict[str, dict[str, list[float]]] = {}
        callbacks = [lightgbm.record_evaluation(losses)]
        if early_stopping is not None:
            callbacks.append(lightgbm.early_stopping(early_stopping, verbose=False))
        if report is not None:
            callbacks.append(lambda state: report(state.iteration + 1, total, {}))
        train = _make_dataset(rows, settings)
        watched = [] if watch is None else [_make_dataset(watch, settings, like=train)]
        try:
            booster = lightgbm.train(settings, train, total, watched, ["watch"][: len(watched)], callbacks=callbacks)
        except lightgbm.basic.LightGBMError as error:
            raise ModelError(f"lightgbm: {error}") from error
        best = booster.best_iteration if watched else None
        loss = next(iter(losses["watch"].values())) if watched else []
        text = booster.model_to_string(num_iteration=best or -1)
        return Trees(_without_settings(text), task, best or booster.current_iteration(), best, loss)

    def load(self, folder: Path, task: Task) -> Trees:
        """The model that ``Trees.save`` wrote."""
        try:
            about = json.loads((folder / "rounds.json").read_text(encoding="utf-8"))
            text = (folder / "model.txt").read_text(encoding="utf-8")
            return Trees(text, task, about["rounds"], about["best_round"], about["watch"])
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{folder} does not hold a whole lightgbm model: {error}") from error


@dataclass(frozen=True)
class Trees:
    """Fitted trees as LightGBM's own text.

    Attributes:
        text: The model.
        task: What was learned.
        rounds: Rounds in it.
        best_round: Round with the lowest watched loss; None if nothing was watched.
        watched: Watched loss of each round that was trained.
    """

    text: str = field(repr=False)
    task: Task
    rounds: int
    best_round: int | None
    watched: list[float] = field(repr=False)

    @property
    def history(self) -> dict[str, list[float]]:
        """Watched losses, if any."""
        if not self.watched:
            return {}
        return {"round": [float(i + 1) for i in range(len(self.watched))], "watch": self.watched}

    def predict(self, features: Frame, *, threads: int) -> NDArray[np.float64]:
        """Chance of class 1, of every class, or the value."""
        import numpy as np

        from rapidml.models.matrix import make_matrix

        predicted = self._booster().predict(make_matrix(features, np.float64), num_threads=threads)
        return np.asarray(predicted, dtype=np.float64)

    def save(self, folder: Path) -> None:
        """Write ``model.txt`` and ``rounds.json``."""
        (folder / "model.txt").write_text(self.text, encoding="utf-8")
        about = {"rounds": self.rounds, "best_round": self.best_round, "watch": self.watched}
        (folder / "rounds.json").write_text(json.dumps(about, sort_keys=True), encoding="utf-8")

    def cut(self, rounds: int) -> Trees:
        """The model after its first rounds.

        Raises:
            ValueError: It has fewer rounds, or ``rounds`` is below 1.
        """
        if not 1 <= rounds <= self.rounds:
            raise ValueError(f"cannot cut a model of {self.rounds} rounds to {rounds}")
        text = _without_settings(self._booster().model_to_string(num_iteration=rounds))
        return Trees(text, self.task, rounds, None, self.watched[:rounds])

    def _booster(self) -> Any:
        import lightgbm

        return lightgbm.Booster(model_str=self.text)


def _make_dataset(rows: TrainingRows, settings: Mapping[str, Any], like: Any = None) -> Any:
    import lightgbm
    import numpy as np

    from rapidml.models.matrix import flat_categorical, make_matrix

    return lightgbm.Dataset(
        make_matrix(rows.features, np.float64),
        label=rows.target,
        weight=rows.weight,
        categorical_feature=[i for i, yes in enumerate(flat_categorical(rows.features)) if yes],
        params=dict(settings),
        reference=like,
    )


def _without_settings(text: str) -> str:
    """The model without the list of settings, which names the number of threads and which a model read anew lacks."""
    head, _, rest = text.partition("\nparameters:")
    if not rest:
        head, mark, rest = text.partition("\npandas_categorical:")
        return f"{head.rstrip()}\n{mark}{rest}"
    return f"{head.rstrip()}\n\n{rest.partition('end of parameters')[2].lstrip()}"
