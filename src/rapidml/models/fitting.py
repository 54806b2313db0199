"""Training one model as a whole: the rows that train, their preparation, and the fit itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rapidml.models.registry import find_adapter
from rapidml.models.shares import Share, Source, make_share
from rapidml.models.spec import ModelSpec, middle_rounds, resolve_model
from rapidml.models.trained_model import TrainedModel, load_model

if TYPE_CHECKING:
    from rapidml.dataset.frame import Task, TrainingRows
    from rapidml.models.adapter import Fitted, Keep, Report

__all__ = [
    "ModelSpec",
    "TrainedModel",
    "cut_model",
    "fit_params",
    "load_model",
    "middle_rounds",
    "resolve_model",
    "train",
    "train_share",
]


def train(
    spec: ModelSpec,
    rows: TrainingRows | Source,
    task: Task,
    *,
    seed: int,
    threads: int = 1,
    start: Fitted | None = None,
    report: Report | None = None,
    keep: Keep | None = None,
) -> TrainedModel:
    """Fit one model in this process.

    Args:
        spec: What to fit.
        rows: The fit's rows; their weight is not used if ``spec.weights_ignored``.
        task: What is learned.
        seed: Seed of the fit; also decides which rows are held out.
        threads: Threads to use; changes no result.
        start: The library's model of the same spec but for its rounds or patience, fitted on the same rows with the
            same seed. Saves time and changes nothing; ignored where the library cannot promise that.
        report: Called with (rounds done, rounds in all, newest losses) during the fit.
        keep: Given the model as trained so far, now and then, where ``start`` can take it up again.

    Raises:
        ModelError: The rows cannot train this model, or the library refuses them.
        ValueError: The model wants several shards, which are not trained by one call.
    """
    if spec.shards != 1:
        raise ValueError(f"a fit of {spec.shards} shards needs that many ranks")
    source = rows if isinstance(rows, Source) else Source.from_rows(rows)
    share = make_share(spec, source, task, seed)
    return train_share(spec, share, task, seed=seed, threads=threads, start=start, report=report, keep=keep)


def fit_params(spec: ModelSpec) -> dict[str, Any]:
    """Parameters of a fit: where the number of rounds is fixed, it takes the place of the most there may be."""
    if spec.rounds is None or spec.iterations is None:
        return dict(spec.params)
    return {**spec.params, spec.iterations: spec.rounds}


def train_share(
    spec: ModelSpec,
    share: Share,
    task: Task,
    *,
    seed: int,
    threads: int = 1,
    start: Fitted | None = None,
    report: Report | None = None,
    keep: Keep | None = None,
) -> TrainedModel:
    """Fit one model on a rank's share, together with the other ranks if there are any; see ``train``.

    Returns:
        The model; every rank gets the same.
    """
    adapter = find_adapter(spec.type)
    fitted = adapter.fit(
        share.rows,
        fit_params(spec),
        task,
        seed=seed,
        threads=threads,
        watch=share.watch,
        early_stopping=None if share.watch is None else spec.early_stopping,
        start=start,
        device=spec.device,
        report=report,
        keep=keep,
    )
    return TrainedModel(spec, task, share.features, share.preparation, fitted, adapter.versions())


def cut_model(model: TrainedModel, spec: ModelSpec) -> TrainedModel:
    """The model of a shorter fit from that of a longer one; saved, the two are equal to the byte.

    Args:
        model: A model that was trained on the same rows with the same seed.
        spec: Its own specification, but for a lower value of the adapter's ``prefix``.

    Raises:
        ValueError: Models of this type or with these parameters have no prefixes, or the model has fewer rounds.
    """
    rounds = find_adapter(spec.type).prefix_rounds(fit_params(spec))
    if rounds is None:
        raise ValueError(f"a shorter fit of {spec.type} with these parameters is no prefix of a longer one")
    return replace(model, spec=spec, fitted=model.fitted.cut(rounds))
