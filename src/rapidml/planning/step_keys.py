"""Content of every step's key. Frozen with the store format: a golden file of keys in the tests watches this file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.keys import make_key, make_seed
from rapidml.recipe.affects import key_fields
from rapidml.recipe.schema import FoldsBy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rapidml.dataset.columns import TableRequest
    from rapidml.dataset.files import Identity
    from rapidml.models.fitting import ModelSpec
    from rapidml.planning.steps import Resolved
    from rapidml.recipe.schema import Recipe, Split

FORMATS = {"read": 1, "part": 1, "profile": 1, "fit": 1, "predict": 1, "evaluate": 1, "score": 1}
"""Version of each step's outcome; raising one computes all steps of the kind again."""
NAMING = frozenset({"monotone_constraints", "interaction_constraints"})
"""Parameters that name columns, so that the names enter the key of a fit."""


def read_key(rows_key: str, column_keys: Iterable[str]) -> str:
    """Key of reading some columns of a row set."""
    return make_key({"step": "read", "format": FORMATS["read"], "rows": rows_key, "columns": sorted(column_keys)})


def part_key(request: TableRequest, identity: Identity, index: int) -> str:
    """Key of one file of many as read: what the file is and what is read from it, not which files stand beside it."""
    file = identity.files[index]
    sample = request.samples[file.sample]
    return make_key(
        {
            "step": "part",
            "format": FORMATS["part"],
            "file": [identity.row_path(index), file.tree, file.role, file.size, file.sha256],
            "sample": [sample.class_name, sample.select, sample.weight],
            "id": list(request.id),
            "select": request.select,
            "weight": request.weight_factor,
            "derived": [list(pair) for pair in request.derived],
            "missing": list(request.missing),
            "columns": [[column.role, column.name, column.keep_text] for column in request.columns],
        }
    )


def profile_key(request: TableRequest, recipe: Recipe) -> str:
    """Key of looking at the training rows: their statistics, features, classes and leaks; and the values of folds."""
    has_folds_by = isinstance(recipe.split.folds, FoldsBy)
    return make_key(
        {
            "step": "profile",
            "format": FORMATS["profile"],
            "rows": request.rows_key,
            "columns": sorted(column.key for column in request.columns),
            "split": split_content(recipe.split, recipe.seed, request, "profile" if has_folds_by else "train"),
            "dataset": key_fields(recipe.dataset, "columns", "fit"),
        }
    )


def split_content(split: Split, seed: int, request: TableRequest, part: str) -> dict[str, Any]:
    """What decides which rows are in a part: the test part alone, or the folds (or validation part) too."""
    content: dict[str, Any] = {"part": part, "seed": seed if split.seed is None else split.seed}
    if isinstance(split.test, float):
        content["test"] = split.test
    elif split.test is not None:
        content["test"] = {
            "column": request.find(split.test.column).key,
            "train": list(split.test.train),
            "test": list(split.test.test),
        }
    if part in ("train", "test"):
        return content
    if split.valid is not None:
        content["valid"] = split.valid
    elif isinstance(split.folds, int):
        content["folds"] = split.folds
    elif split.folds is not None:
        content["folds"] = {"by": request.find(split.folds.by).key}
    return content


def rows_content(resolved: Resolved, part: str, repetition: int = 0) -> dict[str, Any]:
    """The rows of a part of the table; the folds may be drawn again."""
    recipe = resolved.recipe
    split = split_content(recipe.split, recipe.seed, resolved.request, part)
    drawn = {"repetition": repetition} if repetition else {}
    return {"table": resolved.request.rows_key, "split": {**split, **drawn}}


def model_content(spec: ModelSpec) -> dict[str, Any]:
    """What a model's type and parameters contribute; fields at their first default are left out."""
    content: dict[str, Any] = {"type": spec.type, "params": dict(spec.params)}
    if spec.prepare:
        content["prepare"] = [[choice.name, dict(choice.options)] for choice in spec.prepare]
    if spec.early_stopping is not None:
        content["early_stopping"] = spec.early_stopping
    if spec.weights_ignored:
        content["weights"] = "ignore"
    if spec.device != "cpu":
        content["device"] = spec.device
    if spec.shards != 1:
        content["shards"] = spec.shards
    if spec.trainer is not None:
        content["trainer"] = [spec.trainer.name, dict(spec.trainer.options)]
    return content


def fit_content(
    resolved: Resolved, spec: ModelSpec, part: str, rounds_from: Sequence[str], repetition: int = 0
) -> dict[str, Any]:
    """Everything that can change the outcome of a fit."""
    request, profile = resolved.request, resolved.profile
    content: dict[str, Any] = {
        "step": "fit",
        "format": FORMATS["fit"],
        "rows": rows_content(resolved, part, repetition),
        "features": [feature.key for feature in profile.features],
        "target": request.target.key,
        "task": {"kind": resolved.task.kind, "classes": list(resolved.task.classes)},
        "model": model_content(spec),
        "seed": fit_seed(resolved.recipe.seed, part, repetition),
    }
    if NAMING & set(spec.params):
        content["names"] = [feature.name for feature in profile.features]
    if request.weight is not None and not spec.weights_ignored:
        content["weight"] = request.weight.key
        content["training"] = {
            "balance": resolved.balance,
            "negative_weights": resolved.recipe.training.negative_weights,
        }
    elif resolved.balance != "none" and not spec.weights_ignored:
        content["training"] = {"balance": resolved.balance}
    if rounds_from:
        content["rounds_from"] = list(rounds_from)
    return content


def fit_seed(seed: int, part: str, repetition: int = 0) -> int:
    """Seed of the fit of a part; the same for every model and candidate, so that they share random numbers."""
    fold = int(part.split(":")[1]) if part.startswith("fold:") else None
    return make_seed(seed, "fit", repetition, fold)


def prediction_key(resolved: Resolved, fit_key: str, part: str, repetition: int = 0) -> str:
    """Key of the predictions of a fit on a part of the rows."""
    rows = rows_content(resolved, part, repetition)
    return make_key({"step": "predict", "format": FORMATS["predict"], "fit": fit_key, "rows": rows})


def evaluate_key(resolved: Resolved, stage: str, inputs: Sequence[str], parts: Sequence[tuple[str, str]] = ()) -> str:
    """Key of scores: predictions (or the parts of the baseline), truth, weights and metrics."""
    request = resolved.request
    content: dict[str, Any] = {
        "step": "evaluate",
        "format": FORMATS["evaluate"],
        "stage": stage,
        "predictions": list(inputs),
        "target": request.target.key,
        "task": {"kind": resolved.task.kind, "classes": list(resolved.task.classes)},
        "weight": None if request.weight is None else request.weight.key,
        "metrics": list(resolved.metrics),
        "balanced": resolved.balance == "classes",
    }
    if parts:
        content["training"] = {
            "balance": resolved.balance,
            "negative_weights": resolved.recipe.training.negative_weights,
        }
        content["baseline"] = [
            [rows_content(resolved, trained), rows_content(resolved, scored)] for trained, scored in parts
        ]
    return make_key(content)


def score_key(resolved: Resolved, prediction: str) -> str:
    """Key of the scores of one prediction, without intervals: metrics are not in it, so that some can be added."""
    request = resolved.request
    return make_key(
        {
            "step": "score",
            "format": FORMATS["score"],
            "prediction": prediction,
            "target": request.target.key,
            "weight": None if request.weight is None else request.weight.key,
            "balanced": resolved.balance == "classes",
        }
    )


def scored_key(resolved: Resolved) -> str:
    """Equal for runs whose selection scores are of the same rows with the same truth and weights, paired one by one."""
    request = resolved.request
    part = "valid" if resolved.n_folds == 0 else "held:0"
    return make_key(
        {
            "rows": rows_content(resolved, part),
            "target": request.target.key,
            "task": {"kind": resolved.task.kind, "classes": list(resolved.task.classes)},
            "weight": None if request.weight is None else request.weight.key,
        }
    )
