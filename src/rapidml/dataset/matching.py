"""Which columns are features and spectators: full names and globs of the recipe against the columns there are."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from rapidml.dataset.expression import parse_expression
from rapidml.dataset.files import list_samples
from rapidml.dataset.readers.builtin_sets import SETS, TARGET
from rapidml.recipe.schema import ArrayFiles, Exclude, SplitColumn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rapidml.dataset.header import Header
    from rapidml.recipe.schema import Dataset, Split

CLASS = "class"
"""Name of the target where `classes` says what each sample is."""


@dataclass(frozen=True)
class Matches:
    """What the columns of a dataset are for.

    Attributes:
        features: Columns that can be features, in feature order, and whether the recipe lists each by its full name.
        spectators: Columns that are carried along.
        left_out: Columns that a glob or the default would take, and why they are not taken.
    """

    features: tuple[tuple[str, bool], ...]
    spectators: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]


def find_target(dataset: Dataset) -> str | None:
    """Name of the target: as written, or what builtin sets, pairs of array files and `classes` call it."""
    if dataset.target is not None:
        return dataset.target
    if dataset.builtin is not None or isinstance(dataset.path, ArrayFiles):
        return TARGET
    if dataset.arrays is not None:
        return str(dataset.arrays.get("target", TARGET))
    return CLASS if dataset.classes is not None else None


def find_weight(dataset: Dataset) -> str | float | None:
    """Weight of all rows: as written, or the one that a builtin set brings; ``weight: 1`` is none."""
    if dataset.weight is None and dataset.builtin is not None:
        return SETS[dataset.builtin.name].weight
    return dataset.weight


def list_weights(dataset: Dataset) -> tuple[str | float | int, ...]:
    """Every weight of the dataset section: of the dataset, and of its samples."""
    samples = [sample.sample for sample in list_samples(dataset)]
    written = [find_weight(dataset), *(sample.weight for sample in samples)]
    return tuple(weight for weight in written if weight is not None)


def weight_names(dataset: Dataset) -> tuple[str, ...]:
    """Columns that the weights read."""
    texts = [weight for weight in list_weights(dataset) if isinstance(weight, str)]
    return tuple(dict.fromkeys(name for text in texts for name in parse_expression(text).names))


def is_glob(pattern: str, names: Iterable[str]) -> bool:
    """Whether a pattern is a glob; a column of exactly that name makes it a full name."""
    return any(sign in pattern for sign in "*?[") and pattern not in names


def match_names(pattern: str, names: Sequence[str]) -> list[str]:
    """The names that a full name or glob means, in the order of ``names``; upper and lower case differ."""
    if not is_glob(pattern, names):
        return [pattern] if pattern in names else []
    return [name for name in names if fnmatchcase(name, pattern)]


def match_columns(dataset: Dataset, header: Header, split: Split | None) -> Matches:
    """Features, spectators and what is left out, as far as names and kinds tell."""
    known = [*header.columns, *dataset.columns]
    spectators = dict.fromkeys(name for pattern in _spectators(dataset) for name in match_names(pattern, known))
    reserved = _reserved(dataset, split)
    features: dict[str, bool] = {}
    left_out: dict[str, str] = {}
    for name, is_listed in _wanted(dataset, [*known, *header.left_out]):
        reason = _reason_against(name, header, reserved, is_listed=is_listed)
        if name in spectators:
            continue
        if reason is None:
            features[name] = features.get(name, False) or is_listed
        elif reason:
            left_out[name] = reason
    carried = tuple(name for name in spectators if header.columns.get(name) != "date")
    left_out.update({name: "is a date" for name in spectators if header.columns.get(name) == "date"})
    left_out = {name: reason for name, reason in left_out.items() if name not in features}
    return Matches(tuple(features.items()), carried, tuple(left_out.items()))


def _spectators(dataset: Dataset) -> tuple[str, ...]:
    """Names and globs as written, and what a builtin set carries along unless it is listed as a feature."""
    if dataset.builtin is None:
        return dataset.spectators
    listed = dataset.features if isinstance(dataset.features, tuple) else ()
    return (*dataset.spectators, *(name for name in SETS[dataset.builtin.name].spectators if name not in listed))


def _reserved(dataset: Dataset, split: Split | None) -> dict[str, str]:
    """Columns that are features only if listed by their full name, and why; no reason where it is plain to see."""
    reserved = dict.fromkeys(dataset.id or (), "")
    names = weight_names(dataset)
    reserved.update(dict.fromkeys(names, "" if len(names) == 1 else "the weight reads it"))
    if split is not None and isinstance(split.test, SplitColumn):
        reserved[split.test.column] = "split.test reads it"
    own = SETS[dataset.builtin.name].weight if dataset.builtin is not None else None
    if own is not None:
        reserved.setdefault(own, "is the weight of the set")
    target = find_target(dataset)
    if target is not None and dataset.classes is None:
        reserved[target] = ""
    return reserved


def _reason_against(name: str, header: Header, reserved: dict[str, str], *, is_listed: bool) -> str | None:
    """Why a column is no feature: None if it is one, empty if nothing needs to be said."""
    if name in reserved and not is_listed:
        return reserved[name]
    if name in header.left_out and name not in header.columns:
        return header.left_out[name]
    return "is a date" if header.columns.get(name) == "date" else None


def _wanted(dataset: Dataset, names: Sequence[str]) -> list[tuple[str, bool]]:
    if dataset.features is None or isinstance(dataset.features, Exclude):
        excluded = dataset.features.exclude if dataset.features is not None else ()
        gone = {name for pattern in excluded for name in match_names(pattern, names)}
        return [(name, False) for name in names if name not in gone]
    return [(name, not is_glob(pattern, names)) for pattern in dataset.features for name in match_names(pattern, names)]
