"""The grids of ``search.py``: their recipes, the same for a peer, and what their times are held against."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from measure import measure, ratio, seconds_of
from search_sides import MODEL, TOLERANCE, Measured, Place, Ranges, Script, ours, require_agreement, theirs
from search_tables import Table, write_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from measure import Figure

LEAST_ROWS = 1_000
KINDS = ("cold", "warm")


@dataclass(frozen=True)
class Grid:
    """A grid and its targets.

    Attributes:
        title: What the table calls it.
        table: Its rows.
        model: Type of the model, in rapidml and in scikit-learn.
        params: Parameters beside the ranges.
        ranges: The ranges.
        limits: Largest share of each peer's time.
        prepare: Steps in the recipe; their names are known to the script.
        steps: Steps in the script.
        is_seeded: Whether the model draws random numbers.
        script_params: Parameters that rapidml sets by itself.
        within: Largest difference of a score.
    """

    title: str
    table: Table
    model: tuple[str, str]
    params: Mapping[str, Any]
    ranges: Ranges
    limits: Mapping[str, float]
    prepare: tuple[Any, ...] = ()
    steps: tuple[str, ...] = ()
    is_seeded: bool = False
    script_params: Mapping[str, Any] = field(default_factory=dict)
    within: float = TOLERANCE

    @property
    def recipe(self) -> str:
        """The recipe, without the steps' ranges: they stand in ``prepare``."""
        ranges = {name.removeprefix("params."): {"any": list(v)} for name, _, v in self.ranges if name[:7] == "params."}
        entry = {"type": self.model[0], "params": {**self.params, **ranges}}
        return write_recipe(entry | ({"prepare": list(self.prepare)} if self.prepare else {}))

    @property
    def script(self) -> Script:
        """The same for a peer."""
        return Script(self.model[1], {**self.params, **self.script_params}, self.ranges, self.steps, self.is_seeded)


def write_recipe(entry: Mapping[str, Any], search: str = "{method: grid}", split: str = "{folds: {by: fold}}") -> str:
    """A recipe of one model on ``rows.parquet``.

    Args:
        entry: The model.
        search: How it is searched.
        split: How rows are split.
    """
    return f"""\
dataset: {{path: rows.parquet, target: label, features: {{exclude: [fold]}}}}
split: {split}
models:
  {MODEL}: {json.dumps(entry)}
search: {search}
evaluate: {{rank_by: roc_auc}}
"""


def over(name: str, *values: Any) -> tuple[str, str, tuple[Any, ...]]:
    """A range of a parameter of the model."""
    return (f"params.{name}", f"model__{name}", values)


FOREST = ("sklearn.ensemble.RandomForestClassifier",) * 2
XGBOOST = ("xgboost", "xgboost.XGBClassifier")
ONE_THREAD = {"n_jobs": 1}
ALL = ("dask-ml, threads", "dask-ml, LocalCluster", "Ray Tune")
BOOSTING = (over("max_depth", 4, 6), over("learning_rate", 0.1, 0.3), over("min_child_weight", 1, 5, 20))

FEW_TREES = 1e-5
"""Means over a few trees that are equal differ in the 17th digit in scikit-learn, and count as one above the other in
its area under the curve; in the single precision in which rapidml keeps them they are tied."""

GRIDS = {
    "rounds": Grid(
        "XGBoost with a range of rounds",
        Table(50_000),
        XGBOOST,
        {},
        (over("max_depth", 3, 4, 6), over("learning_rate", 0.1, 0.3), over("n_estimators", 50, 100, 150, 200)),
        {"scikit-learn": 0.5},
        script_params=ONE_THREAD,
    ),
    "plain": Grid(
        "XGBoost, 100 rounds",
        Table(50_000),
        XGBOOST,
        {"n_estimators": 100},
        (over("max_depth", 3, 4, 6), over("learning_rate", 0.05, 0.1, 0.3), over("min_child_weight", 1, 10)),
        {"scikit-learn": 1.0},
        script_params=ONE_THREAD,
    ),
    "short-5": Grid(
        "XGBoost, 5 rounds", Table(240_000), XGBOOST, {"n_estimators": 5}, BOOSTING, {"scikit-learn": 0.5},
        script_params=ONE_THREAD,
    ),
    "short-20": Grid(
        "XGBoost, 20 rounds", Table(240_000), XGBOOST, {"n_estimators": 20}, BOOSTING, {"scikit-learn": 0.5},
        script_params=ONE_THREAD,
    ),
    "logistic": Grid(
        "logistic regression, prepared",
        Table(100_000, is_double=True, has_missing=True),
        ("sklearn.linear_model.LogisticRegression",) * 2,
        {"max_iter": 1000},
        (
            ("prepare.0.impute", "impute__strategy", ("median", "mean")),
            over("C", 0.001, 0.01, 0.1, 1.0, 10.0, 100.0),
        ),
        {"scikit-learn": 0.9, **dict.fromkeys(ALL, 0.8)},
        prepare=({"impute": {"any": ["median", "mean"]}}, "standardize"),
        steps=("impute", "standardize"),
    ),
    "forest": Grid(
        "random forest, with a range of trees",
        Table(10_000),
        FOREST,
        {},
        (over("max_features", 0.2, 0.5), over("min_samples_leaf", 5, 10, 20), over("n_estimators", 10, 20, 30, 40)),
        {"scikit-learn": 0.9, **dict.fromkeys(ALL, 0.8)},
        is_seeded=True,
        within=FEW_TREES,
    ),
    "forest-plain": Grid(
        "random forest, 50 trees",
        Table(10_000),
        FOREST,
        {"n_estimators": 50},
        (over("max_features", 0.2, 0.5), over("min_samples_leaf", 1, 5, 20)),
        {"scikit-learn": 1.0},
        is_seeded=True,
    ),
}  # fmt: skip


def measure_grid(grid: Grid, place: Place) -> Measured:
    """Time a grid on all sides, in turn, and make sure that they found the same."""
    table = place.folder / "rows.parquet"
    write_table(_scale(grid.table, place), table)
    (place.folder / "grid.yaml").write_text(grid.recipe)
    peers = [name for name in grid.limits if name in place.peers.pythons]
    commands = [
        *(ours(place, kind, "grid.yaml") for kind in KINDS),
        *(theirs(place, name, grid.script, table) for name in peers),
    ]
    found = measure(commands, place.repeat)
    for name in peers:
        for kind in KINDS:
            require_agreement(place.store(kind), name, found[name][-1], grid.within)
    times = {f"{grid.title}: {name}": seconds_of(runs) for name, runs in found.items()}
    return times, [_compare(grid, times, kind, name) for name in peers for kind in KINDS]


def _compare(grid: Grid, times: Mapping[str, list[float]], kind: str, peer: str) -> Figure:
    own, other = times[f"{grid.title}: rapidml, {kind}"], times[f"{grid.title}: {peer}"]
    return ratio(f"{grid.title}, {kind}, against {peer}", own, other, grid.limits[peer])


def _scale(table: Table, place: Place) -> Table:
    rows = place.scaled(table.rows, LEAST_ROWS)
    return Table(rows, table.columns, is_double=table.is_double, has_missing=table.has_missing)
