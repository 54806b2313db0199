"""What is to be read of a dataset: the row set and its columns, each with a key made from what can change it.

Rows are decided by the dataset's identity, trees, select, id, classes and samples; a column by the identity and its
name or expression, and the numbers that stand for a missing value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from rapidml.dataset.expression import parse_expression
from rapidml.dataset.files import list_samples
from rapidml.dataset.matching import CLASS, find_target, find_weight, list_weights, match_columns
from rapidml.keys import make_key
from rapidml.recipe.schema import FoldsBy, SplitColumn

if TYPE_CHECKING:
    from collections.abc import Collection

    from rapidml.dataset.files import Identity
    from rapidml.dataset.header import Header
    from rapidml.recipe.schema import Dataset, Split

ROWS_FORMAT = 1
COLUMN_FORMAT = 1
Role = Literal["target", "class", "weight", "column", "by"]


@dataclass(frozen=True)
class ColumnRequest:
    """A column to be stored.

    Attributes:
        key: Its key; with the rows' key it names the stored values.
        name: Its name; for ``by`` the expression as written.
        role: ``class`` if the sample tells the target, ``target`` if a column does, ``column`` for features,
            spectators and the column of ``split.test``.
        keep_text: Whether text is stored however many different values it has.
    """

    key: str
    name: str
    role: Role
    keep_text: bool = False


@dataclass(frozen=True)
class SampleRequest:
    """What is particular to a sample.

    Attributes:
        class_name: Class of its rows; None if a column tells.
        select: Its own condition.
        weight: Its own factor of the weight, a number or an expression.
    """

    class_name: str | None = None
    select: str | None = None
    weight: str | float | None = None


@dataclass(frozen=True)
class TableRequest:
    """A row set and columns of it. Plain data: it goes to workers.

    Attributes:
        rows_key: Key of the row set.
        columns: Columns to be stored, none twice.
        samples: What is particular to each sample, by its position.
        derived: Name and expression of the derived columns, in the order written.
        missing: Numbers that are read as missing.
        select: Condition on all rows.
        id: Columns of the row id; empty if file and record number make it.
        weight_factor: Weight of all rows, a number or an expression; its sample's own factor multiplies it.
        features: Columns that can be features, and whether the recipe lists each by its full name.
        spectators: Names of columns that are carried along.
        left_out: Columns that are no features, with the reason.
        task: Kind of task as far as it is said: by ``dataset.task``, by `classes` or by a builtin set.
        positive: The positive label, as written or as `classes` or a builtin set have it.
        classes: Classes in the order written; empty if a column tells.
    """

    rows_key: str
    columns: tuple[ColumnRequest, ...]
    samples: tuple[SampleRequest, ...] = (SampleRequest(),)
    derived: tuple[tuple[str, str], ...] = ()
    missing: tuple[float, ...] = ()
    select: str | None = None
    id: tuple[str, ...] = ()
    weight_factor: str | float | None = None
    features: tuple[tuple[str, bool], ...] = ()
    spectators: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    task: Literal["classification", "regression"] | None = None
    positive: str | float | bool | None = None
    classes: tuple[str, ...] = ()

    @property
    def target(self) -> ColumnRequest:
        """The column that holds the target."""
        return next(column for column in self.columns if column.role in ("target", "class"))

    @property
    def weight(self) -> ColumnRequest | None:
        """The column that holds the physics weight; None if all rows weigh the same."""
        return next((column for column in self.columns if column.role == "weight"), None)

    def find(self, name: str) -> ColumnRequest:
        """A feature, spectator or column of the split by its name (folds by an expression: its text).

        Raises:
            KeyError: It is not requested.
        """
        for column in self.columns:
            if column.name == name and column.role in ("column", "by"):
                return column
        raise KeyError(name)

    def narrow(self, keys: Collection[str]) -> TableRequest:
        """The same rows with only these columns."""
        return replace(self, columns=tuple(column for column in self.columns if column.key in keys))


def request_columns(dataset: Dataset, header: Header, identity: Identity, split: Split | None = None) -> TableRequest:
    """Everything that a recipe needs of its dataset.

    Args:
        dataset: The dataset section, without known mistakes.
        header: Its columns.
        identity: Its files.
        split: The split, if it may read columns.

    Returns:
        The request, with all keys.
    """
    matches = match_columns(dataset, header, split)
    keys = _Keys(dataset, identity)
    samples = tuple(
        SampleRequest(sample.class_name, sample.sample.select, sample.sample.weight) for sample in list_samples(dataset)
    ) or (SampleRequest(),)
    positive, classes = _positive(dataset, header), tuple(dataset.classes or ())
    if positive is None and classes:
        positive = classes[0]
    listed = {name for name, is_listed in matches.features if is_listed}
    names = dict.fromkeys([*(name for name, _ in matches.features), *matches.spectators])
    if split is not None and isinstance(split.test, SplitColumn):
        names[split.test.column] = None
    plain = [
        ColumnRequest(keys.column(name), name, "column", name in listed or name in matches.spectators) for name in names
    ]
    if split is not None and isinstance(split.folds, FoldsBy):
        plain.append(ColumnRequest(keys.expression(split.folds.by), split.folds.by, "by"))
    return TableRequest(
        rows_key=keys.rows(samples, positive),
        columns=(*_target_and_weight(dataset, keys, samples), *plain),
        samples=samples,
        derived=tuple(dataset.columns.items()),
        missing=keys.missing,
        select=dataset.select,
        id=tuple(dataset.id or ()),
        weight_factor=find_weight(dataset),
        features=matches.features,
        spectators=matches.spectators,
        left_out=matches.left_out,
        task=_task(dataset, header),
        positive=positive,
        classes=classes,
    )


def _target_and_weight(dataset: Dataset, keys: _Keys, samples: tuple[SampleRequest, ...]) -> list[ColumnRequest]:
    target = find_target(dataset)
    assert target is not None
    if dataset.classes is not None:
        found = [ColumnRequest(keys.special({"class": list(dataset.classes)}), CLASS, "class")]
    else:
        found = [ColumnRequest(keys.target(target), target, "target", keep_text=True)]
    if list_weights(dataset):
        found.append(ColumnRequest(keys.weight(samples), "weight", "weight"))
    return found


def _task(dataset: Dataset, header: Header) -> Literal["classification", "regression"] | None:
    if dataset.task is not None:
        return dataset.task
    if header.task is not None:
        return "regression" if header.task == "regression" else "classification"
    return "classification" if dataset.classes is not None else None


def _positive(dataset: Dataset, header: Header) -> str | float | bool | None:
    from rapidml.dataset.readers.builtin_sets import SETS

    if dataset.positive is None and dataset.builtin is not None and header.task is not None:
        return SETS[dataset.builtin.name].positive
    return dataset.positive


class _Keys:
    """Keys of the rows and columns of one dataset.

    Args:
        dataset: The dataset section.
        identity: Its files.
    """

    def __init__(self, dataset: Dataset, identity: Identity) -> None:
        self.dataset = dataset
        self.identity = make_key(identity.to_json())
        self.trees = [[file.sample, file.tree] for file in identity.files if file.tree is not None]
        self.missing = tuple(sorted({float(number) for number in dataset.missing}))
        self._derived: dict[str, str] = {}
        for name, text in dataset.columns.items():
            self._derived[name] = self.expression(text)

    def column(self, name: str) -> str:
        """Key of a derived column, or of a file column with missing values taken out."""
        return self._derived[name] if name in self._derived else self._file(name, self.missing)

    def target(self, name: str) -> str:
        """Key of the target; the numbers that mean missing elsewhere are values here."""
        return self._derived[name] if name in self._derived else self._file(name, ())

    def expression(self, text: str) -> str:
        """Key of an expression over columns."""
        return self.special(self._reads(text))

    def weight(self, samples: tuple[SampleRequest, ...]) -> str:
        """Key of the physics weight."""
        factors = [find_weight(self.dataset), *(sample.weight for sample in samples)]
        return self.special({"weight": [self._factor(factor) for factor in factors]})

    def rows(self, samples: tuple[SampleRequest, ...], positive: str | float | bool | None) -> str:
        """Key of the row set."""
        content: dict[str, Any] = {"step": "rows", "format": ROWS_FORMAT, "identity": self.identity}
        content["samples"] = [[s.class_name, self._optional(s.select)] for s in samples]
        if self.trees:
            content["trees"] = self.trees
        if self.dataset.select is not None:
            content["select"] = self._reads(self.dataset.select)
        if self.dataset.id is not None:
            content["id"] = [[name, self.target(name)] for name in self.dataset.id]
        if positive is not None:
            content["positive"] = positive
        return make_key(content)

    def special(self, content: dict[str, Any]) -> str:
        """Key of a column that is made, not read."""
        return make_key({"step": "column", "format": COLUMN_FORMAT, "identity": self.identity, **content})

    def _file(self, name: str, missing: tuple[float, ...]) -> str:
        return self.special({"name": name, "missing": list(missing)} if missing else {"name": name})

    def _reads(self, text: str) -> dict[str, Any]:
        expression = parse_expression(text)
        return {"expression": expression.canonical, "reads": {name: self.column(name) for name in expression.names}}

    def _optional(self, text: str | None) -> dict[str, Any] | None:
        return None if text is None else self._reads(text)

    def _factor(self, factor: str | float | None) -> Any:
        if not isinstance(factor, str):
            return None if factor is None else float(factor)
        expression = parse_expression(factor)
        return {"expression": expression.canonical, "reads": {name: self.target(name) for name in expression.names}}
