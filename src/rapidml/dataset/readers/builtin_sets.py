"""The small data sets that come with scikit-learn, under the names it gives them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rapidml.dataset.problems import FieldError
from rapidml.dataset.readers.array_files import ArraySource

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.files import SourceFile

TARGET = "target"
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
class BuiltinSet:
    """What is known of a builtin set without loading it.

    Attributes:
        task: Kind of its task.
        features: Names of its columns.
        files: Files below ``sklearn/datasets/data``.
        labels: Name of each target value; empty if the values name themselves.
        positive: Label that counts as positive in a binary task.
        options: Names of the options that its loader takes, with the type of each.
    """

    task: Literal["binary", "multiclass", "regression"]
    features: tuple[str, ...]
    files: tuple[str, ...]
    labels: tuple[str, ...] = ()
    positive: str | None = None
    options: Mapping[str, type] = field(default_factory=dict)


SETS: dict[str, BuiltinSet] = {
    "breast_cancer": BuiltinSet(
        "binary",
        tuple([f"mean {n}" for n in _NUCLEUS] + [f"{n} error" for n in _NUCLEUS] + [f"worst {n}" for n in _NUCLEUS]),
        ("breast_cancer.csv",),
        ("malignant", "benign"),
        "malignant",
    ),
    "diabetes": BuiltinSet(
        "regression",
        ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"),
        ("diabetes_data_raw.csv.gz", "diabetes_target.csv.gz"),
        options={"scaled": bool},
    ),
    "digits": BuiltinSet(
        "multiclass",
        tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8)),
        ("digits.csv.gz",),
        options={"n_class": int},
    ),
    "iris": BuiltinSet(
        "multiclass",
        tuple(f"{part} {size} (cm)" for part in ("sepal", "petal") for size in ("length", "width")),
        ("iris.csv",),
        ("setosa", "versicolor", "virginica"),
    ),
    "wine": BuiltinSet("multiclass", _WINE, ("wine_data.csv",), ("class_0", "class_1", "class_2")),
}


def find_set(name: str, options: Mapping[str, Any]) -> BuiltinSet:
    """A builtin set by name.

    Raises:
        FieldError: There is no such set, or it has no such option.
    """
    if name not in SETS:
        raise FieldError(("dataset", "builtin"), f"one of {', '.join(SETS)}", "choose one of these")
    for option, value in options.items():
        expected = SETS[name].options.get(option)
        if expected is None:
            known = ", ".join(SETS[name].options) or "none"
            text = f"options of the set: {known}; there is no option '{option}'"
            raise FieldError(("dataset", "builtin", name), text, "correct or remove the option")
        is_right = 2 <= value <= 10 if isinstance(value, int) and expected is int else isinstance(value, bool)
        if type(value) is not expected or not is_right:
            wanted = "a whole number from 2 to 10" if expected is int else "true or false"
            text = f"{wanted} for {option}, not {value!r}"
            raise FieldError(("dataset", "builtin", name), text, "correct or remove the option")
    return SETS[name]


def hash_set(name: str) -> str:
    """Hash of the files that scikit-learn bundles for a set; does not import scikit-learn.

    Raises:
        FieldError: scikit-learn is not installed.
    """
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
        import json

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
