"""What a dataset has, from the first rows of the first file of each sample. For checks; reading is elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rapidml.dataset.problems import FileError
from rapidml.dataset.readers.builtin_sets import SETS, TARGET
from rapidml.dataset.readers.registry import open_source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapidml.dataset.files import Identity, SourceFile
    from rapidml.dataset.readers.source import Kind
    from rapidml.recipe.schema import Dataset

_WORDS: Mapping[Kind, str] = {
    "number": "numbers",
    "integer": "whole numbers",
    "boolean": "true or false",
    "text": "text",
    "date": "dates",
    "array": "arrays",
    "null": "nothing",
}


@dataclass(frozen=True)
class Header:
    """Columns of a dataset.

    Attributes:
        columns: Columns of the first sample, with their kind in the first rows, in file order. That later files have
            them too, those of ``dataset.test`` among them, is not seen here: ``preview.check_files``.
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
        FileError: A file cannot be read, or a column is text in one sample and numbers in another.
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
    files = list(firsts.values())
    columns: dict[str, Kind] = {}
    for name in samples[0]:
        having = [(file, sample[name]) for file, sample in zip(files, samples, strict=True) if name in sample]
        columns[name] = _common_kind(name, having)
    others = [sample for file, sample in zip(files, samples, strict=True) if file.role == "data"]
    for name in dict.fromkeys(name for sample in others for name in sample):
        left_out.setdefault(name, f"is not in {files[0].name}")
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


def _common_kind(name: str, having: list[tuple[SourceFile, Kind]]) -> Kind:
    first, common = having[0]
    for file, kind in having:
        wider = widen(common, kind)
        if wider is None:
            found = f"{_WORDS[common]} in {first.name} and {_WORDS[kind]} in {file.name}"
            text = f"one kind of column {name}; it holds {found}"
            raise FileError(file.sample, text, "write it in one way in all files, or mend the cells that differ")
        common = wider
    return common


def _builtin_header(name: str, dataset: Dataset) -> Header:
    known = SETS[name]
    columns = dict(known.kinds)
    is_own_target = dataset.target in (None, TARGET) and dataset.task is None
    task: str | None = known.task if is_own_target else None
    if task == "multiclass" and dataset.builtin is not None and dataset.builtin.options.get("n_class") == 2:
        task = "binary"
    return Header(columns, (columns,), task=task)
