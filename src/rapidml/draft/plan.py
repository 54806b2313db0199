"""Everything a drafted recipe says, before it is text: the choices of all parts, with their reasons."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rapidml.draft.roles import Choice

if TYPE_CHECKING:
    from rapidml.dataset.profile import Profile
    from rapidml.draft.inputs import Inputs
    from rapidml.draft.roles import TaskName

MANY_ROWS = 200_000
MANY_CELLS = 100_000_000
"""Rows times features times classes from which one fit is enough to wait for."""
FEW_ROWS = 2_000


@dataclass(frozen=True)
class DraftPlan:
    """What a drafted recipe says.

    Attributes:
        name: Name of the recipe.
        inputs: Its files.
        n_rows: Number of rows, about.
        n_columns: Number of columns.
        target: Column to learn; none where files are classes, or where it is not known yet.
        task: Kind of task and why, where it must be said.
        positive: Positive label and why, where it must be said.
        select: Condition on the rows and why.
        weight: Column with the weights.
        sample_weights: Column with the weights of a class, where not every class has one.
        id: Columns that name a row, and why.
        missing: Numbers that stand for a missing value, and the columns that have them.
        exclude: Columns that are no features, with the reason.
        left_out: Columns that cannot be features and need not be named, with the reason.
        profile: What the first rows look like; None if there is no target, or they do not show it.
    """

    name: str
    inputs: Inputs
    n_rows: int
    n_columns: int
    target: Choice = field(default_factory=lambda: Choice(None))
    task: tuple[TaskName | None, str] = (None, "")
    positive: tuple[str | None, str] = (None, "")
    select: tuple[str | None, str] = (None, "")
    weight: Choice = field(default_factory=lambda: Choice(None))
    sample_weights: tuple[tuple[str, str], ...] = ()
    id: tuple[tuple[str, ...], str] = ((), "")
    missing: tuple[tuple[float, ...], tuple[str, ...]] = ((), ())
    exclude: tuple[tuple[str, str], ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    profile: Profile | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the target is known."""
        return self.target.name is not None or self.inputs.has_classes or self.is_pair

    @property
    def is_pair(self) -> bool:
        """Whether the data are a pair of array files."""
        return self.inputs.files[0].written_target is not None

    @property
    def kind(self) -> str:
        """Kind of task: as the first rows show it, else binary."""
        return "binary" if self.profile is None else self.profile.task.kind

    @property
    def n_cells(self) -> int:
        """Rows times features times classes: what fits cost."""
        if self.profile is None:
            return self.n_rows * self.n_columns
        width = 0
        for feature in self.profile.features:
            size = 1
            for length in feature.shape:
                size *= length
            width += size
        n_classes = len(self.profile.task.classes)
        return self.n_rows * width * (n_classes if n_classes > 2 else 1)

    @property
    def is_large(self) -> bool:
        """Whether one fit and a validation part are better than folds."""
        return self.n_rows > MANY_ROWS or self.n_cells > MANY_CELLS
