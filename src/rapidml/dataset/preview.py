"""A first look at a dataset before anything is read whole: the profile of the first rows of each sample."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rapidml.dataset.profile import assign_rows, make_profile
from rapidml.dataset.table import open_table, read_part, write_table
from rapidml.errors import DatasetError

if TYPE_CHECKING:
    from rapidml.dataset.columns import TableRequest
    from rapidml.dataset.files import Identity
    from rapidml.dataset.profile import Profile
    from rapidml.recipe.schema import Dataset, Split

PREVIEW_ROWS = 20_000


def make_preview(
    dataset: Dataset, request: TableRequest, identity: Identity, split: Split, seed: int, n_rows: int = PREVIEW_ROWS
) -> Profile | None:
    """Profile of the first rows of the first file of each sample: task, features, leaks.

    Args:
        dataset: The dataset section.
        request: What a run would read.
        identity: Its files.
        split: The split.
        seed: Seed of the split.
        n_rows: Number of records of each sample to look at.

    Returns:
        The profile, or None if so few rows do not show it: they may all be of one class.

    Raises:
        DatasetError: The data cannot be read, or are not what the recipe says.
    """
    firsts: dict[int, int] = {}
    for index, file in enumerate(identity.files):
        firsts.setdefault(file.sample, index)
    with TemporaryDirectory(prefix="rapidml-") as name:
        folder = Path(name)
        parts = [
            read_part(request, identity, index, folder / f"part{index}", limit=n_rows)
            for _, index in sorted(firsts.items())
        ]
        is_whole = len(parts) == len(identity.files) and all(part.n_records < n_rows for part in parts)
        try:
            write_table(request, parts, folder)
            table = open_table([folder], request.rows_key)
            return make_profile(table, request, dataset, assign_rows(table, request, split, seed))
        except DatasetError:
            if is_whole:
                raise
            return None
