"""The adapter of reviewed scikit-learn classes: checked parameters, exact threads, models stored by skops.

Classes without ``predict_proba`` (support vector machines, ridge and perceptron classifiers) give their decision value
through the logistic function (two classes) or the softmax (several): the order of rows is theirs, the numbers are not
calibrated chances, and a log loss of such a model says little.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rapidml.errors import ModelError
from rapidml.models.ensembles import cut_ensemble, find_prefix_rounds, forget_generator, is_prefixed
from rapidml.models.parameters import ParameterList, read_list
from rapidml.models.versions import find_versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.frame import Frame, Task, TrainingRows
    from rapidml.models.adapter import Complaint, Fitted, Keep, Report

FILE = "model.skops"

_CODE = "remove it; a recipe holds data, not code"
REFUSED = {
    "random_state": "remove it; the recipe's 'seed' sets it",
    "n_jobs": "remove it; rapidml gives every fit its share of the cores ('--workers'), which changes no result",
    "verbose": "remove it; progress is shown by rapidml",
    "warm_start": "remove it; every fit starts anew",
    "categorical_features": "remove it; categorical columns are found in the dataset and one-hot encoded",
    "sample_weight": "remove it; 'dataset.weight' is the weight of each row",
    "probability": "remove it; decision values are turned into numbers between 0 and 1 without it",
    "decision_function_shape": "remove it; rapidml needs one value a class",
    "multi_class": "remove it; rapidml needs one value a class",
    "oob_score": "remove it; scores come from the folds",
    "scoring": "remove it; scores are named under 'evaluate'",
    **dict.fromkeys(("base_estimator", "callback", "estimator", "memory", "metric_params"), _CODE),
    **dict.fromkeys(("break_ties", "copy_X", "copy_X_train"), "remove it; it changes no score"),
}


def list_classes() -> list[str]:
    """Dotted names of the reviewed classes."""
    return list(read_list("scikit_learn")["classes"])


class ScikitLearn:
    """Adapter of one reviewed class; see ``adapter.Adapter`` for the contract.

    Args:
        name: Dotted name from ``list_classes``.
    """

    library = "sklearn"
    extra: str | None = None
    takes_categories = False
    iterations: str | None = None
    devices = frozenset({"cpu"})
    takes_shards = False

    def __init__(self, name: str) -> None:
        about = read_list("scikit_learn")["classes"][name]
        self.name = name
        self.tasks: frozenset[str] = frozenset(about["tasks"])
        self.takes_weights: bool = about["takes_weights"]
        self.takes_negative_weights: bool = about["takes_negative_weights"]
        self.takes_missing: bool = about["takes_missing"]
        self.takes_negative_features: bool = about["takes_negative_features"]
        self.uses_threads: bool = about["threads"] is not None
        self.prefix: str | None = "n_estimators" if is_prefixed(name) else None
        self._about = about

    def check(self, params: Mapping[str, Any], task_kind: str | None) -> Iterator[Complaint]:  # noqa: ARG002
        """Names, types and ranges, as the class itself declares them."""
        yield from self._parameters().check(params)

    def resolve(self, params: Mapping[str, Any], task: Task, early_stopping: int | None) -> dict[str, Any]:  # noqa: ARG002
        """The parameters as given: scikit-learn has no aliases, and no defaults that depend on others."""
        return self._parameters().resolve(params)

    def versions(self) -> dict[str, str]:
        """Version of scikit-learn, and of skops, which stores its models."""
        return find_versions(("scikit-learn", "skops"))

    def prefix_rounds(self, params: Mapping[str, Any]) -> int | None:
        """Number of trees; None for other classes, and where later trees change what is stored of earlier ones."""
        return find_prefix_rounds(params) if self.prefix is not None else None

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
        keep: Keep | None = None,  # noqa: ARG002
    ) -> Estimator:
        """Train; see ``adapter.Adapter.fit``. There are no rounds to watch or to continue."""
        held = self.hold_rows(rows, params, task, threads=threads, watch=watch)
        return self.fit_held(
            held,
            params,
            task,
            seed=seed,
            threads=threads,
            early_stopping=early_stopping,
            start=start,
            device=device,
            report=report,
        )

    def form(self, params: Mapping[str, Any]) -> tuple[Any, ...]:  # noqa: ARG002
        """All classes read the same matrix; see ``adapter.HoldingAdapter``."""
        return (self.library,)

    def hold_rows(
        self,
        rows: TrainingRows,
        params: Mapping[str, Any],  # noqa: ARG002
        task: Task,
        *,
        threads: int,  # noqa: ARG002
        watch: TrainingRows | None,  # noqa: ARG002
    ) -> MatrixRows:
        """The rows as one matrix; see ``adapter.HoldingAdapter``."""
        import numpy as np

        target = rows.target if task.kind == "regression" else rows.target.astype(np.int64)
        return MatrixRows(self.hold_shown(rows.features), target, rows.weight)

    def hold_shown(self, features: Frame) -> NDArray[np.float64]:
        """Rows to predict. Shape ``(n_rows, n_flat)``, float64."""
        import numpy as np

        from rapidml.models.matrix import make_matrix

        return make_matrix(features, np.float64)

    def fit_held(
        self,
        rows: MatrixRows,
        params: Mapping[str, Any],
        task: Task,
        *,
        seed: int,
        threads: int,
        early_stopping: int | None = None,  # noqa: ARG002
        start: Fitted | None = None,  # noqa: ARG002
        device: str = "cpu",  # noqa: ARG002
        report: Report | None = None,
        keep: Keep | None = None,  # noqa: ARG002
    ) -> Estimator:
        """The model of ``fit``, from a matrix that is there already; see ``adapter.HoldingAdapter``."""
        from rapidml.models.threads import limit_threads

        estimator = self._make_estimator(params, seed, threads)
        weight = {} if rows.weight is None else {"sample_weight": rows.weight}
        try:
            with limit_threads(threads if self._about["threads"] == "openmp" else 1, self.name):
                estimator.fit(rows.matrix, rows.target, **weight)
        # what estimators raise for rows and parameters they refuse; anything else is a bug and keeps its own type
        except (ArithmeticError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError) as error:
            raise ModelError(f"{self.name}: {error}") from error
        if report is not None:
            report(1, 1, {})
        return Estimator(self.name, task, estimator)

    def predict_held(
        self, fitted: Estimator, shown: NDArray[np.float64], rounds: Sequence[int], *, threads: int
    ) -> list[NDArray[np.float32]]:
        """Predictions after each number of trees; see ``adapter.HoldingAdapter``."""
        cuts = [fitted.cut(wanted) for wanted in rounds] or [fitted]
        return [cut.predict_matrix(shown, threads) for cut in cuts]

    def load(self, folder: Path, task: Task) -> Estimator:
        """The model that ``Estimator.save`` wrote; types outside the reviewed list are refused."""
        from rapidml.models.skops_file import read_skops

        estimator = read_skops(folder / FILE)
        if type(estimator) is not _import_class(self.name):
            raise ModelError(f"{folder / FILE} holds a {type(estimator).__name__}, not the {self.name} that was stored")
        return Estimator(self.name, task, estimator)

    def _parameters(self) -> ParameterList:
        gone = dict.fromkeys(self._about["deprecated"], "remove it; scikit-learn is about to drop it")
        return ParameterList.from_json(self._about["parameters"], REFUSED | gone)

    def _make_estimator(self, params: Mapping[str, Any], seed: int, threads: int) -> Any:
        settings = {name: tuple(value) if isinstance(value, list) else value for name, value in params.items()}
        if self._about["random_state"]:
            settings["random_state"] = seed
        if self._about["threads"] == "jobs":
            settings["n_jobs"] = threads
        return _import_class(self.name)(**settings)


@dataclass(frozen=True)
class MatrixRows:
    """Rows of a fit as scikit-learn reads them.

    Attributes:
        matrix: Features. Shape ``(n_rows, n_flat)``, float64.
        target: Class codes (int64) or values (float64). Shape ``(n_rows,)``.
        weight: Training weight; None if all rows weigh the same. Shape ``(n_rows,)``.
    """

    matrix: NDArray[np.float64] = field(repr=False)
    target: NDArray[Any] = field(repr=False)
    weight: NDArray[np.float64] | None = field(repr=False)

    @property
    def n_bytes(self) -> int:
        """Memory that the arrays take."""
        weight = 0 if self.weight is None else self.weight.nbytes
        return self.matrix.nbytes + self.target.nbytes + weight


@dataclass(frozen=True)
class Estimator:
    """A fitted scikit-learn estimator.

    Attributes:
        name: Dotted name of its class.
        task: What was learned.
        estimator: scikit-learn's own object.
    """

    name: str
    task: Task
    estimator: Any = field(repr=False)
    rounds: int | None = None
    best_round: int | None = None

    @property
    def history(self) -> dict[str, list[float]]:
        """Empty: these classes tell no losses."""
        return {}

    def predict(self, features: Frame, *, threads: int) -> NDArray[np.float32]:
        """Chance of class 1, of every class, or the value; see ``adapter.Fitted.predict``."""
        import numpy as np

        from rapidml.models.matrix import make_matrix

        return self.predict_matrix(make_matrix(features, np.float64), threads)

    def predict_matrix(self, matrix: NDArray[np.float64], threads: int) -> NDArray[np.float32]:
        """Predictions of rows as one matrix. Shape of ``matrix``: ``(n_rows, n_flat)``."""
        import numpy as np

        from rapidml.models.threads import limit_threads, map_rows

        about = read_list("scikit_learn")["classes"][self.name]
        with limit_threads(threads if about["threads"] == "openmp" else 1, self.name):
            if about["threads"] == "jobs":
                self.estimator.set_params(n_jobs=1)
                predicted = map_rows(self._predict_matrix, matrix, threads)
            else:
                predicted = self._predict_matrix(matrix)
        return predicted.astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write ``model.skops``."""
        from rapidml.models.skops_file import write_skops

        _forget_use(self.estimator)
        write_skops(self.estimator, folder / FILE)

    def cut(self, rounds: int) -> Estimator:
        """The model with its first trees alone, equal to the byte to a fit of that many.

        Raises:
            ValueError: This class has no trees to count, or the model has fewer.
        """
        if not is_prefixed(self.name):
            raise ValueError(f"{self.name} has no rounds, so it cannot be cut to {rounds}")
        return replace(self, estimator=cut_ensemble(self.estimator, rounds))

    def _predict_matrix(self, matrix: NDArray[np.float64]) -> NDArray[Any]:
        import numpy as np

        if self.task.kind == "regression":
            return np.asarray(self.estimator.predict(matrix)).ravel()
        if hasattr(self.estimator, "predict_proba"):
            chances = np.asarray(self.estimator.predict_proba(matrix))
        else:
            chances = _squash(np.asarray(self.estimator.decision_function(matrix)))
        whole = np.zeros((len(matrix), len(self.task.classes)))
        whole[:, self.estimator.classes_] = chances
        return whole[:, 1] if self.task.kind == "binary" else whole


def _squash(decision: NDArray[Any]) -> NDArray[Any]:
    """Decision values as numbers that sum to 1: logistic function for one column, softmax for several."""
    import numpy as np

    both = np.stack([np.zeros_like(decision), decision], axis=1) if decision.ndim == 1 else decision
    powers = np.exp(both - both.max(axis=1, keepdims=True))
    shares: NDArray[Any] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _forget_use(estimator: Any) -> None:
    """Reset what fits and predictions leave in an estimator but is no part of the model: threads and counters."""
    if "n_jobs" in estimator.get_params(deep=False):
        estimator.set_params(n_jobs=1)
    forget_generator(estimator)
    if hasattr(estimator, "_bin_mapper"):
        estimator._bin_mapper.set_params(n_threads=1)  # noqa: SLF001
    tree = getattr(estimator, "_tree", None)
    if tree is not None and hasattr(tree, "get_tree_stats"):
        state = tree.__getstate__()
        n_used = tree.get_tree_stats()
        where = state[7 : 7 + len(n_used)]
        if where == n_used:
            tree.__setstate__((*state[:7], *(0 for _ in n_used), 0, *state[8 + len(n_used) :]))


def _import_class(name: str) -> type[Any]:
    """The class of a reviewed dotted name."""
    import importlib

    module, _, class_name = name.rpartition(".")
    if name not in read_list("scikit_learn")["classes"]:
        raise ModelError(f"'{name}' is not a reviewed scikit-learn class")
    found: type[Any] = getattr(importlib.import_module(module), class_name)
    return found
