"""Recipes and data whose keys are frozen in ``golden_keys.json``, and the script that writes that file.

Keys are part of the store's format: other keys mean that nothing stored is found again. Run
``python -m tests.planning.golden`` only for a change that is meant, and raise a version in ``step_keys.FORMATS``.
"""

from __future__ import annotations

import json
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.execution.small_runs import make_events, write, write_csv
from tests.planning.plans import plan_recipe

GOLDEN = Path(__file__).with_name("golden_keys.json")

RECIPES = {
    "shortest": """
dataset: {path: data/events.csv, target: energy}
models: {bdt: xgboost}
""",
    "physics": """
name: frozen
seed: 7
dataset:
  path: data/events.csv
  target: label
  positive: s
  weight: w * 1.5
  id: [event]
  select: pt > -2 and eta < 4
  columns:
    ratio: mass / (1 + abs(pt))
    shifted: ratio + eta
  missing: [-999, 0.25]
  features: [pt, shifted, jets, mass]
  spectators: [energy]
training: {balance: classes, negative_weights: drop}
split: {test: 0.25, folds: {by: event % 3}, seed: 3}
models:
  bdt: {type: xgboost, params: {n_estimators: 20, max_depth: 4, eta: 0.2, subsample: 0.8}}
  stopped: {type: xgboost, params: {max_depth: 3}, early_stopping: 10}
  logistic:
    type: sklearn.linear_model.LogisticRegression
    prepare: [impute: median, standardize]
    params: {C: 0.5}
  neighbours: {type: sklearn.neighbors.KNeighborsClassifier, weights: ignore, prepare: [impute: mean]}
evaluate: {rank_by: average_precision, also: [roc_auc, log_loss]}
""",
    "samples": """
dataset:
  classes:
    signal: [{path: data/signal.csv, weight: 0.5}]
    other: [{path: data/events.csv, weight: w, select: pt < 1}, data/more.csv]
  features: [pt, eta]
split: {test: 0.2, valid: 0.25}
models:
  tree: {type: sklearn.tree.DecisionTreeClassifier, params: {max_features: 1, max_depth: 3}}
  trees: {type: sklearn.ensemble.RandomForestClassifier, params: {n_estimators: 10, max_features: 1.0}}
""",
    "separate_test_sample": """
dataset: {path: data/events.csv, target: kind, test: data/more.csv, features: {exclude: [label, energy, w, event]}}
split: {folds: 3}
models: {bdt: {type: xgboost, params: {n_estimators: 5}}}
evaluate: {also: [accuracy]}
""",
    "column_split": """
dataset: {path: data/events.csv, target: energy, features: [pt, eta, mass]}
split: {test: {column: jets, train: [none, one], test: [many]}, folds: 4}
models: {ridge: {type: sklearn.linear_model.Ridge, params: {alpha: 2.0}, prepare: [standardize]}}
""",
    "builtin": """
dataset: {builtin: iris}
models: {bdt: {type: xgboost, params: {n_estimators: 5, learning_rate: 0.3}}}
""",
    "networks": """
dataset: {builtin: iris}
models:
  plain: mlp
  net:
    type: mlp
    prepare: [standardize]
    params:
      hidden: [64, 32]
      dropout: 0.25
      epochs: 30
      optimizer: {sgd: {momentum: 0.9}}
      schedule: {exponential: 0.95}
    early_stopping: 5
  layers:
    type: keras
    layers:
      - Dense: 64
      - BatchNormalization
      - Dense: {units: 32, activation: relu, kernel_regularizer: {l2: 0.001}}
      - Dropout: 0.5
    params: {batch_size: 32}
  together: {type: mlp, trainer: multiworker}
  asynchronous: {type: mlp, trainer: {agn: {replicas: 4, window: 5}}}
  elastic: {type: mlp, trainer: {aeasgd: {rho: 4, window: 32}}}
""",
}
LIBRARIES = {"networks": "tensorflow"}
"""Recipes that are checked only where a library that no one must install is there."""


def write_everything(folder: Path) -> list[Path]:
    """Write data and recipes below a folder; always the same bytes."""
    (folder / "data").mkdir(parents=True)
    for number, name in enumerate(("events", "signal", "more")):
        write_csv(folder / "data" / f"{name}.csv", make_events(60 + 10 * number, seed=number))
    return [write(folder / f"{name}.yaml", text) for name, text in RECIPES.items()]


def has_library(name: str) -> bool:
    """Whether a frozen recipe can be checked here."""
    return name not in LIBRARIES or find_spec(LIBRARIES[name]) is not None


def make_golden_keys(folder: Path) -> dict[str, Any]:
    """Every key of every frozen recipe that can be checked here."""
    recipes = [recipe for recipe in write_everything(folder) if has_library(recipe.stem)]
    return {recipe.stem: plan_recipe(recipe, folder / "scratch" / recipe.stem).list_keys() for recipe in recipes}


if __name__ == "__main__":
    assert all(map(has_library, RECIPES)), "install the libraries of all recipes first"
    with tempfile.TemporaryDirectory() as scratch:
        GOLDEN.write_text(json.dumps(make_golden_keys(Path(scratch)), indent=1) + "\n")
