"""The weights of a network as lists of arrays, and ways to work on them in place without large temporaries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator

Array = NDArray[np.float32]
Arrays = Sequence[Array]

_BLOCK = 1 << 17
"""Numbers of an array that are worked on at a time; a scratch array of so many (512 kB) stays in the cache."""


class Weights(NamedTuple):
    """The weights of a network.

    Attributes:
        trained: Those that gradients change.
        statistics: Those that are means over what was seen, such as of batch normalisation.
    """

    trained: list[Array]
    statistics: list[Array]

    @property
    def n_bytes(self) -> int:
        """Memory that they take."""
        return sum(array.nbytes for part in self for array in part)

    def copy(self) -> Weights:
        """The same in arrays of its own, contiguous in memory."""
        return Weights(*([np.array(array, np.float32, order="C") for array in part] for part in self))

    def fill(self, other: Weights) -> None:
        """Take over other values, in place."""
        for mine, theirs in zip(self, other, strict=True):
            fill(mine, theirs)

    def is_like(self, other: Weights) -> bool:
        """Whether the shapes are the same."""
        return all(
            [a.shape for a in mine] == [a.shape for a in theirs] for mine, theirs in zip(self, other, strict=True)
        )

    def is_finite(self) -> bool:
        """Whether no number is NaN, infinite or so large (1e19) that its square is."""
        with np.errstate(all="ignore"):  # one pass without a temporary: a sum of squares is finite only if all are
            return all(bool(np.isfinite(np.vdot(array, array))) for part in self for array in part)


def give(arrays: Arrays, out: Arrays | None) -> list[Array]:
    """The very arrays; or their values in ``out``, where that is given."""
    if out is None:
        return list(arrays)
    fill(out, arrays)
    return list(out)


def subtract(arrays: Arrays, others: Arrays, out: Arrays | None) -> list[Array]:
    """Differences, in new arrays or in ``out``, which may be one of the arguments."""
    target = [np.empty_like(array) for array in arrays] if out is None else list(out)
    for mine, other, difference in zip(arrays, others, target, strict=True):
        np.subtract(mine, other, out=difference)
    return target


def fill(target: Arrays, arrays: Arrays) -> None:
    """Take over values, in place."""
    for mine, theirs in zip(target, arrays, strict=True):
        mine[...] = theirs


def make_scratch(arrays: Arrays) -> Array:
    """Memory for one block."""
    size = max((array.size for array in arrays), default=0)
    return np.empty(min(size, _BLOCK), arrays[0].dtype if arrays else np.float32)


def cut_blocks(n_written: int, *parts: Arrays) -> Iterator[tuple[Array, ...]]:
    """The same blocks of several lists of arrays, as flat views.

    Args:
        n_written: Number of lists, from the first on, that are written to.
        parts: Lists of arrays of the same shapes.

    Yields:
        One block of each list. Shapes ``(n,)``, all the same.

    Raises:
        ValueError: An array to be written to is not contiguous: its blocks would be copies.
    """
    for arrays in zip(*parts, strict=True):
        if not all(array.flags.c_contiguous for array in arrays[:n_written]):
            raise ValueError("weights must be contiguous in memory to be changed in place")
        flat = [array.reshape(-1) for array in arrays]
        for first in range(0, flat[0].size, _BLOCK):
            yield tuple(array[first : first + _BLOCK] for array in flat)
