"""Weights as one vector, the form in which they travel: all trained arrays in order, then all statistics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rapidml.trainers.weights import Weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapidml.trainers.weights import Array

Shapes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Layout:
    """Shapes of a network's arrays.

    Attributes:
        trained: Those that gradients change.
        statistics: Those that are means over what was seen.
    """

    trained: Shapes
    statistics: Shapes

    @classmethod
    def of(cls, weights: Weights) -> Layout:
        """The layout of weights."""
        return cls(*(tuple(array.shape for array in part) for part in weights))

    @property
    def size(self) -> int:
        """Number of values."""
        return sum(math.prod(shape) for shape in (*self.trained, *self.statistics))

    def to_tree(self) -> list[Any]:
        """The shapes as JSON values."""
        return [[list(shape) for shape in part] for part in (self.trained, self.statistics)]

    def make_vector(self) -> Array:
        """Memory for one set of weights. Shape ``(size,)``."""
        return np.empty(self.size, np.float32)

    def cut(self, vector: Array) -> Weights:
        """The parts of a vector as weights; views, nothing is copied.

        Args:
            vector: Shape ``(size,)``.
        """
        first, parts = 0, []
        for shapes in (self.trained, self.statistics):
            arrays = []
            for shape in shapes:
                last = first + math.prod(shape)
                arrays.append(vector[first:last].reshape(shape))
                first = last
            parts.append(arrays)
        return Weights(*parts)

    def cut_many(self, vector: Array) -> tuple[Weights, ...]:
        """Several sets of weights, one behind the other in a vector."""
        return tuple(self.cut(part) for part in vector.reshape(-1, self.size)) if self.size else ()


def list_arrays(sets: Sequence[Weights]) -> list[Array]:
    """All arrays of some sets of weights, in the order in which they travel and contiguous in memory."""
    return [np.ascontiguousarray(array) for weights in sets for part in weights for array in part]
