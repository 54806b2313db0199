"""Data sets that need no file: the small ones of scikit-learn under the names it gives them, and generated events."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from rapidml.dataset.problems import FieldError
from rapidml.dataset.readers import toy_events
from rapidml.dataset.readers.array_files import ArraySource
from rapidml.recipe.suggest import suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.files import SourceFile
    from rapidml.dataset.readers.source import Kind

TARGET = toy_events.TARGET
"""Name of the target column of every builtin set."""
_NUCLEUS = (
    "radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave points", "symmetry",
    "fractal dimension",
)  # fmt: skip
_WINE = (
    "alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids",
    "nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue", "od280/od315_of_diluted_wines", "proline",
)  # fmt: skip


@dataclass(frozen=True)
class Option:
    """An option of a builtin set.

    Attributes:
        kind: Type of its values; a float may be written as a whole number.
        default: Its value where none is given; None is the default of scikit-learn's loader.
        low: Smallest value; of a float, a value that is too small.
        high: Largest value; of a float, a value that is too large.
    """

    kind: type
    default: Any = None
    low: float = 0
    high: float = 0

    def describe(self) -> str:
        """What it takes."""
        if self.kind is bool:
            return "true or false"
        if self.kind is float:
            return f"a number between {self.low:g} and {self.high:g}"
        return f"a whole number from {self.low:,} to {self.high:,}"

    def accepts(self, value: Any) -> bool:
        """Whether it takes a value."""
        if self.kind is float:
            return type(value) in (int, float) and self.low < value < self.high
        if self.kind is bool:
            return isinstance(value, bool)
        return type(value) is int and self.low <= value <= self.high


class SetPart(NamedTuple):
    """A part of a builtin set that is read apart: what to open, bytes of its columns, number of its first row."""

    url: str
    size: int
    first: int


@dataclass(frozen=True)
class BuiltinSet:
    """What is known of a builtin set without loading it.

    Attributes:
        about: What it is, and its number of rows, in a few words.
        task: Kind of its task.
        features: Names of its columns.
        files: Files below ``sklearn/datasets/data``.
        labels: Name of each target value; empty if the values name themselves.
        positive: Label that counts as positive in a binary task.
        options: Options by name.
        weight: Column with the weight of each row; None if there are no weights.
        spectators: Columns that are carried along and never trained on.
        integers: Columns of whole numbers, among the features.
    """

    about: str
    task: Literal["binary", "multiclass", "regression"]
    features: tuple[str, ...]
    files: tuple[str, ...]
    labels: tuple[str, ...] = ()
    positive: str | None = None
    options: Mapping[str, Option] = field(default_factory=dict)
    weight: str | None = None
    spectators: tuple[str, ...] = ()
    integers: tuple[str, ...] = ()

    @property
    def kinds(self) -> dict[str, Kind]:
        """What each column holds, in order."""
        target: Kind = "number" if self.task == "regression" else "text" if self.labels else "integer"
        own = () if self.weight is None else (self.weight,)
        numbers: dict[str, Kind] = dict.fromkeys((*self.features, *self.spectators, *own), "number")
        return {**numbers, **dict.fromkeys(self.integers, "integer"), TARGET: target}

    def list_changed(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options without those at a default of our own; scikit-learn's are kept as written."""
        return {
            name: value
            for name, value in options.items()
            if self.options[name].default is None or value != self.options[name].default
        }


SETS: dict[str, BuiltinSet] = {
    "breast_cancer": BuiltinSet(
        "is a breast tumour malignant? 569 rows",
        "binary",
        tuple([f"mean {n}" for n in _NUCLEUS] + [f"{n} error" for n in _NUCLEUS] + [f"worst {n}" for n in _NUCLEUS]),
        ("breast_cancer.csv",),
        ("malignant", "benign"),
        "malignant",
    ),
    "diabetes": BuiltinSet(
        "progress of diabetes after a year, 442 rows",
        "regression",
        ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"),
        ("diabetes_data_raw.csv.gz", "diabetes_target.csv.gz"),
        options={"scaled": Option(bool)},
    ),
    "digits": BuiltinSet(
        "handwritten digits as 8 x 8 pixels, 1,797 rows",
        "multiclass",
        tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8)),
        ("digits.csv.gz",),
        options={"n_class": Option(int, low=2, high=10)},
    ),
    "iris": BuiltinSet(
        "three kinds of iris, 150 rows",
        "multiclass",
        tuple(f"{part} {size} (cm)" for part in ("sepal", "petal") for size in ("length", "width")),
        ("iris.csv",),
        ("setosa", "versicolor", "virginica"),
    ),
    "wine": BuiltinSet(
        "wines of three growers, 178 rows", "multiclass", _WINE, ("wine_data.csv",), ("class_0", "class_1", "class_2")
    ),
    toy_events.TOY_EVENTS: BuiltinSet(
        "generated collisions with weights: a resonance over a falling background; any number of rows",
        "binary",
        toy_events.FEATURES,
        (),
        toy_events.LABELS,
        "signal",
        options={
            "rows": Option(int, 100_000, 1, 1_000_000_000),
            "signal_fraction": Option(float, 0.5, 0, 1),
            "seed": Option(int, 0, 0, 2**32 - 1),
        },
        weight=toy_events.WEIGHT,
        spectators=(toy_events.TRUE_MASS,),
        integers=("n_jets",),
    ),
}


def find_set(name: str, options: Mapping[str, Any]) -> BuiltinSet:
    """A builtin set by name.

    Raises:
        FieldError: There is no such set, or it has no such option.
    """
    if name not in SETS:
        raise FieldError(("dataset", "builtin"), f"one of {', '.join(SETS)}", "choose one of these")
    for error in list_option_errors(name, options):
        raise error
    return SETS[name]


def list_option_errors(name: str, options: Mapping[str, Any]) -> Iterator[FieldError]:
    """What is wrong with the options of a set, each at its place."""
    known = SETS[name].options
    for option, value in options.items():
        place = ("dataset", "builtin", name, option)
        if option not in known:
            close = suggest(option, known)
            text = f"options of the set: {', '.join(known) or 'none'}; there is no option '{option}'"
            yield FieldError(place, text, f"write '{close}'" if close else "remove it")
        elif not known[option].accepts(value):
            default = known[option].default
            text = f"{known[option].describe()} for {option}, not {value!r}"
            yield FieldError(place, text, "correct or remove it" if default is None else f"write for example {default}")


def list_parts(name: str, options: Mapping[str, Any]) -> Iterator[SetPart]:
    """The parts of a set: one, or stretches of generated rows."""
    if name != toy_events.TOY_EVENTS:
        yield SetPart(f"builtin:{name}?{json.dumps(options)}", 0, 0)
        return
    known = {option: about.default for option, about in SETS[name].options.items()} | dict(options)
    for first, n_rows in toy_events.list_stretches(known["rows"]):
        part = json.dumps({"first": first, "n": n_rows, "options": known})
        yield SetPart(f"builtin:{name}?{part}", 4 * n_rows * len(toy_events.KINDS), first)


def hash_set(name: str) -> str:
    """Hash of the files that scikit-learn bundles for a set, or of the format of generated rows; imports nothing.

    Raises:
        FieldError: scikit-learn is not installed.
    """
    if name == toy_events.TOY_EVENTS:
        return hashlib.sha256(f"{name} {toy_events.FORMAT}".encode()).hexdigest()
    folder = _folder()
    total = hashlib.sha256()
    for file in SETS[name].files:
        content = (folder / file).read_bytes()
        total.update(f"{file} {len(content)}\0".encode() + content)
    return total.hexdigest()


def _folder() -> Path:
    """Folder of the files that scikit-learn bundles, found without importing it."""
    from importlib.util import find_spec

    spec = find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        text = "scikit-learn, which brings the builtin sets, to be installed"
        raise FieldError(("dataset", "builtin"), text, "pip install scikit-learn")
    return Path(spec.submodule_search_locations[0]) / "datasets" / "data"


class BuiltinReader:
    """Opens builtin sets; the options are part of the URL: ``builtin:digits?{"n_class": 3}``."""

    def open(self, file: SourceFile, columns: Collection[str] | None, limit: int | None) -> ArraySource:
        """Load a set; see ``Reader.open``."""
        name, _, options = file.url.removeprefix("builtin:").partition("?")
        known = SETS[name]
        data, target = _load(name, json.loads(options or "{}"))
        arrays: dict[str, Any] = {
            column: data[:, number]
            for number, column in enumerate(known.features)
            if columns is None or column in columns
        }
        if columns is None or TARGET in columns:
            arrays[TARGET] = target
        return ArraySource(file, arrays, limit, (*known.features, TARGET))


def _load(name: str, options: Mapping[str, Any]) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Features and target as scikit-learn's loaders give them, read from its files: importing it takes over a second.

    Args:
        name: Name of the set.
        options: Options of scikit-learn's loader.

    Returns:
        Features of shape ``(n_rows, n_features)``, and labels or values of shape ``(n_rows,)``.
    """
    import numpy as np

    known = SETS[name]
    paths = [_folder() / file for file in known.files]
    if name == "diabetes":
        data, values = (np.loadtxt(path) for path in paths)
        return (_scale(data) if options.get("scaled", True) else data), values
    table = np.loadtxt(paths[0], delimiter=",", skiprows=0 if name == "digits" else 1)
    target = table[:, -1].astype(np.int64)
    chosen = target < options.get("n_class", 10)
    labels = np.array(known.labels)[target] if known.labels else target
    return table[chosen, :-1], labels[chosen]


def _scale(data: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns of mean 0 and squared sum 1, as ``load_diabetes(scaled=True)`` has them."""
    import numpy as np

    centred = data - data.mean(axis=0)
    scaled: NDArray[np.float64] = centred / (data.std(axis=0) * np.sqrt(len(data)))
    return scaled
