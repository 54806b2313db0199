"""What workers import before they are forked: whatever a step of a run may need, so that no task waits for it."""

from __future__ import annotations

PRELOAD = (
    "numpy",
    "scipy.sparse",
    "scipy.linalg",
    "scipy.stats",
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "pandas",
    "threadpoolctl",
    "sklearn.datasets",
    "sklearn.ensemble",
    "sklearn.impute",
    "sklearn.linear_model",
    "sklearn.neural_network",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "sklearn.svm",
    "skops.io",
    "xgboost",
    "rapidml.dataset.evaluation",
    "rapidml.dataset.profile",
    "rapidml.dataset.table",
    "rapidml.evaluate.baseline",
    "rapidml.evaluate.scores",
    "rapidml.execution.sharded",
    "rapidml.execution.tasks",
    "rapidml.models.boosted_trees",
    "rapidml.models.fitting",
    "rapidml.models.scikit_learn",
    "rapidml.store.store",
)
"""Modules of the libraries and of our own; one that is not installed is passed over."""
