"""A first look at a dataset before anything is read whole: the profile of the first rows of each sample.

And whether every file has the columns that are read: test data and files that came later never change what there is.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rapidml.dataset.evaluation import needed_columns
from rapidml.dataset.problems import FieldError, FileError, TooLittleError
from rapidml.dataset.profile import assign_rows, make_profile
from rapidml.dataset.readers.registry import open_source
from rapidml.dataset.readers.source import list_names
from rapidml.dataset.table import open_table, read_part, write_table

if TYPE_CHECKING:
    from rapidml.dataset.columns import TableRequest
    from rapidml.dataset.files import Identity
    from rapidml.dataset.profile import Profile
    from rapidml.recipe.schema import Dataset, Split

PREVIEW_ROWS = 20_000
MOST_FILES = 200
"""Number of files whose names of columns are looked at; of remote ones a tenth of it."""


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
    check_files(request, identity)
    firsts = find_firsts(identity)
    with TemporaryDirectory(prefix="rapidml-") as name:
        folder = Path(name)
        parts = [read_part(request, identity, index, folder / f"part{index}", limit=n_rows) for index in firsts]
        is_whole = len(parts) == len(identity.files) and all(part.n_records < n_rows for part in parts)
        try:
            write_table(request, parts, folder)
            table = open_table([folder], request.rows_key)
            return make_profile(table, request, dataset, assign_rows(table, request, split, seed))
        except TooLittleError:
            if is_whole:
                raise
            return None


def find_firsts(identity: Identity) -> list[int]:
    """Number of the first file of each sample."""
    firsts: dict[int, int] = {}
    for index, file in enumerate(identity.files):
        firsts.setdefault(file.sample, index)
    return [index for _, index in sorted(firsts.items())]


def check_files(request: TableRequest, identity: Identity) -> None:
    """Look whether every file has the columns that are read of it; of very many, the first ones.

    Args:
        request: What a run would read.
        identity: Its files.

    Raises:
        DatasetError: A file lacks a column, or cannot be read.
    """
    files = identity.files
    if len(files) < 2:
        return
    features = {name for name, _ in request.features}
    most = MOST_FILES // 10 if any("://" in file.url for file in files) else MOST_FILES
    for index in sorted({*range(min(len(files), most)), *find_firsts(identity)}):
        file = files[index]
        names = open_source(file, limit=0).names
        lacking = sorted(needed_columns(request, request.samples[file.sample]) - set(names))
        if not lacking:
            continue
        what, them = ("column", "it") if len(lacking) == 1 else ("columns", "them")
        text = f"{what} {list_names(lacking)} in {file.name} too, as in {files[0].name}"
        fix = f"add {them} to the file, or do not use {them}"
        if set(lacking) <= features:
            fix = f"add {them} to the file, or leave {them} out with features: {{exclude: [{', '.join(lacking[:5])}]}}"
        if file.role == "test":
            raise FieldError(("dataset", "test"), text, fix)
        raise FileError(file.sample, text, fix)
