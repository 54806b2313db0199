"""The rows of a run as a worker sees them: the mapped table, the parts of the split, targets and weights."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidml.dataset.preparation_keeping import KeptSteps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.columns import TableRequest
    from rapidml.dataset.frame import Frame
    from rapidml.dataset.profile import Profile
    from rapidml.dataset.split import Parts
    from rapidml.dataset.table import Table
    from rapidml.evaluate.bootstrap import KeptDraws
    from rapidml.models.shares import Source
    from rapidml.recipe.schema import Split, Training


@dataclass(frozen=True)
class RowsRequest:
    """What a worker needs to know to open the rows of a run.

    Attributes:
        store: Folder of the store.
        folders: Folders of the table's column groups, first the one with ids and target.
        request: Rows and columns of the table.
        split: The split as written, defaults resolved.
        seed: Seed of the split.
        profile: What the training rows look like; None before that is known.
        repetition: Which drawing of the folds; 0 is the split itself.
    """

    store: str
    folders: tuple[str, ...]
    request: TableRequest
    split: Split
    seed: int
    profile: Profile | None = None
    repetition: int = 0


@dataclass(frozen=True)
class Rows:
    """Opened rows: mapped columns, and small arrays over all rows that every fit needs.

    Attributes:
        request: What was opened.
        table: The mapped table.
        parts: Test part, folds, validation part.
        target: Class index or value. Shape ``(n_rows,)``; None before the profile is known.
        weight: Physics weight. Shape ``(n_rows,)``; None if the dataset has none.
        draws: Bootstrap draws of parts on which many candidates are scored.
        kept: Preparation steps that fits of these rows have left for others.
    """

    request: RowsRequest
    table: Table
    parts: Parts
    target: NDArray[np.float64] | None
    weight: NDArray[np.float64] | None
    draws: KeptDraws = field(compare=False, repr=False)
    kept: KeptSteps = field(default_factory=KeptSteps, compare=False, repr=False)

    def truth(self, part: str) -> tuple[NDArray[np.uint64], NDArray[np.float64], NDArray[np.float64] | None]:
        """Ids, target and physics weight of a part, each of shape ``(n_part,)``."""
        rows = self.parts.rows(part)
        assert self.target is not None
        return self.table.ids[rows], self.target[rows], None if self.weight is None else self.weight[rows]

    def features(self, part: str) -> Frame:
        """Features of a part, copied out of the map."""
        from rapidml.dataset.profile import make_frame

        assert self.request.profile is not None
        return make_frame(self.table, self.request.profile.features, self.parts.rows(part))

    def training_target(
        self, part: str, training: Training, balance: Any
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Target and training weight of the rows of a part that may train, each of shape ``(n_kept,)``."""
        _, target, physics = self.truth(part)
        weight, keep = self._weigh(target, physics, training, balance)
        return (target, weight) if keep.all() else (target[keep], None if weight is None else weight[keep])

    def training_source(self, part: str, training: Training, balance: Any, *, use_weight: bool) -> Source:
        """The rows of a part that may train: features are copied out of the map when they are asked for."""
        from rapidml.dataset.profile import make_frame
        from rapidml.models.shares import Source

        assert self.request.profile is not None
        features = self.request.profile.features
        ids, target, physics = self.truth(part)
        weight, keep = self._weigh(target, physics if use_weight else None, training, balance)
        rows = self.parts.rows(part)
        if not keep.all():
            ids, target, weight, rows = ids[keep], target[keep], None if weight is None else weight[keep], rows[keep]
        which = json.dumps([part, training.model_dump_json(), balance, use_weight])
        return Source(
            target, weight, ids, lambda positions: make_frame(self.table, features, rows[positions]), self.kept, which
        )

    def _weigh(
        self, target: NDArray[np.float64], physics: NDArray[np.float64] | None, training: Training, balance: Any
    ) -> tuple[NDArray[np.float64] | None, NDArray[np.bool_]]:
        from rapidml.dataset.training_weight import make_training_weight

        assert self.request.profile is not None
        codes = None if self.request.profile.task.kind == "regression" else target.astype("int64")
        return make_training_weight(physics, codes, training, balance)


def load_rows(request: RowsRequest) -> Rows:
    """Map the table and assign its rows to parts."""
    from rapidml.dataset.profile import assign_rows, physics_weight, target_codes
    from rapidml.dataset.table import open_table
    from rapidml.evaluate.bootstrap import KeptDraws

    table = open_table([Path(folder) for folder in request.folders], request.request.rows_key)
    parts = assign_rows(table, request.request, request.split, request.seed, request.repetition)
    target = None if request.profile is None else target_codes(table, request.request, request.profile)
    return Rows(request, table, parts, target, physics_weight(table, request.request), KeptDraws())
