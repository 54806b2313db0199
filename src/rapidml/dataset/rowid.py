"""Row ids, and the random numbers that follow from them.

Split, folds, hold-outs and bootstrap draws are functions of (row id, stream, seed) alone: no generator with a state,
no row order, no partition. The functions use 64-bit integer arithmetic only, so they give the same bits on every
machine; golden values in the tests hold them still, because stored facts depend on them.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rapidml.dataset.problems import FieldError
from rapidml.keys import canonical_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Stream = Literal["test", "folds", "valid", "early_stopping", "bootstrap", "shards", "batches"]
"""What random numbers are for; the numbers of two streams have nothing to do with each other."""

_STEP = np.uint64(0x9E3779B97F4A7C15)
_EXACT_FLOAT = 2.0**53


def hash_record(relative_path: str, tree: str | None, records: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Ids of rows that bring none: from the file and the record number in it.

    Args:
        relative_path: File below the fixed folder of its glob, with the sample's position before it where there are
            several samples; any constant text for arrays and builtin sets.
        tree: Tree within the file, or None.
        records: Record numbers from 0, counted before any selection. Shape ``(n_rows,)``.

    Returns:
        Ids, distinct within one file. Shape ``(n_rows,)``.
    """
    first, second = _keys("record", relative_path, tree)
    with np.errstate(over="ignore"):
        return _scramble(_scramble(np.asarray(records, np.int64).view(np.uint64) * _STEP + first) ^ second)


def hash_columns(columns: Sequence[NDArray[Any]], names: Sequence[str] = ()) -> NDArray[np.uint64]:
    """Ids from the columns of ``dataset.id``; rows with equal values get equal ids.

    The same numbers give the same ids whatever their width: 5 as int8, int64 or 5.0.

    Args:
        columns: Whole numbers, booleans or text, at least one. Each of shape ``(n_rows,)``.
        names: Column names for messages.

    Returns:
        Ids. Shape ``(n_rows,)``.

    Raises:
        FieldError: A value is null, has a fraction, is too large for its type to be exact, or is neither a number
            nor text.
    """
    if not columns:
        raise ValueError("an id needs at least one column")
    first, step = _keys("columns", len(columns))
    total = np.full(len(columns[0]), first, np.uint64)
    for position, column in enumerate(columns):
        name = names[position] if position < len(names) else f"number {position + 1}"
        with np.errstate(over="ignore"):
            total = _scramble(total + step ^ _scramble(_column_bits(column, name) + _STEP))
    return total


def mix(ids: NDArray[np.uint64], stream: Stream, seed: int) -> NDArray[np.uint64]:
    """One random 64-bit number per row id; different ids never give the same number.

    Args:
        ids: Row ids. Shape ``(n_rows,)``.
        stream: What the numbers are for.
        seed: Any integer.

    Returns:
        Numbers, uniform over all 64-bit integers. Shape ``(n_rows,)``.

    Reference:
        Two rounds of the finaliser of SplitMix64: Steele, Lea and Flood (2014), "Fast splittable pseudorandom number
        generators", OOPSLA, 453-472; constants of D. Stafford's variant 13.
    """
    first, second = _keys("stream", stream, seed)
    with np.errstate(over="ignore"):
        return _scramble(_scramble(np.asarray(ids, np.uint64) + first) ^ second)


def uniform(ids: NDArray[np.uint64], stream: Stream, seed: int) -> NDArray[np.float64]:
    """One random number in [0, 1) per row id: the upper 53 bits of ``mix``. Shape ``(n_rows,)``."""
    return (mix(ids, stream, seed) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _keys(*content: Any) -> tuple[np.uint64, np.uint64]:
    digest = hashlib.sha256(canonical_json(content).encode()).digest()
    return np.uint64(int.from_bytes(digest[:8], "big")), np.uint64(int.from_bytes(digest[8:16], "big"))


def _scramble(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _column_bits(column: NDArray[Any], name: str) -> NDArray[np.uint64]:
    if np.ma.getmaskarray(column).any():
        raise _null_error(name, int(np.ma.getmaskarray(column).sum()))
    column = np.ma.getdata(column)
    kind = column.dtype.kind
    if kind == "u":
        return np.asarray(column, np.uint64)
    if kind in "bi":
        return np.asarray(column, np.int64).view(np.uint64)
    if kind == "f":
        return _whole_numbers(np.asarray(column, np.float64), name).view(np.uint64)
    if kind in "OUT":
        return _text_bits(column, name)
    raise _id_error(f"whole numbers or text; column {name} is of type {column.dtype}", "name another column")


def _whole_numbers(column: NDArray[np.float64], name: str) -> NDArray[np.int64]:
    null = np.isnan(column)
    if null.any():
        raise _null_error(name, int(null.sum()))
    if not np.all(np.abs(column) <= _EXACT_FLOAT):
        text = f"whole numbers that can be told apart; column {name} holds floats beyond 2**53"
        raise _id_error(text, "store them as integers")
    if not np.all(column == np.floor(column)):
        example = float(column[column != np.floor(column)][0])
        raise _id_error(f"whole numbers or text; column {name} holds {example!r}", "name another column")
    return column.astype(np.int64)


def _text_bits(column: NDArray[Any], name: str) -> NDArray[np.uint64]:
    known: dict[Any, int] = {}
    for value in set(column.tolist()):
        if not isinstance(value, str):
            if value is None or value != value:
                raise _null_error(name, sum(item is None or item != item for item in column.tolist()))
            kind = type(value).__name__
            raise _id_error(
                f"text; column {name} holds {value!r} ({kind}) too", "make the whole column text or numbers"
            )
        known[value] = int.from_bytes(hashlib.sha256(b"text:" + value.encode()).digest()[:8], "big")
    return np.fromiter((known[value] for value in column.tolist()), np.uint64, len(column))


def _null_error(name: str, count: int) -> FieldError:
    rows = "1 row" if count == 1 else f"{count:,} rows"
    return _id_error(f"an id in every row; column {name} is null in {rows}", "drop such rows in the file")


def _id_error(expected: str, fix: str) -> FieldError:
    return FieldError(("dataset", "id"), expected, fix)
