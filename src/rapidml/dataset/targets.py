"""What is learned, decided from the target of the training rows; labels and class indices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.dataset.problems import FieldError, TooLittleError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.columns import TableRequest
    from rapidml.dataset.frame import Column, Task

MOST_CLASSES = 1000
MOST_GUESSED_CLASSES = 100
"""Text with more labels is a target only if ``task: classification`` says so."""


def make_label(value: Any) -> str:
    """What a value is called as a class: ``true``, ``1`` (for 1.0 too), ``0.5``, or the text itself."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def decide_task(target: Column, rows: NDArray[np.int64], request: TableRequest) -> Task:
    """Kind of task and order of classes, from the training rows alone.

    Args:
        target: The target of all rows.
        rows: Training rows. Shape ``(n_training,)``.
        request: What the recipe says of it.

    Raises:
        DatasetError: The target has one value only or too many classes, ``task`` or ``positive`` must be given, or
            what is given does not fit.
    """
    from rapidml.dataset.frame import Task

    if target.values.ndim != 1:
        raise FieldError(("dataset", "target"), f"one value a row; {target.name} holds arrays", "name another column")
    distinct = _distinct(target, rows)
    if len(distinct) < 2:
        only = ", ".join(map(make_label, distinct)) or "nothing"
        text = f"at least two different values; {target.name} has only {only} in the training rows"
        raise TooLittleError(("dataset", "target"), text, "name another column, or select other rows")
    if _is_regression(target, distinct, request):
        if request.positive is not None:
            raise FieldError(("dataset", "positive"), "a task with two classes; this is regression", "remove it")
        return Task("regression")
    labels = _order_labels([make_label(value) for value in distinct], request)
    if len(labels) > 2:
        if request.positive is not None and not request.classes:
            text = f"two classes; {target.name} has {len(labels)}"
            raise FieldError(("dataset", "positive"), text, "remove it")
        return Task("multiclass", tuple(labels))
    positive = _find_positive(target.name, labels, request)
    return Task("binary", tuple(sorted(labels, key=lambda label: label == positive)))


def encode_target(target: Column, task: Task) -> NDArray[np.float64]:
    """Class index or value of all rows.

    Returns:
        Float64 of shape ``(n_rows,)``.

    Raises:
        DatasetError: A row has a class that no training row has, or a value that is not finite.
    """
    import numpy as np

    if task.kind == "regression":
        values: NDArray[np.float64] = np.asarray(target.values, np.float64)
        if not np.isfinite(values).all():
            count = int(np.count_nonzero(~np.isfinite(values)))
            text = f"finite numbers; {target.name} is infinite in {count:,} of {len(values):,} rows"
            fix = f"drop such rows with dataset.select: abs({target.name}) < 1e300"
            raise FieldError(("dataset", "target"), text, fix)
        return values
    place = {label: float(code) for code, label in enumerate(task.classes)}
    if target.categories is not None:
        known = np.array([place.get(label, np.nan) for label in target.categories])
        codes: NDArray[np.float64] = known[target.values]
    else:
        distinct = np.unique(target.values)
        known = np.array([place.get(make_label(value), np.nan) for value in distinct.tolist()])
        codes = known[np.searchsorted(distinct, target.values)]
    _check_known(target, codes)
    return codes


def _check_known(target: Column, codes: NDArray[np.float64]) -> None:
    import numpy as np

    unknown = np.isnan(codes)
    if unknown.any():
        values = np.unique(np.asarray(target.values)[unknown]).tolist()
        names = [target.categories[value] if target.categories is not None else make_label(value) for value in values]
        text = f"classes that training rows have too; {_rows(int(unknown.sum()))} {', '.join(names[:5])}"
        raise TooLittleError(("dataset", "target"), text, "drop these rows with dataset.select")


def _rows(count: int) -> str:
    return "1 test row has" if count == 1 else f"{count:,} test rows have"


def _distinct(target: Column, rows: NDArray[np.int64]) -> list[Any]:
    """Values in the training rows: texts in the order of labels, or sorted numbers."""
    import numpy as np

    values = np.unique(np.asarray(target.values)[rows]).tolist()
    return values if target.categories is None else [target.categories[code] for code in values]


def _is_regression(target: Column, distinct: list[Any], request: TableRequest) -> bool:
    kind = "text" if target.categories is not None else target.values.dtype.kind
    if request.task == "regression":
        if kind in ("text", "b"):
            what = "text" if kind == "text" else "true or false"
            raise FieldError(("dataset", "task"), f"classification: {target.name} holds {what}", "write classification")
        return True
    if request.task == "classification" or kind in ("text", "b") or len(distinct) == 2:
        _check_count(target.name, len(distinct), request)
        return False
    if kind in "iu":
        text = f"a choice: {target.name} holds whole numbers with {len(distinct):,} different values"
        raise FieldError(("dataset", "task"), text, "write task: classification or task: regression")
    return True


def _check_count(name: str, count: int, request: TableRequest) -> None:
    most = MOST_GUESSED_CLASSES if request.task is None else MOST_CLASSES
    if count > most:
        text = f"at most {most:,} classes; {name} has {count:,} different values in the training rows"
        raise FieldError(("dataset", "target"), text, "name another column, or write task: regression for numbers")


def _order_labels(labels: list[str], request: TableRequest) -> list[str]:
    """Classes as `classes` has them, else as the sorted values."""
    if not request.classes:
        return labels
    lacking = [name for name in request.classes if name not in labels]
    if lacking:
        text = f"training rows of every class; {lacking[0]} has none"
        raise TooLittleError(
            ("dataset", "classes", lacking[0]), text, "check its select, or make the test part smaller"
        )
    return list(request.classes)


def _find_positive(name: str, labels: list[str], request: TableRequest) -> str:
    written = request.positive
    if written is None:
        plain = {("0", "1"): "1", ("-1", "1"): "1", ("false", "true"): "true"}
        positive = plain.get((labels[0], labels[1]))
        if positive is None:
            text = f"which of {labels[0]} and {labels[1]} in {name} is the positive class"
            raise TooLittleError(("dataset", "positive"), text, f"write positive: {labels[1]} or positive: {labels[0]}")
        return positive
    same = {make_label(written)}
    if not isinstance(written, str) and written in (0, 1):
        same |= {"true", "1"} if written else {"false", "0"}
    found = next((label for label in labels if label in same), None)
    if found is None:
        text = f"{labels[0]} or {labels[1]}, the classes of {name}"
        raise TooLittleError(("dataset", "positive"), text, f"write positive: {labels[1]} or positive: {labels[0]}")
    return found
