"""A scaling report as a drawing: times, speed-ups, the cost model, and what it extrapolates. Text to SVG."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from rapidml.errors import DISTRIBUTION
from rapidml.execution.scaling_report import BUSY
from rapidml.layout import count_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

WIDTH, HEIGHT = 900, 450
_TOP, _BOTTOM = 68, 344
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
_BLUE, _ORANGE = "#0b5fa5", "#c4560a"


@dataclass(frozen=True)
class _Axes:
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
        return self.left + across * (self.right - self.left), _BOTTOM - up * (_BOTTOM - _TOP)

    def path(self, points: Iterable[tuple[float, float]]) -> str:
        """Pixels of a line through points, those outside left out."""
        inside = [self.at(x, y) for x, y in points if self.y[0] * 0.999 <= y <= self.y[1] * 1.001]
        return " ".join(f"{'M' if not i else 'L'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(inside))


def draw_scaling(report: Mapping[str, Any]) -> str:
    """An SVG drawing of a report, which says what was measured, on what and with what.

    Left the seconds, right the speed-up, both against the number; the scales are logarithmic. Measured medians have
    bars from the least to the largest repetition; the line is the cost model, dashed where it is extrapolated, in its
    68% band; the dotted line is the ideal.

    Args:
        report: What ``make_report`` gave.
    """
    numbers = [float(entry["number"]) for entry in report["numbers"]]
    last = max([*numbers, *(float(point["number"]) for point in _extrapolated(report))])
    across = (numbers[0] / 1.12, max(last, numbers[0] * 2) * 1.12)
    parts = [*_heading(report), *_draw_seconds(report, across), *_draw_speed_up(report, across), *_caption(report)]
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img">\n<title>{escape(_title(report))}</title>\n<style>{_STYLE}</style>\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n{body}\n</svg>\n'
    )


def _title(report: Mapping[str, Any]) -> str:
    rows = "" if report["rows"] is None else f"{count_text(report['rows'], 'row')} x "
    return f"{report['model']}: one fit, {rows}{count_text(report['features'], 'feature')}"


def _heading(report: Mapping[str, Any]) -> list[str]:
    return [_text(20, 26, _title(report), "title")]


def _caption(report: Mapping[str, Any]) -> list[str]:
    machine, versions = report["machine"], report["versions"]
    named = (DISTRIBUTION, "xgboost", "xgboost-cpu", "scikit-learn", "numpy")
    made = ", ".join(f"{name} {versions[name]}" for name in named if name in versions)
    repeats = sorted({entry["repetitions"] for entry in report["numbers"]})
    counts = f"{repeats[0]} to " * (repeats[0] < repeats[-1]) + count_text(repeats[-1], "repetition")
    each = report["threads_each"]
    shards = f" Each shard is a process with {count_text(each, 'thread')}." if each else ""
    others = report["others"]
    is_busy = others is not None and others["value"] >= BUSY
    busy = f" Other programs used {others['value']:.1f} cores meanwhile." if is_busy else ""
    lines = [
        f"{count_text(machine['cores'], 'core')} of {machine['cpu']}; Python {machine['python']}, {made}.{busy}",
        f"Points: median of {counts}, bars: least and largest. Rows in memory at the start.{shards}",
        _model_caption(report),
    ]
    return [_text(20, 404 + 16 * place, line, "small") for place, line in enumerate(lines)]


def _model_caption(report: Mapping[str, Any]) -> str:
    model = report["cost_model"]
    if model is None:
        return "Too few numbers for a cost model."
    terms = " + ".join(
        f"{term['value']:.3g} s{ {'serial': '', 'parallel': ' / n', 'exchange': ' (n - 1)'}[name] }"
        for name, term in model["terms"].items()
    )
    if not model["extrapolated"]:
        return f"The cost model {terms} does not describe these times and is not drawn."
    numbers = ", ".join(map(str, model["numbers"]))
    return f"Line: cost model {terms}, fitted at n = {numbers}; dashed: extrapolated, not measured; band: 68% of draws."


def _draw_seconds(report: Mapping[str, Any], across: tuple[float, float]) -> list[str]:
    """The left panel: time to completion and to the target."""
    series = [("to completion", "seconds", _BLUE)]
    if any(entry["target_seconds"] for entry in report["numbers"]):
        series.append((_target_name(report), "target_seconds", _ORANGE))
    first = report["numbers"][0]
    ideal = first["seconds"]["value"] * first["number"]
    known = [entry[name] for _, name, _ in series for entry in report["numbers"] if entry[name]]
    values = [interval[end] for interval in known for end in ("low", "high")]
    values += [point["seconds"]["value"] for point in _extrapolated(report)]
    axes = _Axes(72, 430, across, _round_range(values))
    parts = _frame(axes, report["over"], "seconds")
    parts.append(_line(axes, [(x, ideal / x) for x in _spread(across)], "ideal"))
    parts += _draw_model(axes, report, "seconds")
    x, y = axes.left + 6, _TOP - 12
    for label, name, colour in series:
        points = [(entry["number"], entry[name]) for entry in report["numbers"] if entry[name]]
        parts += _draw_points(axes, points, colour)
        parts += [_circle(x, y - 4, colour), _text(x + 12, y, label, "small")]
        x += 30 + 6 * len(label)
    return parts


def _draw_speed_up(report: Mapping[str, Any], across: tuple[float, float]) -> list[str]:
    """The right panel: completion against the smallest number."""
    first = report["numbers"][0]["number"]
    known = [entry["speed_up"] for entry in report["numbers"] if entry["speed_up"]]
    values = [interval[end] for interval in known for end in ("low", "high")]
    axes = _Axes(528, 880, across, _round_range([*values, 1.0, across[1] / 1.12 / first]))
    parts = _frame(axes, report["over"], f"speed-up against {count_text(first, report['over'].removesuffix('s'))}")
    parts.append(_line(axes, [(x, x / first) for x in _spread(across)], "ideal"))
    parts += _draw_model(axes, report, "speed_up")
    points = [(entry["number"], entry["speed_up"]) for entry in report["numbers"] if entry["speed_up"]]
    parts += _draw_points(axes, points, _BLUE)
    lines = [("ideal", "ideal", "")]
    if _extrapolated(report):
        blue = f'stroke="{_BLUE}"'
        lines += [("cost model", "line", blue), ("the same, extrapolated", "line dashed", blue)]
    x, y = axes.left, _TOP - 12
    for label, style, more in lines:
        parts += [f'<path class="{style}" {more} d="M{x} {y - 4} h28"/>', _text(x + 34, y, label, "small")]
        x += 50 + 6 * len(label)
    return parts


def _target_name(report: Mapping[str, Any]) -> str:
    target = report["target"]
    return f"to {target['metric']} {target['value']:.4g}"


def _extrapolated(report: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    model = report["cost_model"]
    return [] if model is None else model["extrapolated"]


def _draw_model(axes: _Axes, report: Mapping[str, Any], name: str) -> list[str]:
    """The cost model with its band: solid within the numbers that were fitted, dashed beyond."""
    if not _extrapolated(report):
        return []
    model = report["cost_model"]
    curve = [(point["number"], point[name]) for point in model["curve"] if None not in point[name].values()]
    border = model["numbers"][-1]
    ends = [*((x, y["high"]) for x, y in curve), *((x, y["low"]) for x, y in reversed(curve))]
    inside = [(x, y["value"]) for x, y in curve if x <= border * 1.001]
    beyond = [inside[-1], *((x, y["value"]) for x, y in curve if x > border * 1.001)] if inside else []
    parts = [f'<path class="band" fill="{_BLUE}" d="{axes.path(ends)} Z"/>']
    parts.append(_line(axes, inside, "line", f'stroke="{_BLUE}"'))
    return [*parts, _line(axes, beyond, "line dashed", f'stroke="{_BLUE}"')]


def _draw_points(axes: _Axes, points: Sequence[tuple[float, Mapping[str, float]]], colour: str) -> list[str]:
    parts = []
    for number, interval in points:
        x, y = axes.at(number, interval["value"])
        low, high = axes.at(number, interval["low"])[1], axes.at(number, interval["high"])[1]
        bar = f"M{x:.1f} {low:.1f} V{high:.1f} M{x - 5:.1f} {low:.1f} h10 M{x - 5:.1f} {high:.1f} h10"
        parts.append(f'<path class="mark" stroke="{colour}" d="{bar}"/>')
        parts.append(_circle(x, y, colour))
    return parts


def _frame(axes: _Axes, across: str, up: str) -> list[str]:
    """Axes with ticks, grid and names."""
    parts = []
    for number in _ticks(*axes.x):
        x = axes.at(number, axes.y[0])[0]
        parts.append(f'<path class="grid" d="M{x:.1f} {_BOTTOM} V{_TOP}"/>')
        parts.append(_text(x, _BOTTOM + 18, f"{number:g}", anchor="middle"))
    for value in _value_ticks(*axes.y):
        y = axes.at(axes.x[0], value)[1]
        parts.append(f'<path class="grid" d="M{axes.left} {y:.1f} H{axes.right}"/>')
        parts.append(_text(axes.left - 8, y + 4, f"{value:g}", anchor="end"))
    middle = (axes.left + axes.right) / 2
    parts.append(f'<path class="axis" d="M{axes.left} {_TOP} V{_BOTTOM} H{axes.right}"/>')
    parts.append(_text(middle, _BOTTOM + 36, f"number of {across}", anchor="middle"))
    at = f"{axes.left - 46:.0f} {(_TOP + _BOTTOM) / 2:.0f}"
    return [*parts, f'<text transform="translate({at}) rotate(-90)" text-anchor="middle">{escape(up)}</text>']


def _circle(x: float, y: float, colour: str) -> str:
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


def _round_range(values: Iterable[float]) -> tuple[float, float]:
    """The values with some room, so that no point lies on the frame."""
    known = list(values)
    return min(known) / 1.35, max(known) * 1.35


def _spread(across: tuple[float, float]) -> list[float]:
    return [across[0] * (across[1] / across[0]) ** (step / 60) for step in range(61)]


def _line(axes: _Axes, points: Iterable[tuple[float, float]], style: str, more: str = "") -> str:
    return f'<path class="{style}" {more} d="{axes.path(points)}"/>'


def _text(x: float, y: float, text: str, style: str = "", anchor: str = "start") -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{kind} text-anchor="{anchor}">{escape(text)}</text>'
