"""Which rows of a fit train and which are watched; and of both, the share that one of several ranks has."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rapidml.errors import ModelError
from rapidml.models.network_rows import find_moments
from rapidml.models.registry import find_adapter
from rapidml.models.trained_model import Feature, align, apply_preparation, make_feature, require_values
from rapidml.recipe.schema import Choice

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.frame import Frame, Task, TrainingRows
    from rapidml.dataset.preparation import Preparation
    from rapidml.dataset.preparation_keeping import KeptSteps
    from rapidml.models.spec import ModelSpec

ONE_HOT, PCA = "one_hot", "pca"


@dataclass(frozen=True)
class Source:
    """The rows of a fit before their features are loaded.

    Attributes:
        target: Class index, or the value for regression. Shape ``(n_rows,)``.
        weight: Training weight; None if all rows weigh the same. Shape ``(n_rows,)``.
        ids: Row ids. Shape ``(n_rows,)``.
        load: Features of the rows at some positions, or of a slice of them.
        kept: Preparation steps that other fits have left; None to keep none.
        which: Tells these rows, with their weight, from others whose steps are in ``kept``.
    """

    target: NDArray[np.float64]
    weight: NDArray[np.float64] | None
    ids: NDArray[np.uint64]
    load: Callable[[NDArray[np.int64] | slice], Frame]
    kept: KeptSteps | None = field(default=None, repr=False)
    which: str = ""

    @classmethod
    def from_rows(cls, rows: TrainingRows) -> Source:
        """Rows whose features are in memory."""
        return cls(rows.target, rows.weight, rows.ids, rows.features.take)


@dataclass(frozen=True)
class Share:
    """What one rank trains on; that of the only rank is everything.

    Attributes:
        rows: Prepared rows that train.
        watch: Prepared rows whose loss decides when to stop; None without early stopping.
        features: What the model expects of every column, from the training rows of all ranks.
        preparation: Fitted on the training rows of all ranks; None if there are no steps.
        counts: Rows that train, of every rank.
    """

    rows: TrainingRows
    watch: TrainingRows | None
    features: tuple[Feature, ...]
    preparation: Preparation | None
    counts: tuple[int, ...] = ()


def make_share(spec: ModelSpec, source: Source, task: Task, seed: int, rank: int = 0) -> Share:
    """The share of one of ``spec.ranks`` ranks.

    With early stopping (and no fixed ``spec.rounds``) a hashed 15% of the rows are held out to watch. Preparation and
    the list of known categories come from the rows that train alone, those of all ranks. Row k belongs to rank
    ``hash(id of k) mod ranks``, whatever the seed; within a rank rows stay in order. Replicas of a network all watch
    the same rows.

    Args:
        spec: What to fit.
        source: The fit's rows.
        task: What is learned.
        seed: Seed of the fit; decides which rows are held out.
        rank: Number of the rank, from 0.

    Raises:
        ModelError: The rows cannot train this model, or a rank would have none.
    """
    import numpy as np

    used, weight = _drop_weightless(source.target, None if spec.weights_ignored else source.weight)
    _require_classes(source.target[used], task)
    train, watch = used, None
    if spec.early_stopping is not None and spec.rounds is None:
        watched = _hold_out(source.ids[used], seed)
        train, watch = used[~watched], used[watched]
    sums = None
    moments = None
    if spec.ranks > 1 and task.kind != "regression":
        codes = source.target[train].astype(np.int64)
        sums = np.bincount(codes, None if weight is None else weight[train], len(task.classes)).astype(np.float64)
    elif spec.ranks > 1:
        moments = find_moments(source.target[train], None if weight is None else weight[train])
    which = json.dumps([source.which, spec.weights_ignored, None if watch is None else seed])
    features, preparation, loaded = _learn_columns(spec, source, weight, train, which)
    mine, counts = _deal(source.ids, train, rank, spec.ranks, "train on")
    rows = _load(spec, source, weight, mine, features, preparation, sums, loaded if mine is train else None)
    rows = replace(rows, target_moments=moments)
    if watch is None:
        return Share(rows, None, features, preparation, counts)
    mine = watch if spec.trainer is not None else _deal(source.ids, watch, rank, spec.ranks, "watch")[0]
    return Share(rows, _load(spec, source, weight, mine, features, preparation), features, preparation, counts)


def _drop_weightless(
    target: NDArray[np.float64], weight: NDArray[np.float64] | None
) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
    """Positions without those of weight 0, which libraries still count when they bin values; weights of mean 1."""
    import numpy as np

    if weight is None or weight.all():
        return np.arange(len(target)), weight
    used = np.flatnonzero(weight)
    mean = float(weight[used].mean()) if len(used) else 0.0
    return used, weight / mean if mean > 0 else weight


def _require_classes(target: NDArray[np.float64], task: Task) -> None:
    if len(target) == 0:
        raise ModelError("the fit has no rows whose weight is not 0")
    if task.kind == "regression":
        return
    import numpy as np

    found = np.unique(target).astype(int)
    if len(found) < 2:
        raise ModelError(f"all rows of the fit are of one class, '{task.classes[found[0]]}'; nothing can be learned")


def _hold_out(ids: NDArray[np.uint64], seed: int) -> NDArray[np.bool_]:
    from rapidml.dataset.split import early_stopping_mask

    watched = early_stopping_mask(ids, seed)
    if watched.all() or not watched.any():
        raise ModelError(
            f"early stopping holds out 15% of the rows, and of these {len(watched)} rows that is "
            f"{'none' if not watched.any() else 'all'}; remove early_stopping"
        )
    return watched


def _deal(
    ids: NDArray[np.uint64], positions: NDArray[np.int64], rank: int, count: int, what: str
) -> tuple[NDArray[np.int64], tuple[int, ...]]:
    """The positions that belong to a rank, and how many belong to each."""
    if count == 1:
        return positions, (len(positions),)
    import numpy as np

    from rapidml.dataset.rowid import mix

    owner = (mix(ids[positions], "shards", 0) % np.uint64(count)).astype(np.int64)
    counts = np.bincount(owner, minlength=count)
    empty = np.flatnonzero(counts == 0)
    if len(empty):
        raise ModelError(
            f"of {len(positions):,} rows to {what}, none falls to shard {empty[0] + 1} of {count}; "
            "write fewer shards or replicas"
        )
    mine: NDArray[np.int64] = positions[owner == rank]
    return mine, tuple(map(int, counts))


def _learn_columns(
    spec: ModelSpec, source: Source, weight: NDArray[np.float64] | None, train: NDArray[np.int64], which: str
) -> tuple[tuple[Feature, ...], Preparation | None, Frame | None]:
    """What is learned of the columns from all rows that train, before the fit itself; and these, if it needed them."""
    adapter = find_adapter(spec.type)
    kinds = source.load(slice(0, 0)).columns
    has_categories = any(column.categories is not None for column in kinds)
    steps = list(spec.prepare)
    if has_categories and not adapter.takes_categories and all(step.name != ONE_HOT for step in steps):
        steps.append(Choice(name=ONE_HOT))
    if not has_categories and not steps:
        return tuple(map(make_feature, kinds)), None, None
    frame = source.load(train)
    features = tuple(map(make_feature, frame.columns))
    if not steps:
        return features, None, frame
    from rapidml.dataset.frame import TrainingRows
    from rapidml.dataset.preparation import fit_preparation
    from rapidml.models.threads import limit_threads

    rows = TrainingRows(
        align(frame, features), source.target[train], None if weight is None else weight[train], source.ids[train]
    )
    has_pca = any(step.name == PCA for step in steps)
    with limit_threads(1, PCA) if has_pca else nullcontext():
        return features, fit_preparation(tuple(steps), rows, kept=source.kept, which=which), frame


def _load(
    spec: ModelSpec,
    source: Source,
    weight: NDArray[np.float64] | None,
    positions: NDArray[np.int64],
    features: tuple[Feature, ...],
    preparation: Preparation | None,
    class_sums: Any = None,
    loaded: Frame | None = None,
) -> TrainingRows:
    from rapidml.dataset.frame import TrainingRows

    is_all = len(positions) == len(source.target)
    frame = loaded or source.load(slice(None) if is_all else positions)
    prepared = apply_preparation(align(frame, features), preparation)
    require_values(prepared, find_adapter(spec.type))
    own = None if weight is None else weight[positions]
    return TrainingRows(prepared, source.target[positions], own, source.ids[positions], class_sums)
