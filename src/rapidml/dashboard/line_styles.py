"""How curves are told apart: colours that colour-blind people can tell, and dashes for those who see none."""

from __future__ import annotations

from dataclasses import dataclass

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f7f7f")
"""Okabe and Ito's palette without black and yellow, which vanish on a dark or a light page; and a grey."""
DASHES: tuple[tuple[int, ...], ...] = ((), (8, 3), (2, 2), (9, 3, 2, 3), (14, 4))


@dataclass(frozen=True)
class LineStyle:
    """Colour and dashes of a curve.

    Attributes:
        color: As in CSS.
        dash: Lengths of dashes and gaps in pixels; empty for a solid line.
    """

    color: str
    dash: tuple[int, ...]

    def sample(self) -> dict[str, str]:
        """The cell of a table that shows a piece of the line."""
        return {"color": self.color, "dash": " ".join(map(str, self.dash))}


def make_styles(count: int) -> list[LineStyle]:
    """Styles of some curves, no two alike among the first 35."""
    return [LineStyle(COLORS[i % len(COLORS)], DASHES[i % len(DASHES)]) for i in range(count)]
