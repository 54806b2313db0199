"""A scaling report as a drawing: times, speed-ups, the cost model, and what it extrapolates. Text to SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.errors import DISTRIBUTION
from rapidml.execution.scaling_axes import (
    TOP,
    Axes,
    draw_circle,
    draw_frame,
    draw_line,
    draw_page,
    draw_points,
    draw_text,
    round_range,
    spread_range,
)
from rapidml.execution.scaling_report import BUSY
from rapidml.layout import count_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HEIGHT = 450
_BLUE, _ORANGE = "#0b5fa5", "#c4560a"


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
    return draw_page(_title(report), parts, HEIGHT)


def _title(report: Mapping[str, Any]) -> str:
    rows = "" if report["rows"] is None else f"{count_text(report['rows'], 'row')} x "
    return f"{report['model']}: one fit, {rows}{count_text(report['features'], 'feature')}"


def _heading(report: Mapping[str, Any]) -> list[str]:
    return [draw_text(20, 26, _title(report), "title")]


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
    return [draw_text(20, 404 + 16 * place, line, "small") for place, line in enumerate(lines)]


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
    axes = Axes(72, 430, across, round_range(values))
    parts = draw_frame(axes, report["over"], "seconds")
    parts.append(draw_line(axes, [(x, ideal / x) for x in spread_range(across)], "ideal"))
    parts += _draw_model(axes, report, "seconds")
    x, y = axes.left + 6, TOP - 12
    for label, name, colour in series:
        points = [(entry["number"], entry[name]) for entry in report["numbers"] if entry[name]]
        parts += draw_points(axes, points, colour)
        parts += [draw_circle(x, y - 4, colour), draw_text(x + 12, y, label, "small")]
        x += 30 + 6 * len(label)
    return parts


def _draw_speed_up(report: Mapping[str, Any], across: tuple[float, float]) -> list[str]:
    """The right panel: completion against the smallest number."""
    first = report["numbers"][0]["number"]
    known = [entry["speed_up"] for entry in report["numbers"] if entry["speed_up"]]
    values = [interval[end] for interval in known for end in ("low", "high")]
    axes = Axes(528, 880, across, round_range([*values, 1.0, across[1] / 1.12 / first]))
    parts = draw_frame(axes, report["over"], f"speed-up against {count_text(first, report['over'].removesuffix('s'))}")
    parts.append(draw_line(axes, [(x, x / first) for x in spread_range(across)], "ideal"))
    parts += _draw_model(axes, report, "speed_up")
    points = [(entry["number"], entry["speed_up"]) for entry in report["numbers"] if entry["speed_up"]]
    parts += draw_points(axes, points, _BLUE)
    lines = [("ideal", "ideal", "")]
    if _extrapolated(report):
        blue = f'stroke="{_BLUE}"'
        lines += [("cost model", "line", blue), ("the same, extrapolated", "line dashed", blue)]
    x, y = axes.left, TOP - 12
    for label, style, more in lines:
        parts += [f'<path class="{style}" {more} d="M{x} {y - 4} h28"/>', draw_text(x + 34, y, label, "small")]
        x += 50 + 6 * len(label)
    return parts


def _target_name(report: Mapping[str, Any]) -> str:
    target = report["target"]
    return f"to {target['metric']} {target['value']:.4g}"


def _extrapolated(report: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    model = report["cost_model"]
    return [] if model is None else model["extrapolated"]


def _draw_model(axes: Axes, report: Mapping[str, Any], name: str) -> list[str]:
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
    parts.append(draw_line(axes, inside, "line", f'stroke="{_BLUE}"'))
    return [*parts, draw_line(axes, beyond, "line dashed", f'stroke="{_BLUE}"')]
