"""What workers import before they are forked: whatever a step of a run may need, so that no task waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapidml.models.network_params import NETWORKS

if TYPE_CHECKING:
    from collections.abc import Collection

TASKS = (
    "rapidml.dataset.columns",
    "rapidml.dataset.profile",
    "rapidml.execution.candidates",
    "rapidml.execution.tasks",
    "rapidml.models.spec",
    "rapidml.planning.steps",
)
"""Modules of what is handed to workers: a scheduler reads it too, and every task of a run waits for the first."""
COMMON = (
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
    "xgboost",
    "rapidml.dataset.evaluation",
    "rapidml.dataset.profile",
    "rapidml.dataset.table",
    "rapidml.evaluate.baseline",
    "rapidml.evaluate.points",
    "rapidml.evaluate.scores",
    "rapidml.execution.candidates",
    "rapidml.execution.sharded",
    "rapidml.execution.tasks",
    "rapidml.models.boosted_rows",
    "rapidml.models.boosted_trees",
    "rapidml.models.booster_model",
    "rapidml.models.fitting",
    "rapidml.models.holding",
    "rapidml.store.store",
)
"""Modules of the libraries and of our own; one that is not installed is passed over."""
SCIKIT_LEARN = (
    "sklearn.ensemble",
    "sklearn.impute",
    "sklearn.linear_model",
    "sklearn.neural_network",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "sklearn.svm",
    "skops.io",
    "rapidml.models.ensembles",
    "rapidml.models.scikit_learn",
)
"""What only models of scikit-learn need: the larger part of a second."""
TENSORFLOW = ("tensorflow", "keras", "rapidml.models.network_adapter", "rapidml.models.network_training")
"""What only networks need: several seconds and a gigabyte, shared by the workers that are forked from it."""
PRELOAD = (*COMMON, *SCIKIT_LEARN)


def list_preload(types: Collection[str]) -> tuple[str, ...]:
    """What workers of one run import before they are forked.

    Args:
        types: Types of its models.
    """
    found = PRELOAD if any(name.startswith("sklearn.") for name in types) else COMMON
    return (*found, *TENSORFLOW) if any(name in NETWORKS for name in types) else found
