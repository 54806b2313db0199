"""Parts of the drawings of scaling: axes with logarithmic scales, points with bars, lines, words. Text to SVG."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

WIDTH = 900
TOP, BOTTOM = 68, 344
_STYLE = """
text { font: 13px Helvetica, Arial, sans-serif; fill: #222; }
.title { font-size: 15px; font-weight: bold; }
.small { font-size: 11px; fill: #555; }
.axis { stroke: #222; fill: none; }
.grid { stroke: #ddd; }
.ideal { stroke: #888; stroke-dasharray: 1 4; stroke-linecap: round; stroke-width: 2; fill: none; }
.line { fill: none; stroke-width: 2; }
.dashed { stroke-dasharray: 7 5; }
.band { opacity: 0.15; stroke: none; }
.mark { stroke-width: 1.5; }
"""


@dataclass(frozen=True)
class Axes:
    """Two axes with equal ratios at equal distances.

    Attributes:
        left: Left end, pixels.
        right: Right end.
        x: Least and largest number.
        y: Least and largest value.
    """

    left: float
    right: float
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Pixels of a point."""
        across = math.log(x / self.x[0]) / math.log(self.x[1] / self.x[0])
        up = math.log(y / self.y[0]) / math.log(self.y[1] / self.y[0])
        return self.left + across * (self.right - self.left), BOTTOM - up * (BOTTOM - TOP)

    def path(self, points: Iterable[tuple[float, float]]) -> str:
        """Pixels of a line through points, those outside left out."""
        inside = [self.at(x, y) for x, y in points if self.y[0] * 0.999 <= y <= self.y[1] * 1.001]
        return " ".join(f"{'M' if not i else 'L'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(inside))


def draw_page(title: str, parts: Sequence[str], height: float) -> str:
    """A whole drawing."""
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img">\n<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n'
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>\n{body}\n</svg>\n'
    )


def draw_points(axes: Axes, points: Sequence[tuple[float, Mapping[str, float]]], colour: str) -> list[str]:
    """Medians with bars from the least to the largest."""
    parts = []
    for number, interval in points:
        x, y = axes.at(number, interval["value"])
        low, high = axes.at(number, interval["low"])[1], axes.at(number, interval["high"])[1]
        bar = f"M{x:.1f} {low:.1f} V{high:.1f} M{x - 5:.1f} {low:.1f} h10 M{x - 5:.1f} {high:.1f} h10"
        parts.append(f'<path class="mark" stroke="{colour}" d="{bar}"/>')
        parts.append(draw_circle(x, y, colour))
    return parts


def draw_frame(axes: Axes, across: str, up: str) -> list[str]:
    """Axes with ticks, grid and names."""
    parts = []
    for number in _ticks(*axes.x):
        x = axes.at(number, axes.y[0])[0]
        parts.append(f'<path class="grid" d="M{x:.1f} {BOTTOM} V{TOP}"/>')
        parts.append(draw_text(x, BOTTOM + 18, f"{number:g}", anchor="middle"))
    for value in _value_ticks(*axes.y):
        y = axes.at(axes.x[0], value)[1]
        parts.append(f'<path class="grid" d="M{axes.left} {y:.1f} H{axes.right}"/>')
        parts.append(draw_text(axes.left - 8, y + 4, f"{value:g}", anchor="end"))
    middle = (axes.left + axes.right) / 2
    parts.append(f'<path class="axis" d="M{axes.left} {TOP} V{BOTTOM} H{axes.right}"/>')
    parts.append(draw_text(middle, BOTTOM + 36, f"number of {across}", anchor="middle"))
    at = f"{axes.left - 46:.0f} {(TOP + BOTTOM) / 2:.0f}"
    return [*parts, f'<text transform="translate({at}) rotate(-90)" text-anchor="middle">{escape(up)}</text>']


def draw_circle(x: float, y: float, colour: str) -> str:
    """A point."""
    return f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="white" stroke="{colour}"/>'


def _ticks(low: float, high: float) -> list[float]:
    """Powers of two."""
    found = [2.0**power for power in range(math.ceil(math.log2(low)), math.floor(math.log2(high)) + 1)]
    return found or [low]


def _value_ticks(low: float, high: float) -> list[float]:
    """Round numbers, at most eight."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0), (1.0, 2.0, 5.0), (1.0,)):
        found = [digit * 10.0**power for power in powers for digit in digits]
        inside = [value for value in found if low * 0.999 <= value <= high * 1.001]
        if len(inside) <= 8:
            break
    return inside


def round_range(values: Iterable[float]) -> tuple[float, float]:
    """The values with some room, so that no point lies on the frame."""
    known = list(values)
    return min(known) / 1.35, max(known) * 1.35


def spread_range(across: tuple[float, float]) -> list[float]:
    """Numbers in equal ratios from one end to the other."""
    return [across[0] * (across[1] / across[0]) ** (step / 60) for step in range(61)]


def draw_line(axes: Axes, points: Iterable[tuple[float, float]], style: str, more: str = "") -> str:
    """A line through points, those outside left out."""
    return f'<path class="{style}" {more} d="{axes.path(points)}"/>'


def draw_text(x: float, y: float, text: str, style: str = "", anchor: str = "start") -> str:
    """Words."""
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{kind} text-anchor="{anchor}">{escape(text)}</text>'
