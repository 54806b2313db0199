"""Loading stored arrays when several fits of one process do it at once."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_parsing = Lock()
"""NumPy parses the header of a file with ``ast``, whose parser fails when several threads are in it (CPython 3.11)."""


def load_array(path: Path, *, mapped: bool) -> NDArray[Any]:
    """An array of an ``.npy`` file without Python objects.

    Args:
        path: The file.
        mapped: Map it read-only instead of reading it.
    """
    import numpy as np

    with _parsing:
        array: NDArray[Any] = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    return array
