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
    from concurrent.futures import Future

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
        self.n_folds = int(fold.max()) + 1
        self.rows = {f"held:{k}": np.flatnonzero(fold == k) for k in range(self.n_folds)}
        self.rows |= {f"fold:{k}": np.flatnonzero((fold >= 0) & (fold != k)) for k in range(self.n_folds)}
        self.rows |= {"train": np.flatnonzero(fold >= 0), "test": np.flatnonzero(fold < 0)}
        draws = np.random.default_rng(0).poisson(1.0, (1 + N_REPLICAS, len(fold))).astype(np.float64)
        draws[0] = 1.0
        self.draws = {part: np.ascontiguousarray(draws[:, rows]) for part, rows in self.rows.items()}

    def start(self, pool: ThreadPoolExecutor, model: Mapping[str, Any]) -> dict[str, Future[list[Array]]]:
        """Begin all fits of a model: each predicts its held-out rows, the final one training and test rows."""
        fits = {f"held:{k}": pool.submit(self.fit, model, f"fold:{k}", [f"held:{k}"]) for k in range(self.n_folds)}
        return fits | {"final": pool.submit(self.fit, model, "train", ["train", "test"])}

    def fit(self, model: Mapping[str, Any], part: str, predicted: list[str]) -> list[Array]:
        """Train on some rows and predict others."""
        if model["type"] == "xgboost":
            return self._boost(model["params"], part, predicted)
        module, _, name = model["type"].rpartition(".")
        estimator = getattr(import_module(module), name)(**model["params"])
        if model.get("standardize"):
            pipeline = import_module("sklearn.pipeline")
            estimator = pipeline.make_pipeline(import_module("sklearn.preprocessing").StandardScaler(), estimator)
        rows = self.rows[part]
        estimator.fit(self.X[rows], self.y[rows])
        chances = [estimator.predict_proba(self.X[self.rows[name]]) for name in predicted]
        return [chance[:, 1] if self.n_classes == 2 else chance for chance in chances]

    def _boost(self, params: Mapping[str, Any], part: str, predicted: list[str]) -> list[Array]:
        xgboost = import_module("xgboost")
        params = dict(params)
        rounds = params.pop("n_estimators", 100)
        kind: dict[str, Any] = {"objective": "binary:logistic"}
        if self.n_classes > 2:
            kind = {"objective": "multi:softprob", "num_class": self.n_classes}
        rows = self.rows[part]
        matrix = xgboost.QuantileDMatrix(self.X[rows], self.y[rows], nthread=1)
        booster = xgboost.train({**kind, "tree_method": "hist", "nthread": 1, **params}, matrix, rounds)
        return [booster.inplace_predict(self.X[self.rows[name]]) for name in predicted]

    def score(self, part: str, prediction: Array) -> dict[str, Array]:
        """Each metric on the rows (first number) and in every replica."""
        draws, truth = self.draws[part], self.y[self.rows[part]]
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
        hits: Array = (chances.argmax(axis=1) == truth).astype(np.float64)
        return hits
    tiny = np.finfo(np.float32).eps
    losses: Array = -np.log(np.clip(chances[np.arange(len(truth)), truth].astype(np.float64), tiny, 1 - tiny))
    return losses


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
        started = {name: job.start(pool, model) for name, model in content["models"].items()}
        for name, fits in started.items():
            final = fits.pop("final")
            held = [job.score(part, fit.result()[0]) for part, fit in fits.items()]
            scores[name] = {"selection": summarise(held)}
            print(f"score {name} {scores[name]['selection'][job.metrics[0]][0]:.4f}", flush=True)
            for part, predicted in zip(("train", "test"), final.result(), strict=True):
                scores[name][part] = summarise([job.score(part, predicted)])
    print(json.dumps(scores))


if __name__ == "__main__":
    main()
