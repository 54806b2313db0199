"""A grid search as users of other libraries write it: what ``search.py`` compares rapidml with.

``python search_script.py job.json`` reads a Parquet file whose column ``fold`` tells which fold holds a row out (-1:
none does), scores every candidate on every fold, fits the best one again on all rows, and prints the scores. The
library is scikit-learn's ``GridSearchCV``, dask-ml's, on threads or on a ``LocalCluster``, or Ray Tune. Fits have one
thread each and there are as many at once as there are cores, which is what their manuals advise.

Imports nothing of rapidml. The one thing that is not as in a manual is ``Seeded``: rapidml gives every fold a seed of
its own, and scikit-learn all folds the same one.
"""

from __future__ import annotations

import itertools
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

LAST = "model"
"""Step of the pipeline that is the model."""


class Rows:
    """The rows of a job.

    Args:
        job: Content of the job file.
    """

    def __init__(self, job: Mapping[str, Any]) -> None:
        import pyarrow.parquet as pq

        table = pq.read_table(job["path"])
        self.y: NDArray[np.int64] = table[job["target"]].to_numpy().astype(np.int64)
        self.fold: NDArray[np.int64] = table["fold"].to_numpy() if job["split"] is None else np.load(job["split"])
        names = [name for name in table.column_names if name not in (job["target"], "fold")]
        self.X: NDArray[Any] = np.column_stack([table[name].to_numpy() for name in names])


def make_seeded(job: Mapping[str, Any]) -> Any:
    """The class of a job's model, with the seed of the fold that it is fitted for; the last seed is that of all rows.

    scikit-learn hands parameters of ``fit`` that have a value for each row on, row by row, so a fit knows which fold is
    missing among its rows.
    """
    module, _, name = job["type"].rpartition(".")
    parent: Any = getattr(import_module(module), name)
    seeds = job["seeds"]
    if seeds is None:
        return parent

    def fit(self: Any, X: Any, y: Any, fold: NDArray[np.int64]) -> Any:
        missing = sorted(set(range(len(seeds) - 1)) - set(np.unique(fold).tolist()))
        self.random_state = seeds[missing[0] if missing else -1]
        return parent.fit(self, X, y)

    return type("Seeded", (parent,), {"fit": fit})


def make_estimator(job: Mapping[str, Any]) -> Any:
    """The model of a job, after its preparation."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    known = {"impute": SimpleImputer, "standardize": StandardScaler}
    steps = [(name, known[name]()) for name in job["prepare"]]
    return Pipeline([*steps, (LAST, make_seeded(job)(**job["params"]))])


def make_fit_params(job: Mapping[str, Any], rows: Rows) -> dict[str, Any]:
    """What ``fit`` is given beside rows and target."""
    return {} if job["seeds"] is None else {f"{LAST}__fold": rows.fold}


def search_scikit_learn(job: Mapping[str, Any], rows: Rows) -> dict[str, Any]:
    """``GridSearchCV`` on all cores."""
    from sklearn.model_selection import GridSearchCV, PredefinedSplit

    search = GridSearchCV(
        make_estimator(job), _grid(job), scoring="roc_auc", n_jobs=-1, cv=PredefinedSplit(rows.fold), refit=True
    )
    search.fit(rows.X, rows.y, **make_fit_params(job, rows))
    return _describe(job, search)


def search_dask_ml(job: Mapping[str, Any], rows: Rows) -> dict[str, Any]:
    """dask-ml's ``GridSearchCV``, which prepares the rows of a fold once for all candidates."""
    from sklearn.model_selection import PredefinedSplit

    search = import_module("dask_ml.model_selection").GridSearchCV(
        make_estimator(job),
        _grid(job),
        scoring="roc_auc",
        cv=PredefinedSplit(rows.fold),
        refit=True,
        return_train_score=False,
        n_jobs=-1,
    )
    if job["library"] == "dask-ml, threads":
        search.fit(rows.X, rows.y, **make_fit_params(job, rows))
        return _describe(job, search)
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=job["cores"], threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster),
    ):
        search.fit(rows.X, rows.y, **make_fit_params(job, rows))
    return _describe(job, search)


def search_ray(job: Mapping[str, Any], rows: Rows) -> dict[str, Any]:
    """Ray Tune: a trial for each candidate, which scores all folds; the rows lie in Ray's shared memory once."""
    import logging
    import os
    import tempfile

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray, tune = import_module("ray"), import_module("ray.tune")

    def trial(config: dict[str, Any], x: Any, y: Any, fold: Any) -> dict[str, Any]:
        folds = list(_score_folds(job, config, x, y, fold))
        return {"folds": folds, "roc_auc": float(np.mean(folds))}

    ray.init(num_cpus=job["cores"], include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
    with tempfile.TemporaryDirectory() as folder:
        trainable = tune.with_parameters(trial, x=rows.X, y=rows.y, fold=rows.fold)
        found = tune.Tuner(
            tune.with_resources(trainable, {"cpu": 1}),
            param_space={name: tune.grid_search(values) for name, values in _grid(job).items()},
            tune_config=tune.TuneConfig(metric="roc_auc", mode="max", reuse_actors=True),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        ).fit()
    if found.errors:
        raise found.errors[0]
    best = found.get_best_result().config
    ray.shutdown()
    final = make_estimator(job).set_params(**best)
    final.fit(rows.X, rows.y, **make_fit_params(job, rows))
    rows_found = [{"values": _rename(job, one.config), "folds": one.metrics["folds"]} for one in found]
    return {"rows": rows_found, "best": _rename(job, best)}


def _score_folds(
    job: Mapping[str, Any], config: Mapping[str, Any], x: NDArray[Any], y: NDArray[Any], fold: NDArray[Any]
) -> Iterator[float]:
    from sklearn.metrics import roc_auc_score

    for number in range(int(fold.max()) + 1):
        train, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        estimator = make_estimator(job).set_params(**config)
        params = {} if job["seeds"] is None else {f"{LAST}__fold": fold[train]}
        estimator.fit(x[train], y[train], **params)
        yield float(roc_auc_score(y[held], estimator.predict_proba(x[held])[:, 1]))


def _rename(job: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a candidate under rapidml's names of the ranges."""
    return {ours: params[peer] for ours, peer, _ in job["ranges"]}


def _grid(job: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {peer: values for _, peer, values in job["ranges"]}


def _describe(job: Mapping[str, Any], search: Any) -> dict[str, Any]:
    """Scores of all candidates."""
    found = search.cv_results_
    splits = itertools.takewhile(found.__contains__, (f"split{number}_test_score" for number in itertools.count()))
    folds = np.stack([found[name] for name in splits], axis=1).tolist()
    rows = [
        {"values": _rename(job, params), "folds": scores} for params, scores in zip(found["params"], folds, strict=True)
    ]
    return {"rows": rows, "best": _rename(job, search.best_params_)}


SEARCHES = {
    "scikit-learn": search_scikit_learn,
    "dask-ml, threads": search_dask_ml,
    "dask-ml, LocalCluster": search_dask_ml,
    "Ray Tune": search_ray,
}


def main() -> None:
    """Do the job and print its scores."""
    job = json.loads(Path(sys.argv[1]).read_text())
    print(json.dumps(SEARCHES[job["library"]](job, Rows(job))))


if __name__ == "__main__":
    main()
