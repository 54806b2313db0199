"""What a dataset has, from the first rows of the first file of each sample. For checks; reading is elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rapidml.dataset.readers.builtin_sets import SETS, TARGET
from rapidml.dataset.readers.registry import open_source
from rapidml.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapidml.dataset.files import Identity, SourceFile
    from rapidml.dataset.readers.source import Kind
    from rapidml.recipe.schema import Dataset


@dataclass(frozen=True)
class Header:
    """Columns of a dataset.

    Attributes:
        columns: Columns that every sample has, with their kind in the first rows, in file order.
        samples: Columns of each sample, by its position.
        left_out: Columns that cannot be used, with the reason.
        task: Kind of task where it is known without the values: builtin sets.
    """

    columns: Mapping[str, Kind]
    samples: tuple[Mapping[str, Kind], ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    task: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data that ``from_json`` takes."""
        return {
            "columns": dict(self.columns),
            "samples": [dict(sample) for sample in self.samples],
            "left_out": dict(self.left_out),
            "task": self.task,
        }

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Header:
        """The header that ``to_json`` wrote."""
        return cls(tree["columns"], tuple(tree["samples"]), tree["left_out"], tree["task"])


def read_header(dataset: Dataset, identity: Identity, n_rows: int = 20_000) -> Header:
    """Look at the first rows of the first file of each sample.

    Args:
        dataset: The dataset section.
        identity: Its files.
        n_rows: Number of rows that kinds are inferred from, where the format does not state them.

    Returns:
        The columns. Kinds may widen later: whole numbers to numbers, anything to text.

    Raises:
        DatasetError: A file cannot be read, or a column is text in one sample and numbers in another.
    """
    if identity.builtin is not None:
        return _builtin_header(identity.builtin[0], dataset)
    firsts: dict[int, SourceFile] = {}
    for file in identity.files:
        firsts.setdefault(file.sample, file)
    samples: list[dict[str, Kind]] = []
    left_out: dict[str, str] = {}
    for _, file in sorted(firsts.items()):
        source = open_source(file, limit=n_rows)
        left_out.update(source.left_out)
        samples.append(dict(source.kinds))
    columns: dict[str, Kind] = {}
    for name in dict.fromkeys(name for sample in samples for name in sample):
        lacking = [file.name for number, file in sorted(firsts.items()) if name not in samples[number]]
        if lacking:
            left_out.setdefault(name, f"is not in {lacking[0]}")
        else:
            columns[name] = _common_kind(name, [sample[name] for sample in samples], list(firsts.values()))
    left_out = {name: reason for name, reason in left_out.items() if name not in columns}
    return Header(columns, tuple(samples), left_out)


def widen(first: Kind, second: Kind) -> Kind | None:
    """The kind that holds the values of both; None if there is none."""
    order: tuple[Kind, ...] = ("null", "boolean", "integer", "number")
    if first in order and second in order:
        return max(first, second, key=order.index)
    if "null" in (first, second):
        return first if second == "null" else second
    return first if first == second else None


def _common_kind(name: str, kinds: list[Kind], files: list[SourceFile]) -> Kind:
    common = kinds[0]
    for number, kind in enumerate(kinds):
        wider = widen(common, kind)
        if wider is None:
            raise DatasetError(
                f"column {name} holds {common} in {files[0].name} and {kind} in {files[number].name}; "
                "expected one kind in all files"
            )
        common = wider
    return common


def _builtin_header(name: str, dataset: Dataset) -> Header:
    known = SETS[name]
    columns: dict[str, Kind] = dict.fromkeys(known.features, "number")
    if known.task == "regression":
        columns[TARGET] = "number"
    else:
        columns[TARGET] = "text" if known.labels else "integer"
    is_own_target = dataset.target in (None, TARGET) and dataset.task is None
    task: str | None = known.task if is_own_target else None
    if task == "multiclass" and dataset.builtin is not None and dataset.builtin.options.get("n_class") == 2:
        task = "binary"
    return Header(columns, (columns,), task=task)
