"""One fit of boosted trees as a careful person writes it by hand: what ``rapid.py`` compares rapidml with.

``python native_trees.py job.json`` reads a Parquet file, splits its rows, trains, predicts all three parts and prints
their AUCs with central 68.3% intervals of 200 Poisson bootstrap replicas; with ``"fit_only": true`` it stops after the
fit. With ``"workers": n`` it does the training and the predictions through ``xgboost.dask`` on a ``LocalCluster``
instead; with ``"warm": true`` it does everything twice on that cluster and prints the seconds of the second time.
Imports nothing of rapidml; stores nothing.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

REPLICAS = 200
BLOCK = 10
"""Replicas that are drawn together: their draws fit the processor's cache better than all at once."""


def read(path: str, target: str) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Features and target of a Parquet file: shapes ``(n_rows, n_features)`` and ``(n_rows,)``."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    truth = table[target].to_numpy().astype(np.float64)
    columns = [table[name].to_numpy() for name in table.column_names if name != target]
    return np.column_stack(columns).astype(np.float32, copy=False), truth


def split(n_rows: int) -> dict[str, NDArray[np.bool_]]:
    """A tenth of the rows to test, a tenth of the others to validate."""
    draw = np.random.default_rng(0)
    test = draw.random(n_rows) < 0.1
    valid = ~test & (draw.random(n_rows) < 0.1)
    return {"train": ~test & ~valid, "valid": valid, "test": test}


def auc(truth: NDArray[np.float64], score: NDArray[Any]) -> list[float]:
    """Area under the ROC curve and its interval. The rows are sorted once for all replicas."""
    order = np.argsort(-score, kind="stable")
    is_signal = truth[order] > 0.5
    last = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    draw = np.random.default_rng(1)
    values = [_area(is_signal, last, np.ones((1, len(order)), np.float32))[0]]
    for _ in range(REPLICAS // BLOCK):
        weights = draw.poisson(1.0, (BLOCK, len(order))).astype(np.float32)
        values.extend(_area(is_signal, last, weights))
    return [values[0], *np.quantile(values[1:], [0.1585, 0.8415]).tolist()]


def _area(is_signal: NDArray[np.bool_], last: NDArray[np.intp], weights: NDArray[np.float32]) -> list[float]:
    signal = np.cumsum(weights * is_signal, axis=1, dtype=np.float64)[:, last]
    background = np.cumsum(weights * ~is_signal, axis=1, dtype=np.float64)[:, last]
    areas = [np.trapezoid(s, b) / (s[-1] * b[-1]) for s, b in zip(signal, background, strict=True)]
    return [float(area) for area in areas]


def run_alone(job: Mapping[str, Any]) -> dict[str, list[float]]:
    """One process, all its threads."""
    import xgboost

    features, truth = read(job["path"], job["target"])
    parts = split(len(truth))
    rows = xgboost.QuantileDMatrix(features[parts["train"]], truth[parts["train"]], nthread=job["threads"])
    params = {"objective": "binary:logistic", "nthread": job["threads"], **job["params"]}
    booster = xgboost.train(params, rows, job["rounds"])
    if job.get("fit_only"):
        return {}
    return {name: auc(truth[mask], booster.inplace_predict(features[mask])) for name, mask in parts.items()}


def run_on(client: Any, job: Mapping[str, Any]) -> dict[str, list[float]]:
    """The same through ``xgboost.dask``: rows in as many pieces as there are workers."""
    import dask.array as da
    from xgboost import dask as dxgb

    features, truth = read(job["path"], job["target"])
    parts = split(len(truth))
    train = parts["train"]
    size = -(-int(train.sum()) // job["workers"])
    x = da.from_array(features[train], chunks=(size, -1)).persist()
    y = da.from_array(truth[train], chunks=size).persist()
    rows = dxgb.DaskQuantileDMatrix(client, x, y)
    params = {"objective": "binary:logistic", "tree_method": "hist", **job["params"]}
    booster = dxgb.train(client, params, rows, num_boost_round=job["rounds"])["booster"]
    found = {}
    for name, mask in parts.items():
        piece = x if name == "train" else da.from_array(features[mask], chunks=(-(-int(mask.sum()) // 2), -1))
        found[name] = auc(truth[mask], dxgb.inplace_predict(client, booster, piece).compute())
    return found


def main() -> None:
    """Do the job and print its scores."""
    job = json.loads(Path(sys.argv[1]).read_text())
    if not job.get("workers"):
        print(json.dumps(run_alone(job)))
        return
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=job["workers"], threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        scores = run_on(client, job)
        if job.get("warm"):
            began = time.perf_counter()
            scores = run_on(client, job)
            print(f"warm {time.perf_counter() - began:.3f}")
        print(json.dumps(scores))


if __name__ == "__main__":
    main()
