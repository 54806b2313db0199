"""Losses of a training over time and over samples, few enough points to be shown and stored however long it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_POINTS = 200
"""Points of a curve; beyond twice as many, neighbours are joined."""


@dataclass
class Curve:
    """One loss in the course of a training.

    Attributes:
        stride: Values that a point is the mean of; the newest point may be of fewer.
        last: Values of the newest point.
        points: Of each point the seconds and samples at its last value, and the mean of its values.
    """

    stride: int = 1
    last: int = 0
    points: list[tuple[float, int, float]] = field(default_factory=list)

    def add(self, seconds: float, samples: int, value: float) -> None:
        """Add a value; the mean of what is shown stays the mean of what was added."""
        if self.points and self.last < self.stride:
            *_, mean = self.points.pop()
            value = mean + (value - mean) / (self.last + 1)
            self.last += 1
        else:
            self.last = 1
        self.points.append((seconds, samples, value))
        if len(self.points) == 2 * MOST_POINTS and self.last == self.stride:
            pairs = zip(self.points[::2], self.points[1::2], strict=True)
            self.points = [(late[0], late[1], (early[2] + late[2]) / 2) for early, late in pairs]
            self.stride, self.last = 2 * self.stride, 2 * self.last

    def to_tree(self) -> dict[str, Any]:
        """The curve as JSON values, column by column."""
        seconds, samples, values = ([point[column] for point in self.points] for column in range(3))
        return {"seconds": seconds, "samples": samples, "loss": values, "stride": self.stride, "last": self.last}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Curve:
        """The curve that ``to_tree`` gave."""
        points = list(zip(tree["seconds"], tree["samples"], tree["loss"], strict=True))
        return cls(tree["stride"], tree["last"], points)
