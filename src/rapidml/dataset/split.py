"""Which rows test, which train, and which fold holds out which: functions of (row id, seed), as `split:` says.

From 10,000 rows on the hash alone decides, so rows keep their part when others are added. Below, quotas are met
exactly: the test part has the rows with the smallest hash, folds and `valid` have equal shares of every class of the
training rows. Rows with equal ids stay together, so quotas are met as nearly as whole ids allow. The target of a test
row is never read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rapidml.dataset.problems import FieldError, TooLittleError
from rapidml.dataset.rowid import Stream, mix, uniform
from rapidml.keys import make_seed
from rapidml.recipe.schema import FoldsBy, Split, SplitColumn

if TYPE_CHECKING:
    from numpy.typing import NDArray

Where = tuple[str, ...]
"""A field of the recipe."""
EXACT_BELOW = 10_000
"""Number of table rows from which the hash alone decides."""
MAX_FOLDS = 100
DEFAULT_FOLDS = 5
EARLY_STOPPING_SHARE = 0.15


@dataclass(frozen=True)
class Parts:
    """The part of every row of a table.

    Attributes:
        test: Whether the row is a test row; all others are training rows. Shape ``(n_rows,)``.
        fold: Fold that holds the row out; -1 on test rows and where there are no folds. Shape ``(n_rows,)``.
        n_folds: Number of folds; 0 with ``valid``.
        valid: Whether the row is in the validation part. Shape ``(n_rows,)``.
        fold_labels: What a fold is called: its number, or its value of ``folds.by``.
        divided_ids: Number of ids whose rows a test column, a given test sample or ``folds.by`` has put into
            different parts; the hash never does.
    """

    test: NDArray[np.bool_]
    fold: NDArray[np.int16]
    n_folds: int
    valid: NDArray[np.bool_]
    fold_labels: tuple[str, ...]
    divided_ids: int = 0

    def rows(self, part: str) -> NDArray[np.int64]:
        """Row numbers of a part, in table order.

        Args:
            part: ``train`` (all training rows), ``test``, ``fit`` (training rows without ``valid``), ``valid``,
                ``fold:3`` (what fold fit 3 trains on) or ``held:3`` (what it holds out).

        Returns:
            Indices into the table. Shape ``(n_part,)``.

        Raises:
            ValueError: There is no such part.
        """
        return np.flatnonzero(self._mask(part)).astype(np.int64)

    def _mask(self, part: str) -> NDArray[np.bool_]:
        name, colon, number = part.partition(":")
        if colon and name in ("fold", "held") and number.isdecimal() and int(number) < self.n_folds:
            held: NDArray[np.bool_] = self.fold == int(number)
            return held if name == "held" else ~self.test & ~held
        masks: dict[str, NDArray[np.bool_]] = {
            "train": ~self.test,
            "test": self.test,
            "fit": ~self.test & ~self.valid,
            "valid": self.valid,
        }
        if part not in masks:
            raise ValueError(f"no part {part!r} with {self.n_folds} folds")
        return masks[part]


def assign_parts(
    ids: NDArray[np.uint64],
    split: Split,
    seed: int,
    *,
    target_codes: NDArray[np.int64] | None = None,
    test_column: NDArray[Any] | None = None,
    by: NDArray[Any] | None = None,
    test_rows: NDArray[np.bool_] | None = None,
    repetition: int = 0,
) -> Parts:
    """The part of every row.

    Args:
        ids: Row ids. Shape ``(n_rows,)``.
        split: The recipe's ``split``; with neither ``folds`` nor ``valid`` there are 5 folds.
        seed: The recipe's seed; ``split.seed`` wins over it.
        target_codes: Class of each row; None for regression. Only training rows are read. Shape ``(n_rows,)``.
        test_column: Values of ``split.test.column``. Shape ``(n_rows,)``.
        by: Values of ``split.folds.by``. Shape ``(n_rows,)``.
        test_rows: Whether the row comes from ``dataset.test``; it then is the test part, whatever ``split.test``
            says. Shape ``(n_rows,)``.
        repetition: The folds are drawn anew for each, from the same training rows; 0 is the split itself.

    Returns:
        The parts; none of them is empty, except that there may be no test part.

    Raises:
        FieldError: A part would be empty, a value of the test column is in neither list, or ``by`` is null, not
            whole or has fewer than 2 or more than 100 values.
    """
    seed = seed if split.seed is None else split.seed
    if split.folds is not None and split.valid is not None:
        raise ValueError("a split has folds or valid, not both")
    test = _make_test(ids, split, seed, test_column, test_rows)
    train = np.flatnonzero(~test)
    codes = np.zeros(len(train), np.int64) if target_codes is None else target_codes[train].astype(np.int64)
    fold = np.full(len(ids), -1, np.int16)
    valid = np.zeros(len(ids), np.bool_)
    labels: tuple[str, ...] = ()
    is_small = len(ids) < EXACT_BELOW
    if split.valid is not None:
        valid[train] = _make_valid(ids[train], codes, split.valid, seed, is_small=is_small)
    elif isinstance(split.folds, FoldsBy):
        fold[train], labels = _folds_by(by, train)
    else:
        n_folds = DEFAULT_FOLDS if split.folds is None else split.folds
        drawn = make_seed(seed, "folds", repetition) if repetition else seed
        fold[train] = _make_folds(ids[train], codes, n_folds, drawn, is_small=is_small)
        labels = tuple(map(str, range(n_folds)))
    parts = Parts(test, fold, len(labels), valid, labels)
    is_given = test_rows is not None or isinstance(split.test, SplitColumn) or isinstance(split.folds, FoldsBy)
    return Parts(test, fold, len(labels), valid, labels, _count_divided(ids, fold, test)) if is_given else parts


def early_stopping_mask(ids: NDArray[np.uint64], seed: int) -> NDArray[np.bool_]:
    """The hashed 15% of a fit's own rows that early stopping watches.

    Args:
        ids: Ids of the fit's rows. Shape ``(n_rows,)``.
        seed: The recipe's seed.

    Returns:
        Whether the row is held out. Shape ``(n_rows,)``.

    Raises:
        FieldError: All rows have the same id.
    """
    return _smallest(ids, EARLY_STOPPING_SHARE, "early_stopping", seed, ("models",))


def _make_test(
    ids: NDArray[np.uint64],
    split: Split,
    seed: int,
    test_column: NDArray[Any] | None,
    test_rows: NDArray[np.bool_] | None,
) -> NDArray[np.bool_]:
    if test_rows is not None:
        return _check_test(np.array(test_rows, np.bool_), ("dataset", "test"))
    if split.test is None:
        return _check_train(np.zeros(len(ids), np.bool_))
    if isinstance(split.test, SplitColumn):
        if test_column is None:
            raise ValueError("split.test.column needs the values of its column")
        return _check_test(_test_by_column(test_column, split.test), ("split", "test"))
    return _smallest(ids, split.test, "test", seed, ("split", "test"))


def _test_by_column(values: NDArray[Any], rule: SplitColumn) -> NDArray[np.bool_]:
    both = [value for value in rule.test if value in rule.train]
    if both:
        text = f"two lists without a common value; {both[0]!r} is in train and in test"
        raise FieldError(("split", "test"), text, "leave it in one of them")
    items = values.tolist()
    part = dict.fromkeys(rule.train, False) | dict.fromkeys(rule.test, True)
    unlisted = sorted({repr(value) for value in set(items) if value not in part})
    if unlisted:
        count = sum(value not in part for value in items)
        shown = ", ".join(unlisted[:5]) + (", ..." if len(unlisted) > 5 else "")
        text = f"every value of {rule.column} under train or test; {count:,} rows have others: {shown}"
        raise FieldError(("split", "test"), text, "list them under train or test, or drop them with dataset.select")
    return np.fromiter((part[value] for value in items), np.bool_, len(items))


def _smallest(ids: NDArray[np.uint64], share: float, stream: Stream, seed: int, purpose: Where) -> NDArray[np.bool_]:
    """Rows whose number is below the share; below 10,000 rows the exact count with the smallest numbers."""
    if len(ids) >= EXACT_BELOW:
        return _check_test(uniform(ids, stream, seed) < share, purpose)
    numbers, group, sizes = np.unique(mix(ids, stream, seed), return_inverse=True, return_counts=True)
    if len(numbers) < 2:
        text = f"rows with at least 2 different ids; there {'is' if len(numbers) == 1 else 'are'} {len(numbers)}"
        raise TooLittleError(purpose, text, "add rows; rows of one dataset.id count once")
    totals = np.cumsum(sizes)[:-1]
    n_groups = int(np.argmin(np.abs(totals - _round(share * len(ids))))) + 1
    return np.asarray(group < n_groups)


def _make_folds(
    ids: NDArray[np.uint64], codes: NDArray[np.int64], n_folds: int, seed: int, *, is_small: bool
) -> NDArray[np.int16]:
    if is_small:
        numbers, group = np.unique(mix(ids, "folds", seed), return_inverse=True)
        if len(numbers) == len(ids):
            fold = np.empty(len(ids), np.int64)
            fold[np.lexsort((group, codes))] = np.arange(len(ids)) % n_folds
        else:
            fold = _share_out(group, codes, np.full(n_folds, 1 / n_folds))
    else:
        fold = (uniform(ids, "folds", seed) * n_folds).astype(np.int64)
    n_used = np.count_nonzero(np.bincount(fold, minlength=n_folds))
    if n_used < n_folds:
        has = "1 fold would have rows" if n_used == 1 else f"{n_used} folds would have rows"
        text = f"at least {n_folds} different ids among the training rows, for {n_folds} folds; only {has}"
        raise TooLittleError(("split", "folds"), text, "write fewer folds, or add rows")
    return fold.astype(np.int16)


def _make_valid(
    ids: NDArray[np.uint64], codes: NDArray[np.int64], share: float, seed: int, *, is_small: bool
) -> NDArray[np.bool_]:
    if not is_small:
        return _check_test(uniform(ids, "valid", seed) < share, ("split", "valid"))
    numbers, group = np.unique(mix(ids, "valid", seed), return_inverse=True)
    if len(numbers) < len(ids):
        return _check_test(_share_out(group, codes, np.array([1 - share, share])) == 1, ("split", "valid"))
    valid = np.empty(len(ids), np.bool_)
    steps = np.floor(share * np.arange(len(ids) + 1) + 0.5)
    valid[np.lexsort((group, codes))] = np.diff(steps) > 0
    return _check_test(valid, ("split", "valid"))


def _share_out(group: NDArray[np.intp], codes: NDArray[np.int64], shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Part of each row: whole groups, the largest first, each to where it least disturbs the shares of its classes.

    For groups of one row this is Webster's apportionment within each class.
    """
    _, classes = np.unique(codes, return_inverse=True)
    content = np.zeros((int(group.max()) + 1, int(classes.max()) + 1))
    np.add.at(content, (group, classes), 1.0)
    sizes = content.sum(axis=1)
    order = np.lexsort((np.arange(len(content)), content.argmax(axis=1), -sizes))
    wanted = shares[:, None] * content.sum(axis=0)
    placed = np.zeros_like(wanted)
    part = np.empty(len(content), np.int64)
    for index in order:
        rows = content[index]
        cost = ((2 * placed + rows) / wanted) @ rows
        best = np.flatnonzero(cost <= cost.min() * (1 + 1e-12))
        chosen = best[np.argmin(placed[best].sum(axis=1) / shares[best])]
        placed[chosen] += rows
        part[index] = chosen
    return part[group]


def _folds_by(by: NDArray[Any] | None, train: NDArray[np.intp]) -> tuple[NDArray[np.int16], tuple[str, ...]]:
    if by is None:
        raise ValueError("split.folds.by needs the values of its expression")
    values = np.asarray(by)
    where = ("split", "folds", "by")
    if values.dtype.kind not in "biuf":
        raise FieldError(where, "an expression that gives whole numbers; it gives text", "write one without text")
    if values.dtype.kind == "f":
        null = np.isnan(values)
        if null.any():
            text = f"a fold for every row; the expression is null in {int(null.sum()):,} rows"
            raise FieldError(where, text, "drop these rows with dataset.select")
        if not np.all(np.floor(values) == values):
            example = float(values[np.floor(values) != values][0])
            raise FieldError(where, f"whole numbers; the expression gives {example!r}", "use int(...)")
    distinct, fold = np.unique(values[train], return_inverse=True)
    text = f"2 to {MAX_FOLDS} different values in the training rows; the expression has {len(distinct):,}"
    if len(distinct) < 2:
        raise TooLittleError(where, text, "write one such as `event % 5`")
    if len(distinct) > MAX_FOLDS:
        raise FieldError(where, text, "write one such as `event % 5`")
    return fold.astype(np.int16), tuple(str(int(value)) for value in distinct)


def _count_divided(ids: NDArray[np.uint64], fold: NDArray[np.int16], test: NDArray[np.bool_]) -> int:
    part = np.where(test, np.int64(-2), fold.astype(np.int64))
    order = np.lexsort((part, ids))
    is_same_id = ids[order][1:] == ids[order][:-1]
    is_divided = is_same_id & (part[order][1:] != part[order][:-1])
    return len(np.unique(ids[order][1:][is_divided]))


def _round(value: float) -> int:
    return int(np.floor(value + 0.5))


def _check_test(test: NDArray[np.bool_], purpose: Where) -> NDArray[np.bool_]:
    if not test.any():
        text = f"rows in this part; none of {len(test):,} is in it"
        raise TooLittleError(purpose, text, "check what it is made of, or add rows")
    return _check_train(test, purpose)


def _check_train(test: NDArray[np.bool_], purpose: Where = ("dataset",)) -> NDArray[np.bool_]:
    if test.all():
        text = f"rows that are left to train on, of {len(test):,}; there are none"
        raise TooLittleError(purpose, text, "make this part smaller, or add rows")
    return test
