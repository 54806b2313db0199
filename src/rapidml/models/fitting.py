"""Training one model as a whole: which rows train and which are watched, preparation, and the fit itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rapidml.errors import ModelError
from rapidml.models.registry import find_adapter
from rapidml.models.spec import ModelSpec, middle_rounds, resolve_model
from rapidml.models.trained_model import (
    TrainedModel,
    align,
    apply_preparation,
    load_model,
    make_feature,
    require_values,
)
from rapidml.recipe.schema import Choice

if TYPE_CHECKING:
    from rapidml.dataset.frame import Task, TrainingRows
    from rapidml.dataset.preparation import Preparation
    from rapidml.models.adapter import Adapter, Report
    from rapidml.models.trained_model import Feature

__all__ = ["ModelSpec", "TrainedModel", "load_model", "middle_rounds", "resolve_model", "train"]

ONE_HOT = "one_hot"


def train(
    spec: ModelSpec,
    rows: TrainingRows,
    task: Task,
    *,
    seed: int,
    threads: int = 1,
    start: TrainedModel | None = None,
    report: Report | None = None,
) -> TrainedModel:
    """Fit one model.

    With early stopping (and no fixed ``spec.rounds``) a hashed 15% of the rows are held out to watch. Preparation and
    the list of known categories come from the rows that train alone.

    Args:
        spec: What to fit.
        rows: The fit's rows; their weight is not used if ``spec.weights_ignored``.
        task: What is learned.
        seed: Seed of the fit; also decides which rows are held out.
        threads: Threads to use; changes no result.
        start: A model of the same spec but for its rounds or patience, fitted on the same rows with the same seed.
            Saves time and changes nothing; ignored where the library cannot promise that.
        report: Called with (rounds done, rounds in all, newest losses) during the fit.

    Raises:
        ModelError: The rows cannot train this model, or the library refuses them.
    """
    adapter = find_adapter(spec.type)
    rows = _drop_weightless(replace(rows, weight=None) if spec.weights_ignored else rows)
    _require_classes(rows, task)
    stops = spec.early_stopping is not None and spec.rounds is None
    kept, watch = _hold_out(rows, seed) if stops else (rows, None)
    features = tuple(map(make_feature, kept.features.columns))
    kept = replace(kept, features=align(kept.features, features))
    preparation = _fit_preparation(spec, kept, adapter)
    kept = _prepare_rows(kept, features, preparation, adapter)
    if watch is not None:
        watch = _prepare_rows(watch, features, preparation, adapter)
    params = dict(spec.params)
    if spec.rounds is not None and spec.iterations is not None:
        params[spec.iterations] = spec.rounds
    fitted = adapter.fit(
        kept,
        params,
        task,
        seed=seed,
        threads=threads,
        watch=watch,
        early_stopping=spec.early_stopping if stops else None,
        start=None if start is None else start.fitted,
        device=spec.device,
        report=report,
    )
    return TrainedModel(spec, task, features, preparation, fitted, adapter.versions())


def _drop_weightless(rows: TrainingRows) -> TrainingRows:
    """Without rows of weight 0, which libraries still count when they bin values or ask for rows in a leaf."""
    if rows.weight is None or rows.weight.all():
        return rows
    kept = rows.take(rows.weight != 0)
    assert kept.weight is not None
    mean = float(kept.weight.mean()) if len(kept.weight) else 0.0
    return replace(kept, weight=kept.weight / mean) if mean > 0 else kept


def _hold_out(rows: TrainingRows, seed: int) -> tuple[TrainingRows, TrainingRows]:
    from rapidml.dataset.split import early_stopping_mask

    watched = early_stopping_mask(rows.ids, seed)
    if watched.all() or not watched.any():
        raise ModelError(
            f"early stopping holds out 15% of the rows, and of these {len(watched)} rows that is "
            f"{'none' if not watched.any() else 'all'}; remove early_stopping"
        )
    return rows.take(~watched), rows.take(watched)


def _fit_preparation(spec: ModelSpec, rows: TrainingRows, adapter: Adapter) -> Preparation | None:
    steps = list(spec.prepare)
    has_categories = any(column.categories is not None for column in rows.features.columns)
    if has_categories and not adapter.takes_categories and all(step.name != ONE_HOT for step in steps):
        steps.append(Choice(name=ONE_HOT))
    if not steps:
        return None
    from rapidml.dataset.preparation import fit_preparation

    return fit_preparation(tuple(steps), rows)


def _prepare_rows(
    rows: TrainingRows, features: tuple[Feature, ...], preparation: Preparation | None, adapter: Adapter
) -> TrainingRows:
    prepared = apply_preparation(align(rows.features, features), preparation)
    require_values(prepared, adapter)
    return replace(rows, features=prepared)


def _require_classes(rows: TrainingRows, task: Task) -> None:
    if len(rows.target) == 0:
        raise ModelError("the fit has no rows whose weight is not 0")
    if task.kind == "regression":
        return
    import numpy as np

    found = np.unique(rows.target).astype(int)
    if len(found) < 2:
        raise ModelError(f"all rows of the fit are of one class, '{task.classes[found[0]]}'; nothing can be learned")
