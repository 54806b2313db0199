"""The work of a recipe done by hand with scikit-learn, xgboost and numpy: what rapidml is compared with.

``python peer.py job.json`` reads the same data, takes the same split, makes the same fits and predictions, and scores
the same rows with 200 Poisson bootstrap replicas, on as many threads as rapidml has workers. It does nothing else: it
checks no recipe, plans nothing, stores nothing and can continue nothing. Where a careful person would save time it
does: draws are made once for each part and shared by all models, and replicas are one product of matrices.

Imports nothing of rapidml. Prints a line as soon as a model has its selection score, and all scores in the end.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

N_REPLICAS = 200


class Job:
    """Rows, their parts and their draws.

    Args:
        job: Content of the job file: ``builtin``, ``split`` (a file of part numbers: the fold of each row, -1 for test
            rows), ``classes`` in the order of rapidml, ``metrics``, ``models``, ``workers``.
    """

    def __init__(self, job: Mapping[str, Any]) -> None:
        datasets = import_module("sklearn.datasets")
        data = getattr(datasets, f"load_{job['builtin']}")()
        names = [str(name) for name in data.target_names]
        self.X: Array = data.data
        self.y = np.array([job["classes"].index(name) for name in names])[data.target]
        self.n_classes = len(names)
        self.metrics: list[str] = job["metrics"]
        fold = np.load(job["split"])
        self.folds = [(np.flatnonzero((fold >= 0) & (fold != k)), np.flatnonzero(fold == k)) for k in range(fold.max() + 1)]
        self.train, self.test = np.flatnonzero(fold >= 0), np.flatnonzero(fold < 0)
        generator = np.random.default_rng(0)
        draws = np.concatenate([np.ones((1, len(fold))), generator.poisson(1.0, (N_REPLICAS, len(fold)))])
        parts = [held for _, held in self.folds] + [self.train, self.test]
        self.draws = {id(part): np.ascontiguousarray(draws[:, part]) for part in parts}
        for part in parts:
            part.flags.writeable = False
        self.parts = parts

    def fit(self, model: Mapping[str, Any], rows: NDArray[np.int64], predicted: list[NDArray[np.int64]]) -> list[Array]:
        """Train on some rows and predict others."""
        if model["type"] == "xgboost":
            return self._boost(model["params"], rows, predicted)
        module, _, name = model["type"].rpartition(".")
        estimator = getattr(import_module(module), name)(**model["params"])
        if model.get("standardize"):
            pipeline = import_module("sklearn.pipeline")
            estimator = pipeline.make_pipeline(import_module("sklearn.preprocessing").StandardScaler(), estimator)
        estimator.fit(self.X[rows], self.y[rows])
        chances = [estimator.predict_proba(self.X[part]) for part in predicted]
        return [chance[:, 1] if self.n_classes == 2 else chance for chance in chances]

    def _boost(self, params: Mapping[str, Any], rows: NDArray[np.int64], predicted: list[NDArray[np.int64]]) -> list[Array]:
        xgboost = import_module("xgboost")
        params = dict(params)
        rounds = params.pop("n_estimators", 100)
        kind = {"objective": "binary:logistic"} if self.n_classes == 2 else {"objective": "multi:softprob", "num_class": self.n_classes}
        matrix = xgboost.QuantileDMatrix(self.X[rows], self.y[rows], nthread=1)
        booster = xgboost.train({**kind, "tree_method": "hist", "nthread": 1, **params}, matrix, rounds)
        return [booster.inplace_predict(self.X[part]) for part in predicted]

    def score(self, part: NDArray[np.int64], prediction: Array) -> dict[str, Array]:
        """Each metric on the rows (first number) and in every replica."""
        draws, truth = self.draws[id(part)], self.y[part]
        found = {}
        for name in self.metrics:
            if name == "roc_auc":
                found[name] = _auc(truth == 1, prediction, draws)
            else:
                found[name] = draws @ _per_row(name, truth, prediction) / draws.sum(axis=1)
        return found


def _per_row(name: str, truth: NDArray[np.int64], prediction: Array) -> Array:
    """Contribution of each row to a mean."""
    chances = np.stack([1 - prediction, prediction], axis=1) if prediction.ndim == 1 else prediction
    if name == "accuracy":
        return (chances.argmax(axis=1) == truth).astype(np.float64)
    tiny = np.finfo(np.float32).eps
    return -np.log(np.clip(chances[np.arange(len(truth)), truth], tiny, 1 - tiny, dtype=np.float64))


def _auc(positive: NDArray[np.bool_], prediction: Array, draws: Array) -> Array:
    """Area under the ROC curve for all draws at once; ties count half."""
    order = np.argsort(prediction)
    steps = np.flatnonzero(np.diff(prediction[order], prepend=np.nan) != 0)
    weight, is_positive = draws[:, order], positive[order]
    ups = np.add.reduceat(weight * is_positive, steps, axis=1)
    downs = np.add.reduceat(weight * ~is_positive, steps, axis=1)
    below = downs.cumsum(axis=1) - downs / 2
    with np.errstate(invalid="ignore"):
        area: Array = (ups * below).sum(axis=1) / (ups.sum(axis=1) * downs.sum(axis=1))
    return area


def summarise(parts: list[dict[str, Array]]) -> dict[str, list[float]]:
    """Mean over parts: value, and the central 68.3% of the replicas."""
    found = {}
    for name in parts[0]:
        mean = np.mean([part[name] for part in parts], axis=0)
        low, high = np.nanquantile(mean[1:], [0.1585, 0.8415])
        found[name] = [float(mean[0]), float(low), float(high)]
    return found


def main() -> None:
    """Do the job."""
    content = json.loads(Path(sys.argv[1]).read_text())
    job = Job(content)
    scores: dict[str, Any] = {}
    with ThreadPoolExecutor(content["workers"]) as pool:
        started = {}
        for name, model in content["models"].items():
            fits = [pool.submit(job.fit, model, rows, [held]) for rows, held in job.folds]
            started[name] = [*fits, pool.submit(job.fit, model, job.train, [job.train, job.test])]
        for name, (*fits, final) in started.items():
            held = [job.score(part, fit.result()[0]) for fit, (_, part) in zip(fits, job.folds, strict=True)]
            scores[name] = {"selection": summarise(held)}
            print(f"score {name} {scores[name]['selection'][job.metrics[0]][0]:.4f}", flush=True)
            parts = zip(("train", "test"), (job.train, job.test), final.result(), strict=True)
            scores[name] |= {group: summarise([job.score(part, predicted)]) for group, part, predicted in parts}
    print(json.dumps(scores))


if __name__ == "__main__":
    main()
