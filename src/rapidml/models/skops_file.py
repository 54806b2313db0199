"""scikit-learn models as skops files: a fixed list of trusted types, and the same bytes for the same model.

skops writes a zip of arrays and a schema. Its own files differ from one save to the next (object addresses as names,
the time of day), so they are rewritten here: objects numbered in the order of their first mention, times fixed.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

from rapidml.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

TRUSTED = (
    "sklearn._loss.loss.HalfTweedieLoss",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.metrics._dist_metrics.BrayCurtisDistance64",
    "sklearn.metrics._dist_metrics.CanberraDistance64",
    "sklearn.metrics._dist_metrics.ChebyshevDistance64",
    "sklearn.metrics._dist_metrics.DiceDistance64",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.HammingDistance64",
    "sklearn.metrics._dist_metrics.JaccardDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.metrics._dist_metrics.RogersTanimotoDistance64",
    "sklearn.metrics._dist_metrics.RussellRaoDistance64",
    "sklearn.metrics._dist_metrics.SokalMichenerDistance64",
    "sklearn.metrics._dist_metrics.SokalSneathDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
)
"""Types of fitted reviewed classes that skops does not know as harmless. Reviewed: each is scikit-learn's own, restores
plain numbers and arrays, and calls nothing that the file could choose. Never extended from what a file asks for."""

EPOCH = (1980, 1, 1, 0, 0, 0)
SCHEMA = "schema.json"
RECORDS = b"{'descr': [("
"""What the header of an array file of records begins with, after the magic bytes, within ``HEADER`` bytes."""
HEADER = 32


def write_skops(estimator: Any, path: Path) -> None:
    """Store an estimator.

    Raises:
        ModelError: It holds a type that is not trusted, so that it could not be loaded again.
    """
    import skops.io

    raw = skops.io.dumps(estimator)
    _require_trusted(raw, str(path))
    path.write_bytes(_make_stable(raw))


def read_skops(path: Path) -> Any:
    """The stored estimator.

    Raises:
        ModelError: The file is absent or damaged, or holds a type that is not trusted.
    """
    import skops.io

    try:
        raw = path.read_bytes()
        _require_trusted(raw, str(path))
        return skops.io.loads(raw, trusted=list(TRUSTED))
    except ModelError:
        raise
    except Exception as error:  # damaged files fail in skops, zipfile, json or numpy, each in its own way
        raise ModelError(f"{path} cannot be loaded: {error}") from error


def _require_trusted(raw: bytes, what: str) -> None:
    import skops.io

    foreign = sorted(set(skops.io.get_untrusted_types(data=raw)) - set(TRUSTED))
    if foreign:
        raise ModelError(f"{what} holds types that are not trusted: {', '.join(foreign)}")


def _make_stable(raw: bytes) -> bytes:
    """The same archive without addresses and times."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        schema = json.loads(archive.read(SCHEMA))
        contents = {name: archive.read(name) for name in archive.namelist() if name != SCHEMA}
    numbers = _Numbers()
    schema = numbers.rewrite(schema)
    stable = io.BytesIO()
    with zipfile.ZipFile(stable, "w", zipfile.ZIP_DEFLATED) as archive:
        for old, new in numbers.files.items():
            archive.writestr(zipfile.ZipInfo(new, EPOCH), _without_padding(contents.pop(old)), zipfile.ZIP_DEFLATED)
        archive.writestr(zipfile.ZipInfo(SCHEMA, EPOCH), json.dumps(schema), zipfile.ZIP_DEFLATED)
    if contents:
        raise ModelError(f"skops wrote files that its schema does not mention: {', '.join(contents)}")
    return stable.getvalue()


def _without_padding(content: bytes) -> bytes:
    """An array file with zeros between the fields of its records, where a loaded tree has whatever was in memory."""
    if RECORDS not in content[:HEADER]:
        return content
    import numpy as np

    records = np.load(io.BytesIO(content), allow_pickle=False)
    clean = np.zeros(records.shape, records.dtype)
    for name in records.dtype.names:
        clean[name] = records[name]
    stable = io.BytesIO()
    np.save(stable, clean, allow_pickle=False)
    return stable.getvalue()


class _Numbers:
    """Numbers in order of first mention, for objects and for files.

    Values without parts are numbered by content: whether Python made one or two objects of the same number is chance.
    """

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self._objects: dict[Any, int] = {}

    def rewrite(self, node: Any) -> Any:
        """A part of the schema with its numbers replaced."""
        if isinstance(node, list):
            return [self.rewrite(item) for item in node]
        if not isinstance(node, dict):
            return node
        number = None
        if "__id__" in node:
            number = self._objects.setdefault(self._identity(node), len(self._objects) + 1)
        rewritten = {name: self.rewrite(value) for name, value in node.items() if name not in ("__id__", "file")}
        if "file" in node:
            stem = f"{len(self.files)}.{node['file'].rpartition('.')[2]}"
            rewritten["file"] = self.files.setdefault(node["file"], stem)
        return rewritten if number is None else {**rewritten, "__id__": number}

    def _identity(self, node: dict[str, Any]) -> Any:
        if node.get("__loader__") in ("JsonNode", "TypeNode"):
            return tuple(sorted((name, str(value)) for name, value in node.items() if name != "__id__"))
        return node["__id__"]
