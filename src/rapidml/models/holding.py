"""Rows of a fit in their library's own form, kept for many fits: candidates of a search differ in parameters alone.

``hold`` prepares the rows once, ``train_held`` and ``predict_held`` use them any number of times and give the very
bytes of ``fitting.train`` and ``TrainedModel.predict`` on the same rows. Adapters that satisfy ``HoldingAdapter`` keep
them as their library reads them; for others the prepared columns are kept. Who keeps what for how long is decided by
the caller.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rapidml.models.adapter import HoldingAdapter
from rapidml.models.fitting import fit_params, train_share
from rapidml.models.registry import find_adapter
from rapidml.models.shares import make_share
from rapidml.models.trained_model import TrainedModel, align, apply_preparation, require_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.frame import Frame, Task
    from rapidml.dataset.preparation import Preparation
    from rapidml.models.adapter import Fitted, Keep, Report
    from rapidml.models.shares import Source
    from rapidml.models.spec import ModelSpec
    from rapidml.models.trained_model import Feature


@dataclass(frozen=True)
class Held:
    """Prepared rows of one fit, and the rows that its models predict.

    Attributes:
        content: ``held_content`` of the models that it serves.
        rows: Rows to train on, and to watch: the library's form, or a ``Share`` where the adapter has none.
        shown: Rows to predict: the library's form, or a prepared ``Frame``. Shape ``(n_shown, ...)``.
        n_shown: Number of rows to predict.
        features: What the models expect of every column.
        preparation: Fitted on the training rows; None if there are no steps.
        n_bytes: Memory that it takes, about.
    """

    content: str
    rows: Any = field(repr=False)
    shown: Any = field(repr=False)
    n_shown: int
    features: tuple[Feature, ...] = field(repr=False)
    preparation: Preparation | None = field(repr=False)
    n_bytes: int


def held_content(spec: ModelSpec) -> str:
    """What of a model decides the form of its rows: of one fit's rows, models with equal content share a ``Held``.

    The rows themselves, the rows to predict and the seed are not in it; the seed matters only with early stopping,
    where it decides which rows are watched.

    Args:
        spec: The model; its ranges have values.

    Returns:
        Canonical JSON; equal in all processes.
    """
    adapter, holding = find_adapter(spec.type), _find_holding(spec.type)
    content = {
        "form": ["columns", spec.type] if holding is None else list(holding.form(spec.params)),
        "takes": [adapter.takes_categories, adapter.takes_missing, adapter.takes_negative_features],
        "prepare": [[step.name, dict(step.options)] for step in spec.prepare],
        "weights_ignored": spec.weights_ignored,
        "watched": _is_watched(spec),
        "device": spec.device,
        "shards": spec.shards,
    }
    return json.dumps(content, sort_keys=True)


def hold(spec: ModelSpec, source: Source, shown: Frame, task: Task, *, seed: int, threads: int = 1) -> Held:
    """Prepare the rows of a fit for any number of models with the same content.

    Args:
        spec: One of the models.
        source: The fit's rows; their weight is not used if ``spec.weights_ignored``.
        shown: Rows to predict: columns by name, in any order.
        task: What is learned.
        seed: Seed of the fits; decides which rows are watched.
        threads: Threads to use; changes nothing but the time.

    Raises:
        ModelError: The rows cannot train these models, or the library refuses them.
        ValueError: The model wants several shards.
    """
    _require_one_shard(spec)
    adapter, holding = find_adapter(spec.type), _find_holding(spec.type)
    share = make_share(spec, source, task, seed)
    prepared = apply_preparation(align(shown, share.features), share.preparation)
    require_values(prepared, adapter)
    if holding is None:
        frames = [share.rows.features, prepared] + ([] if share.watch is None else [share.watch.features])
        n_bytes = sum(map(_count_bytes, frames))
        return Held(held_content(spec), share, prepared, shown.n_rows, share.features, share.preparation, n_bytes)
    matrix = holding.hold_shown(prepared)
    rows = holding.hold_rows(share.rows, spec.params, task, threads=threads, watch=share.watch)
    n_bytes = rows.n_bytes + matrix.nbytes
    return Held(held_content(spec), rows, matrix, shown.n_rows, share.features, share.preparation, n_bytes)


def train_held(
    spec: ModelSpec,
    held: Held,
    task: Task,
    *,
    seed: int,
    threads: int = 1,
    start: Fitted | None = None,
    report: Report | None = None,
    keep: Keep | None = None,
) -> TrainedModel:
    """Fit one model on held rows; the very model that ``fitting.train`` gives for the same rows.

    Args:
        spec: What to fit; its ``held_content`` is that of ``held``.
        held: The rows, held with the same seed.
        task: What is learned.
        seed: Seed of the fit.
        threads: Threads to use; changes no result.
        start: The same fit with other rounds; see ``fitting.train``.
        report: Called with (rounds done, rounds in all, newest losses) during the fit.
        keep: Given the model as trained so far, now and then.

    Raises:
        ModelError: The library refuses the rows or the parameters.
        ValueError: The rows were held for models with another content, or the model wants several shards.
    """
    _require_one_shard(spec)
    _require_content(spec, held)
    adapter = _find_holding(spec.type)
    if adapter is None:
        return train_share(spec, held.rows, task, seed=seed, threads=threads, start=start, report=report, keep=keep)
    fitted = adapter.fit_held(
        held.rows,
        fit_params(spec),
        task,
        seed=seed,
        threads=threads,
        early_stopping=spec.early_stopping if _is_watched(spec) else None,
        start=start,
        device=spec.device,
        report=report,
        keep=keep,
    )
    return TrainedModel(spec, task, held.features, held.preparation, fitted, adapter.versions())


def predict_held(
    model: TrainedModel, held: Held, rounds: Sequence[int] = (), threads: int = 1
) -> list[NDArray[np.float32]]:
    """Predictions of a model on the held rows; the very ones of ``TrainedModel.predict``.

    Args:
        model: A model that was trained on these rows.
        held: The rows.
        rounds: Numbers of rounds (or of trees: of the adapter's ``prefix``) to cut the model to, in any order; empty
            for one prediction of the whole model.
        threads: Threads to use; changes no result.

    Returns:
        One prediction for each number of rounds. Shape ``(n_shown,)``, or ``(n_shown, n_classes)``.

    Raises:
        ValueError: The model has fewer rounds, or none.
    """
    import numpy as np

    if held.n_shown == 0:
        shape = (0, len(model.task.classes)) if model.task.kind == "multiclass" else (0,)
        return [np.zeros(shape, dtype=np.float32) for _ in rounds or (None,)]
    adapter = _find_holding(model.spec.type)
    if adapter is not None:
        predicted = adapter.predict_held(model.fitted, held.shown, rounds, threads=threads)
    else:
        cuts = [model.fitted.cut(wanted) for wanted in rounds] or [model.fitted]
        predicted = [fitted.predict(held.shown, threads=threads) for fitted in cuts]
    return [np.asarray(values, dtype=np.float32) for values in predicted]


@lru_cache(maxsize=128)
def _find_holding(type_name: str) -> HoldingAdapter | None:
    """The adapter of a type if it holds rows; asked for once a type, because protocols are slow to look at."""
    adapter = find_adapter(type_name)
    return adapter if isinstance(adapter, HoldingAdapter) else None


def _is_watched(spec: ModelSpec) -> bool:
    """Whether some rows are held out to decide when to stop."""
    return spec.early_stopping is not None and spec.rounds is None


def _require_one_shard(spec: ModelSpec) -> None:
    if spec.shards != 1:
        raise ValueError(f"a fit of {spec.shards} shards has its rows dealt to ranks; they cannot be held")


def _require_content(spec: ModelSpec, held: Held) -> None:
    if held_content(spec) != held.content:
        raise ValueError(f"these rows are held for models with {held.content}, this one needs {held_content(spec)}")


def _count_bytes(frame: Frame) -> int:
    return sum(column.values.nbytes for column in frame.columns)
