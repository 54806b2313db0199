"""Rows for ``search.py``: of the UCI HIGGS set where it is there, else made up; with a column that tells the fold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

HIGGS = Path(__file__).parents[2] / "shared" / "data" / "uci-higgs-55939.parquet"
MISSING = 0.02
"""Share of the cells of a column that are missing, in tables with missing values."""
BLUR = 0.01


@dataclass(frozen=True)
class Table:
    """What a table looks like.

    Attributes:
        rows: Number of rows.
        columns: Number of features, 28 at most.
        is_double: Whether features are float64, else float32.
        has_missing: Whether every fourth column has missing values.
        folds: Number of folds; 5 is the default of rapidml and of GridSearchCV.
    """

    rows: int
    columns: int = 28
    is_double: bool = False
    has_missing: bool = False
    folds: int = 5


def write_table(table: Table, path: Path, source: Path = HIGGS) -> None:
    """Write a Parquet file: features, ``label`` (0 or 1) and ``fold`` (from 0); the same in every call.

    More rows than the source has are drawn with replacement and blurred by 1%.

    Args:
        table: What it looks like.
        path: File to write.
        source: A table of floats with a column ``label``; rows are made up if it is absent.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = np.random.default_rng(0)
    features, label = _load(source, table, draw) if source.exists() else _make(table, draw)
    features = features[:, : table.columns].astype(np.float64 if table.is_double else np.float32)
    if table.has_missing:
        for number in range(0, table.columns, 4):
            features[draw.random(table.rows) < MISSING, number] = np.nan
    columns = {f"x{number:02d}": np.ascontiguousarray(features[:, number]) for number in range(table.columns)}
    fold = draw.integers(0, table.folds, table.rows)
    pq.write_table(pa.table({**columns, "label": label, "fold": fold}), path)


def _load(source: Path, table: Table, draw: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = pq.read_table(source)
    names = [name for name in found.column_names if name != "label" and pa.types.is_floating(found[name].type)]
    is_short = table.rows > found.num_rows
    rows = draw.choice(found.num_rows, table.rows, replace=is_short)
    features = np.column_stack([found[name].to_numpy()[rows] for name in names]).astype(np.float32)
    if is_short:
        features *= 1 + BLUR * draw.standard_normal(features.shape, np.float32)
    return features, found["label"].to_numpy()[rows].astype(np.int64)


def _make(table: Table, draw: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Two classes that differ in some means, and in how some columns go together."""
    label = draw.integers(0, 2, table.rows)
    features = draw.standard_normal((table.rows, table.columns), np.float32)
    features[:, :3] += 0.3 * label[:, None]
    features[:, 3] += 0.5 * label * features[:, 4]
    return features, label
