"""What the training rows of a table look like: classes, weights, features, leaks. Test rows decide nothing here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from rapidml.dataset.descriptions import describe_class, describe_features
from rapidml.dataset.frame import Column, Frame, Task
from rapidml.dataset.leaks import Leak, find_leaks
from rapidml.dataset.targets import decide_task, encode_target
from rapidml.recipe.schema import FoldsBy, SplitColumn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.columns import TableRequest
    from rapidml.dataset.split import Parts
    from rapidml.dataset.table import Table
    from rapidml.recipe.schema import Dataset, Split

MOST_CATEGORIES = 100
"""Text with more different values in the training rows is a feature only if listed by its full name."""


@dataclass(frozen=True)
class Feature:
    """A feature of every fit.

    Attributes:
        name: Column name.
        key: Column key.
        kind: ``number``, ``categorical`` or ``array``.
        categories: Labels in the training rows, sorted; empty unless categorical.
        nulls: Number of training rows without a value.
        shape: Shape of each row's value; empty unless it is an array.
    """

    name: str
    key: str
    kind: Literal["number", "categorical", "array"]
    categories: tuple[str, ...] = ()
    nulls: int = 0
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class ClassCount:
    """Rows of a class.

    Attributes:
        label: The class.
        n_rows: Number of rows, test rows included; for display.
        n_training: Number of training rows.
        weight_sum: Sum of the physics weights of its training rows; their number if there are no weights.
    """

    label: str
    n_rows: int
    n_training: int
    weight_sum: float


@dataclass(frozen=True)
class Profile:
    """What the training rows look like; plain data for facts and plans.

    Attributes:
        task: What is learned.
        n_rows: Number of rows.
        n_training: Number of training rows.
        n_test: Number of test rows.
        n_folds: Number of folds; 0 with a validation part.
        features: The features, in order.
        classes: Rows of each class, the positive class first; empty for regression.
        left_out: Columns that are no features, with the reason.
        leaks: Features that give the answer away.
        is_weighted: Whether rows have physics weights.
        is_weight_constant: Whether all training rows weigh the same.
        weight_sum: Sum of the physics weights of the training rows.
        n_negative_weights: Number of training rows with a negative weight.
        negative_share: Absolute sum of the negative weights over that of all weights.
        n_dropped: Records that ``select`` dropped.
        n_null: Those of them dropped because a condition was null.
        divided_ids: Number of ids whose rows are in different parts.
        has_test_sample: Whether the test rows are those of ``dataset.test``.
    """

    task: Task
    n_rows: int
    n_training: int
    n_test: int
    n_folds: int
    features: tuple[Feature, ...]
    classes: tuple[ClassCount, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    leaks: tuple[Leak, ...] = ()
    is_weighted: bool = False
    is_weight_constant: bool = True
    weight_sum: float = 0.0
    n_negative_weights: int = 0
    negative_share: float = 0.0
    n_dropped: int = 0
    n_null: int = 0
    divided_ids: int = 0
    has_test_sample: bool = False

    def describe(self) -> str:
        """One line: ``569 rows x 30 features, 212 malignant, 357 benign, no weights``."""
        given = f" ({self.n_test:,} of them test)" if self.has_test_sample else ""
        pieces = [f"{self.n_rows:,} rows{given} x {describe_features([feature.shape for feature in self.features])}"]
        pieces += [f"{count.n_rows:,} {describe_class(count.label)}" for count in self.classes[:4]]
        if len(self.classes) > 4:
            pieces.append("1 more class" if len(self.classes) == 5 else f"{len(self.classes) - 4} more classes")
        return ", ".join([*pieces, "weighted" if self.is_weighted else "no weights"])

    def describe_left_out(self, most: int = 4) -> str:
        """One line: ``left out: Name (text with 891 different values), day (a date)``; empty if nothing is.

        Args:
            most: Number of columns to name.
        """
        if not self.left_out:
            return ""
        shown = ", ".join(
            f"{name or 'no name'} ({reason.removeprefix('is ')})" for name, reason in self.left_out[:most]
        )
        more = len(self.left_out) - most
        return f"left out: {shown}" + (f" and {more} more" if more > 0 else "")

    def to_json(self) -> dict[str, Any]:
        """Plain data that ``from_json`` takes."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Profile:
        """The profile that ``to_json`` wrote, or that came back from JSON; fields it does not know are ignored."""
        known = {name: value for name, value in content.items() if name in cls.__dataclass_fields__}
        features = [
            {**one, "categories": tuple(one["categories"]), "shape": tuple(one.get("shape", ()))}
            for one in known["features"]
        ]
        task = known["task"]
        known["task"] = Task(task["kind"], tuple(task["classes"]))
        known["features"] = tuple(Feature(**one) for one in features)
        known["classes"] = tuple(ClassCount(**one) for one in known["classes"])
        known["left_out"] = tuple((name, reason) for name, reason in known["left_out"])
        known["leaks"] = tuple(Leak.from_json(one) for one in known["leaks"])
        return cls(**known)


def assign_rows(table: Table, request: TableRequest, split: Split, seed: int, repetition: int = 0) -> Parts:
    """The part of every row of a table; folds keep the classes of the training rows in balance where rows are few.

    Args:
        table: The rows, with target and the columns that the split reads.
        request: What the table holds.
        split: The split, defaults resolved.
        seed: Seed of the split.
        repetition: Which drawing of the folds; 0 is the split itself.

    Raises:
        DatasetError: A part would be empty, or the target cannot be learned.
    """
    import numpy as np

    from rapidml.dataset.fitness import check_ids, check_target_text
    from rapidml.dataset.split import EXACT_BELOW, assign_parts

    check_ids(table, request)
    check_target_text(table, request)
    test_column = by = None
    if isinstance(split.test, SplitColumn):
        test_column = _plain_values(table.column(request.find(split.test.column).key))
    if isinstance(split.folds, FoldsBy):
        by = np.asarray(table.column(request.find(split.folds.by).key).values)
    given: dict[str, Any] = {
        "test_column": test_column,
        "by": by,
        "test_rows": table.test_rows,
        "repetition": repetition,
    }
    parts = assign_parts(table.ids, split, seed, **given)
    if by is not None or table.n_rows >= EXACT_BELOW:
        return parts
    training = parts.rows("train")
    target = table.column(request.target.key)
    if decide_task(target, training, request).kind == "regression":
        return parts
    codes = np.zeros(table.n_rows, np.int64)
    codes[training] = np.unique(np.asarray(target.values)[training], return_inverse=True)[1]
    return assign_parts(table.ids, split, seed, target_codes=codes, **given)


def make_profile(table: Table, request: TableRequest, dataset: Dataset, parts: Parts) -> Profile:
    """Look at the training rows of a table.

    Args:
        table: The rows, with every column of the request.
        request: What the table holds.
        dataset: The dataset section.
        parts: Which rows are training rows.

    Raises:
        DatasetError: The target cannot be learned, or no feature is left.
    """
    from rapidml.dataset.fitness import check_weight_sums

    rows = parts.rows("train")
    task = decide_task(table.column(request.target.key), rows, request)
    target = target_codes(table, request, task)
    weight = physics_weight(table, request)
    features, left_out = _find_features(table, request, rows)
    own = None if weight is None else weight[rows]
    classes = _count_classes(task, target, rows, own)
    check_weight_sums(classes, own)
    exempt = {name for name, is_listed in request.features if is_listed}
    if dataset.builtin is not None:
        exempt |= {name for name, _ in request.features} - {name for name, _ in request.derived}
    suspects = [feature for feature in features if feature.name not in exempt]
    leaks = find_leaks(_columns(table, suspects, rows), target[rows], own, task)
    return Profile(
        task=task,
        n_rows=table.n_rows,
        n_training=len(rows),
        n_test=table.n_rows - len(rows),
        n_folds=parts.n_folds,
        features=features,
        classes=classes,
        left_out=left_out,
        leaks=tuple(leaks),
        n_dropped=table.n_dropped,
        n_null=table.n_null,
        divided_ids=parts.divided_ids,
        has_test_sample=table.test_rows is not None,
        **_weigh(own),
    )


def target_codes(table: Table, request: TableRequest, profile: Profile | Task) -> NDArray[np.float64]:
    """Class index, or the value for regression, of all rows. Shape ``(n_rows,)``.

    Raises:
        DatasetError: A row has a class that no training row has.
    """
    task = profile.task if isinstance(profile, Profile) else profile
    return encode_target(table.column(request.target.key), task)


def physics_weight(table: Table, request: TableRequest) -> NDArray[np.float64] | None:
    """Weight of all rows that scores use. Shape ``(n_rows,)``; None if the dataset has none."""
    import numpy as np

    if request.weight is None:
        return None
    return np.asarray(table.column(request.weight.key).values, np.float64)


def make_frame(table: Table, features: Sequence[Feature], rows: NDArray[Any]) -> Frame:
    """Features of some rows, copied out of the map.

    Args:
        table: The rows.
        features: Which columns; categories that the training rows do not have become missing.
        rows: Row numbers or a mask.
    """
    return Frame(tuple(_columns(table, features, rows)))


def _columns(table: Table, features: Sequence[Feature], rows: NDArray[Any]) -> Iterator[Column]:
    import numpy as np

    for feature in features:
        stored = table.column(feature.key)
        values = stored.values[rows]
        if feature.kind == "categorical":
            assert stored.categories is not None
            place = {label: code for code, label in enumerate(feature.categories)}
            codes = np.array([place.get(label, -1) for label in stored.categories] + [-1], np.int32)
            yield Column(feature.name, codes[values], feature.categories)
        else:
            yield Column(feature.name, values.astype(np.uint8) if values.dtype.kind == "b" else values)


def _plain_values(column: Column) -> NDArray[Any]:
    """Values as Python would write them: text instead of codes, None where it is null."""
    import numpy as np

    if column.categories is None:
        return np.asarray(column.values)
    values: NDArray[Any] = np.array([*column.categories, None], object)[column.values]
    return values


def _find_features(
    table: Table, request: TableRequest, rows: NDArray[np.int64]
) -> tuple[tuple[Feature, ...], tuple[tuple[str, str], ...]]:
    from rapidml.dataset.fitness import check_infinite, check_strays, count_infinite
    from rapidml.dataset.problems import TooLittleError

    features: list[Feature] = []
    left_out = dict(request.left_out)
    strays = [
        (name, stray)
        for name, is_listed in request.features
        if not is_listed and (stray := table.stray(request.find(name).key)) is not None
    ]
    check_strays(strays)
    for name, is_listed in request.features:
        found = _look_at(table, request.find(name).key, name, rows, is_listed=is_listed)
        if isinstance(found, Feature):
            features.append(found)
        else:
            left_out[name] = found
    infinite = [(feature.name, count_infinite(table.column(feature.key))) for feature in features]
    check_infinite(infinite, table.n_rows)
    if not features:
        reasons = "; ".join(f"{name} {reason}" for name, reason in list(left_out.items())[:5])
        text = f"columns to learn from; none is left ({reasons or 'the files have no others'})"
        raise TooLittleError(("dataset", "features"), text, "name others in dataset.features")
    return tuple(features), tuple(left_out.items())


def _look_at(table: Table, key: str, name: str, rows: NDArray[np.int64], *, is_listed: bool) -> Feature | str:
    """A column as a feature, or why it is none."""
    import numpy as np

    reason = table.left_out(key)
    if reason is not None:
        return reason
    stored = table.column(key)
    values = stored.values[rows]
    if stored.categories is not None:
        return _look_at_text(key, name, values, stored.categories, is_listed=is_listed)
    if values.ndim > 1:
        return Feature(name, key, "array", shape=values.shape[1:])
    nulls = int(np.count_nonzero(np.isnan(values))) if values.dtype.kind == "f" else 0
    if nulls == len(values):
        return "is null in all training rows"
    if nulls == 0 and values.min() == values.max():
        return "is constant"
    return Feature(name, key, "number", nulls=nulls)


def _look_at_text(
    key: str, name: str, codes: NDArray[np.int32], labels: Sequence[str], *, is_listed: bool
) -> Feature | str:
    import numpy as np

    counts = np.bincount(codes + 1, minlength=len(labels) + 1)
    used = tuple(labels[code] for code in np.flatnonzero(counts[1:]).tolist())
    nulls = int(counts[0])
    if not used:
        return "is null in all training rows"
    if len(used) == 1 and nulls == 0:
        return "is constant"
    if len(used) > MOST_CATEGORIES and not is_listed:
        return f"is text with {len(used):,} different values"
    return Feature(name, key, "categorical", used, nulls)


def _count_classes(
    task: Task, target: NDArray[np.float64], rows: NDArray[np.int64], weight: NDArray[np.float64] | None
) -> tuple[ClassCount, ...]:
    import numpy as np

    if task.kind == "regression":
        return ()
    n_classes = len(task.classes)
    codes = target.astype(np.int64)
    total = np.bincount(codes, minlength=n_classes)
    training = np.bincount(codes[rows], minlength=n_classes)
    sums = training if weight is None else np.bincount(codes[rows], weight, n_classes)
    counts = [
        ClassCount(label, int(total[code]), int(training[code]), float(sums[code]))
        for code, label in enumerate(task.classes)
    ]
    return tuple(reversed(counts)) if task.kind == "binary" else tuple(counts)


def _weigh(weight: NDArray[np.float64] | None) -> dict[str, Any]:
    """The fields of a profile about weights."""
    import numpy as np

    if weight is None:
        return {}
    negative = weight[weight < 0]
    total = float(np.abs(weight).sum())
    return {
        "is_weighted": True,
        "is_weight_constant": bool(weight.min() == weight.max()),
        "weight_sum": float(weight.sum()),
        "n_negative_weights": len(negative),
        "negative_share": float(-negative.sum()) / total if total > 0 else 0.0,
    }
