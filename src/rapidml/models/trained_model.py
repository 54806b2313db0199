"""A fitted model that takes columns by name: matching rows to it, predicting, storing. Training is in ``fitting``."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rapidml.errors import ModelError
from rapidml.models.registry import find_adapter
from rapidml.models.spec import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.frame import Column, Frame, Task
    from rapidml.dataset.preparation import Preparation
    from rapidml.models.adapter import Adapter, Fitted

ABOUT = "model.json"
FORMAT = 1
"""Format of a stored model's ``model.json``; a reader refuses a newer one."""


@dataclass(frozen=True)
class Feature:
    """What a model expects of one column.

    Attributes:
        name: Column name.
        categories: Labels seen in training, in code order; None for numbers.
        shape: Shape of one row's value: empty but for array features.
    """

    name: str
    categories: tuple[str, ...] | None
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class TrainedModel:
    """A fitted model that takes columns by name.

    Attributes:
        spec: What was fitted.
        task: What was learned.
        features: Columns it reads, in order.
        preparation: Fitted preparation; None if there are no steps.
        fitted: The library's model.
        versions: Versions of the libraries that made it.
    """

    spec: ModelSpec
    task: Task
    features: tuple[Feature, ...]
    preparation: Preparation | None = field(repr=False)
    fitted: Fitted = field(repr=False)
    versions: Mapping[str, str]

    @property
    def rounds(self) -> int | None:
        """Rounds in the model; None for models without."""
        return self.fitted.rounds

    @property
    def best_round(self) -> int | None:
        """Round with the lowest watched loss; None if nothing was watched."""
        return self.fitted.best_round

    @property
    def history(self) -> dict[str, list[float]]:
        """Losses by name, each as long as ``round``."""
        return self.fitted.history

    @property
    def report(self) -> Mapping[str, Any] | None:
        """What is told of a training with replicas; None for others and for stored models."""
        found: Mapping[str, Any] | None = getattr(self.fitted, "report", None)
        return found

    def predict(self, frame: Frame, *, threads: int = 1) -> NDArray[np.float32]:
        """Predictions for rows whose columns may stand in any order, beside others.

        Args:
            frame: Columns by name; categories are matched by label, unknown ones count as missing.
            threads: Threads to use; changes no result.

        Returns:
            Chance of class 1 (shape ``(n_rows,)``), of every class (``(n_rows, n_classes)``), or the value.

        Raises:
            ModelError: A column is absent or of another kind, or holds what the model cannot take.
        """
        import numpy as np

        shape = (0, len(self.task.classes)) if self.task.kind == "multiclass" else (0,)
        if frame.n_rows == 0:
            return np.zeros(shape, dtype=np.float32)
        prepared = apply_preparation(align(frame, self.features), self.preparation)
        require_values(prepared, find_adapter(self.spec.type))
        return np.asarray(self.fitted.predict(prepared, threads=threads), dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Write the adapter's files and ``model.json`` into an existing folder; the same model gives the same bytes.

        Args:
            folder: An empty folder.
        """
        self.fitted.save(folder)
        self._describe(folder)

    def export(self, folder: Path) -> None:
        """Write the model in the form of its own library, and ``model.json``: columns, categories, preparation.

        Args:
            folder: An empty folder.
        """
        getattr(self.fitted, "export", self.fitted.save)(folder)  # networks are stored as arrays, not as Keras' archive
        self._describe(folder)

    def _describe(self, folder: Path) -> None:
        content = {
            "format": FORMAT,
            "spec": self.spec.to_json(),
            "task": {"kind": self.task.kind, "classes": list(self.task.classes)},
            "features": [{"name": f.name, "categories": f.categories, "shape": f.shape} for f in self.features],
            "preparation": None if self.preparation is None else self.preparation.to_json(),
            "versions": dict(self.versions),
            "files": {path.name: _digest(path) for path in sorted(folder.iterdir()) if path.name != ABOUT},
        }
        (folder / ABOUT).write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")


def load_model(folder: Path) -> TrainedModel:
    """The model that ``TrainedModel.save`` wrote.

    Raises:
        ModelError: The files are absent or damaged, of a newer format, or name an unknown type.
    """
    from rapidml.dataset.frame import Task

    try:
        content = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        if content["format"] > FORMAT:
            raise ModelError(
                f"{folder} holds a model of format {content['format']}; this rapidml reads {FORMAT}: upgrade it"
            )
        spec = ModelSpec.from_json(content["spec"])
        task = Task(content["task"]["kind"], tuple(content["task"]["classes"]))
        features = tuple(map(_read_feature, content["features"]))
        preparation = _read_preparation(content["preparation"])
        damaged = [name for name, digest in content["files"].items() if _digest(folder / name) != digest]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder} does not hold a whole model: {error}") from error
    if damaged:  # libraries may crash on such files instead of refusing them
        raise ModelError(f"{folder / damaged[0]} is not the file that was stored with the model")
    fitted = find_adapter(spec.type).load(folder, task)
    return TrainedModel(spec, task, features, preparation, fitted, content["versions"])


def align(frame: Frame, features: tuple[Feature, ...]) -> Frame:
    """The columns that a model reads, in its order, with its own category codes.

    Raises:
        ModelError: A column is absent, or of another kind or shape.
    """
    from rapidml.dataset.frame import Frame

    columns = {column.name: column for column in frame.columns}
    absent = [feature.name for feature in features if feature.name not in columns]
    if absent:
        raise ModelError(f"the rows have no column {', '.join(map(repr, absent))}, which the model was trained on")
    return Frame(tuple(_align_column(columns[feature.name], feature) for feature in features))


def _align_column(column: Column, feature: Feature) -> Column:
    if (column.categories is None) != (feature.categories is None):
        kinds = ("categories", "numbers") if feature.categories is not None else ("numbers", "categories")
        raise ModelError(f"column '{column.name}' held {kinds[0]} in training and now holds {kinds[1]}")
    if column.values.shape[1:] != feature.shape:
        raise ModelError(
            f"column '{column.name}' had shape {feature.shape} a row and now has {column.values.shape[1:]}"
        )
    if column.categories is None or feature.categories is None or column.categories == feature.categories:
        return column
    import numpy as np

    from rapidml.dataset.frame import Column

    codes = {label: code for code, label in enumerate(feature.categories)}
    table = np.array([*(codes.get(label, -1) for label in column.categories), -1], dtype=np.int32)
    return Column(column.name, table[column.values], feature.categories)


def make_feature(column: Column) -> Feature:
    """What a model will expect of a column: of a categorical one, the labels that these rows have."""
    import numpy as np

    if column.categories is None:
        return Feature(column.name, None, column.values.shape[1:])
    used = np.unique(column.values)
    return Feature(column.name, tuple(column.categories[code] for code in used if code >= 0))


def apply_preparation(frame: Frame, preparation: Preparation | None) -> Frame:
    """Prepared rows; the same ones without preparation."""
    return frame if preparation is None else preparation.apply(frame)


def require_values(frame: Frame, adapter: Adapter) -> None:
    """Stop at numbers that the adapter's library cannot take, before it says so in its own words."""
    import numpy as np

    for column in frame.columns:
        if column.categories is not None:
            continue
        values = column.values
        if not adapter.takes_negative_features and values.size and np.nanmin(values) < 0:
            raise ModelError(f"column '{column.name}' holds negative values, which {adapter.name} cannot take")
        if values.dtype.kind != "f" or np.isfinite(values).all():
            continue
        if np.isinf(values).any():
            raise ModelError(f"column '{column.name}' holds infinite values; leave such rows out with dataset.select")
        if not adapter.takes_missing:
            raise ModelError(missing_text(adapter.name, column.name, int(np.isnan(values).sum())))


def missing_text(type_name: str, column: str, nulls: int) -> str:
    """Why missing values stop a model, and what to write."""
    return (
        f"column '{column}' has {nulls:,} missing values, which {type_name} cannot take; "
        "add 'prepare: [impute: median]' to the model"
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_feature(tree: Mapping[str, Any]) -> Feature:
    categories = tree["categories"]
    return Feature(tree["name"], None if categories is None else tuple(categories), tuple(tree["shape"]))


def _read_preparation(tree: Any) -> Preparation | None:
    if tree is None:
        return None
    from rapidml.dataset.preparation import Preparation

    return Preparation.from_json(tree)
