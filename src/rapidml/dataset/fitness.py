"""What the data must be before anything is learned from them: checks that hold for all rows, test rows included.

They only ever refuse; nothing is decided here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapidml.dataset.problems import FieldError, TooLittleError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.columns import TableRequest
    from rapidml.dataset.frame import Column
    from rapidml.dataset.profile import ClassCount
    from rapidml.dataset.table import Table

LEAST_IDS = 10
"""Fewer different ids than this make no split and no interval: rows of one id share part, fold and bootstrap draw."""
LARGEST_NUMBER = 3.4028234663852886e38
"""Largest 32-bit float; models compute with these, and larger numbers are infinite to them."""


def check_ids(table: Table, request: TableRequest) -> None:
    """Whether ``dataset.id`` tells rows or groups of rows apart.

    A few large groups, such as the sites of a study, are no ids: their intervals would rest on a handful of draws.
    They can be folds, by ``split.folds.by``.

    Raises:
        TooLittleError: There are fewer than 10 different ids, and rows share them.
    """
    import numpy as np

    if not request.id or len(np.unique(table.ids[:10_000])) >= LEAST_IDS:
        return
    ids = table.ids if table.test_rows is None else table.ids[~table.test_rows]
    count = len(np.unique(ids))
    if count >= LEAST_IDS or count == len(ids):
        return
    names = ", ".join(request.id)
    has = "id" if count == 1 else "ids"
    text = f"at least {LEAST_IDS} different ids, as rows of one id share split and draw; {names} gives {count} {has}"
    fix = (
        f"name a column that tells rows apart, or remove id; whole groups are held out by split.folds: {{by: {names}}}"
    )
    raise TooLittleError(("dataset", "id"), text, fix)


def check_target_text(table: Table, request: TableRequest) -> None:
    """Whether a target of text was meant as numbers, by the rule of ``strays``.

    Raises:
        FieldError: It was.
    """
    target = request.target
    if target.role != "target" or request.task == "classification":
        return
    stray = table.stray(target.key, is_target=True)
    if stray is not None:
        fix = "mend the cell, or write task: classification if it is a class"
        raise FieldError(("dataset", "target"), f"numbers in {target.name}; {stray}", fix)


def check_strays(strays: Sequence[tuple[str, str]]) -> None:
    """Refuse columns that were meant as numbers but hold text.

    Args:
        strays: Column, and which text stands where.

    Raises:
        FieldError: There are such columns.
    """
    if not strays:
        return
    shown = ", ".join(f"{name} ({what})" for name, what in strays[:5])
    more = f" and {len(strays) - 5} more columns" if len(strays) > 5 else ""
    names = ", ".join(name for name, _ in strays[:5])
    fix = (
        "mend the cells (a missing value is empty, a decimal point is '.'), leave the column out with "
        f"features: {{exclude: [{names}]}}, or list it by its full name to use it as text"
    )
    raise FieldError(("dataset", "features"), f"numbers in {shown}{more}", fix)


def count_infinite(column: Column) -> int:
    """Rows whose value is infinite, or too large for 32-bit floats; nulls are none."""
    import numpy as np

    values = column.values
    if column.categories is not None or values.dtype.kind != "f" or values.size == 0:
        return 0
    if max(float(np.fmax.reduce(values, axis=None)), -float(np.fmin.reduce(values, axis=None))) <= LARGEST_NUMBER:
        return 0
    large = np.abs(values) > LARGEST_NUMBER
    return int(np.count_nonzero(large.any(axis=tuple(range(1, large.ndim)))))


def check_infinite(counts: Sequence[tuple[str, int]], n_rows: int) -> None:
    """Refuse features with infinite values.

    Args:
        counts: Feature, and in how many rows it is infinite; those of none are left aside.
        n_rows: Number of rows.

    Raises:
        FieldError: A feature is infinite somewhere.
    """
    found = [(name, count) for name, count in counts if count]
    if not found:
        return
    shown = ", ".join(f"{name} in {count:,}" for name, count in found[:5])
    more = f" and {len(found) - 5} more columns" if len(found) > 5 else ""
    text = f"finite numbers (below 3.4e38); of {n_rows:,} rows are infinite: {shown}{more}"
    name = found[0][0]
    condition = f"isnull({name}) or abs({name}) < 1e38"
    fix = f"drop such rows with dataset.select: {condition}, or derive a finite column in dataset.columns"
    raise FieldError(("dataset", "features"), text, fix)


def check_weight_sums(classes: Sequence[ClassCount], weight: NDArray[np.float64] | None) -> None:
    """Whether the weights of the training rows have positive sums, in every class.

    Raises:
        TooLittleError: One has not.
    """
    if weight is None:
        return
    fix = "mend the weights, or select other rows"
    for count in classes:
        if not count.weight_sum > 0:
            text = f"weights with a positive sum in every class; those of class {count.label} sum to"
            raise TooLittleError(("dataset", "weight"), f"{text} {count.weight_sum:.6g} in the training rows", fix)
    if not weight.sum() > 0:
        text = f"weights with a positive sum; those of the training rows sum to {weight.sum():.6g}"
        raise TooLittleError(("dataset", "weight"), text, fix)
