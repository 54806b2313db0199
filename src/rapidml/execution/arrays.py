"""Arrays handed over in Python: kept in the store, so that a run of them can be repeated and resumed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from rapidml.recipe.document import Document
    from rapidml.store.store import Store

TARGET = "y"
WEIGHT = "w"


def add_arrays(
    document: Document,
    store: Store,
    features: ArrayLike | Mapping[str, ArrayLike],
    target: ArrayLike,
    weight: ArrayLike | None,
) -> Document:
    """The recipe with arrays as its dataset.

    Args:
        document: A recipe, with or without a ``dataset``.
        store: Where the arrays are kept.
        features: Shape ``(n_rows, n_features)``, columns then named ``x0, x1, ...`` or as a table's ``columns``; or
            arrays of shape ``(n_rows, ...)`` by name.
        target: Labels or values. Shape ``(n_rows,)``.
        weight: Physics weight. Shape ``(n_rows,)``.

    Raises:
        ValueError: The arrays differ in their number of rows, or a feature has a name that is taken.
    """
    import numpy as np

    from rapidml.dataset.files import hash_arrays
    from rapidml.recipe.document import parse_document

    arrays = _name_columns(features)
    taken = {TARGET, WEIGHT, "file"} & set(arrays)
    if taken:
        raise ValueError(f"a feature cannot be called {taken.pop()!r} here: y and w are target and weight; rename it")
    arrays[TARGET] = _plain(target)
    if weight is not None:
        arrays[WEIGHT] = np.asarray(weight, dtype=np.float64)
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"arrays of different numbers of rows: {counts}")
    digest = hash_arrays(arrays)

    def write(folder: Path) -> None:
        np.savez(folder / "arrays.npz", allow_pickle=False, **arrays)

    store.objects.put("arrays", digest, write)
    folder = store.objects.find("arrays", digest)
    assert folder is not None
    given = {"path": str(folder / "arrays.npz"), "sha256": digest, "target": TARGET}
    dataset = {**document.tree.get("dataset", {}), "arrays": given, **({} if weight is None else {"weight": WEIGHT})}
    text = json.dumps({**document.tree, "dataset": dataset})
    return parse_document(text, document.file, base=document.base)


def _name_columns(features: Any) -> dict[str, NDArray[Any]]:
    import numpy as np

    if isinstance(features, dict):
        return {str(name): _plain(array) for name, array in features.items()}
    if hasattr(features, "columns"):
        return {str(name): _plain(features[name]) for name in features.columns}
    matrix = np.asarray(features)
    if matrix.ndim == 1:
        matrix = matrix[:, None]
    if matrix.ndim > 2:
        return {"x": matrix}
    return {f"x{i}": matrix[:, i] for i in range(matrix.shape[1])}


def _plain(array: Any) -> NDArray[Any]:
    """An array without Python objects: labels become text."""
    import numpy as np

    values = np.asarray(array)
    return values.astype(str) if values.dtype == object else values
