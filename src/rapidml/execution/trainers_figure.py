"""A report on trainers as a drawing: times to the end and to the target, and speed-ups, a line each. Text to SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.errors import DISTRIBUTION
from rapidml.execution.scaling_axes import (
    BOTTOM,
    WIDTH,
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
from rapidml.models.trainer_plan import SINGLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COLOURS = (
    "#0b5fa5",
    "#c4560a",
    "#1b7f4d",
    "#8a3ffc",
    "#b3123f",
    "#5c6b73",
    "#8a6d00",
    "#007d8a",
    "#d02670",
    "#5a3e1b",
    "#3d7a00",
)
_GREY = "#555"
_LEGEND_COLUMNS = 5
_NARROW = 210


def draw_trainers(report: Mapping[str, Any]) -> str:
    """An SVG drawing of a report, which says what was measured, on what and with what.

    From the left: seconds to the end, seconds to the target if there is one, and the speed-up of the first, all against
    the number of replicas; the scales are logarithmic. Medians of the repetitions have bars from the least to the
    largest and are joined; the dashed line is the same network without a trainer, the dotted one the ideal.

    Args:
        report: What ``make_trainers_report`` gave.
    """
    numbers = [entry["number"] for trainer in report["trainers"] for entry in trainer["numbers"]]
    across = (1 / 1.12, max(2, *numbers) * 1.12)
    names = [("seconds", "seconds to the end")]
    target = report["target"]
    if any(entry["target_seconds"] for trainer in report["trainers"] for entry in trainer["numbers"]):
        names.append(("target_seconds", f"seconds to {target['metric']} {target['value']:.4g}"))
    if any(entry["speed_up"] for trainer in report["trainers"] for entry in trainer["numbers"]):
        names.append(("speed_up", "speed-up against 1 replica"))
    parts = [draw_text(20, 26, _title(report), "title")]
    room = (WIDTH - 20) / len(names)
    for place, (name, up) in enumerate(names):
        left = 72 + place * room
        parts += _draw_panel(report, (left, left + max(_NARROW, room - 82)), across, name, up)
    bottom = BOTTOM + 60
    parts += _draw_legend(report, bottom)
    bottom += 18 * -(-len(report["trainers"]) // _LEGEND_COLUMNS) + 6
    lines = _caption(report)
    parts += [draw_text(20, bottom + 16 * place, line, "small") for place, line in enumerate(lines)]
    return draw_page(_title(report), parts, bottom + 16 * len(lines))


def _title(report: Mapping[str, Any]) -> str:
    rows = "" if report["rows"] is None else f"{count_text(report['rows'], 'row')} x "
    trained = sum(trainer["trainer"] != SINGLE for trainer in report["trainers"])
    return f"{count_text(trained, 'trainer')}: one fit each, {rows}{count_text(report['features'], 'feature')}"


def _list_coloured(report: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], str]]:
    trained = [trainer for trainer in report["trainers"] if trainer["trainer"] != SINGLE]
    singles = [trainer for trainer in report["trainers"] if trainer["trainer"] == SINGLE]
    colours = [(trainer, _COLOURS[place % len(_COLOURS)]) for place, trainer in enumerate(trained)]
    return [*colours, *((trainer, _GREY) for trainer in singles)]


def _draw_panel(
    report: Mapping[str, Any], ends: tuple[float, float], across: tuple[float, float], name: str, up: str
) -> list[str]:
    """One panel: a quantity of every trainer against the number of replicas."""
    coloured = _list_coloured(report)
    lines = [(one, colour, _list_points(one, name)) for one, colour in coloured]
    values = [interval[end] for _, _, points in lines for _, interval in points for end in ("low", "high")]
    is_ratio = name == "speed_up"
    axes = Axes(*ends, across, round_range([*values, *([1.0, across[1] / 1.12] if is_ratio else [])]))
    parts = draw_frame(axes, "replicas", up)
    if is_ratio:
        parts.append(draw_line(axes, [(x, x) for x in spread_range(across)], "ideal"))
    for one, colour, points in lines:
        stroke = f'stroke="{colour}"'
        if one["trainer"] == SINGLE:
            middle = [(x, interval["value"]) for _, interval in points for x in across]
            parts += [] if is_ratio or not middle else [draw_line(axes, middle, "line dashed", stroke)]
            continue
        if is_ratio:
            parts.append(draw_line(axes, [(1.0, 1.0), *((n, point["value"]) for n, point in points)], "line", stroke))
        else:
            parts.append(draw_line(axes, [(n, point["value"]) for n, point in points], "line", stroke))
        parts += draw_points(axes, points, colour)
    return parts


def _list_points(trainer: Mapping[str, Any], name: str) -> list[tuple[float, Mapping[str, float]]]:
    """Numbers with what was measured there; a speed-up against itself is none."""
    entries: Sequence[Mapping[str, Any]] = trainer["numbers"]
    return [(entry["number"], entry[name]) for entry in entries if entry[name] and (name, entry["number"]) != _ITSELF]


_ITSELF = ("speed_up", 1)


def _draw_legend(report: Mapping[str, Any], y: float) -> list[str]:
    parts, room = [], (WIDTH - 40) / _LEGEND_COLUMNS
    for place, (trainer, colour) in enumerate(_list_coloured(report)):
        left, top = 20 + room * (place % _LEGEND_COLUMNS), y + 18 * (place // _LEGEND_COLUMNS)
        style = "line dashed" if trainer["trainer"] == SINGLE else "line"
        parts.append(f'<path class="{style}" stroke="{colour}" d="M{left:.1f} {top - 4:.1f} h24"/>')
        if trainer["trainer"] != SINGLE:
            parts.append(draw_circle(left + 12, top - 4, colour))
        parts.append(draw_text(left + 30, top, trainer["model"], "small"))
    return parts


def _caption(report: Mapping[str, Any]) -> list[str]:
    machine, versions = report["machine"], report["versions"]
    made = ", ".join(f"{name} {versions[name]}" for name in (DISTRIBUTION, "tensorflow", "keras") if name in versions)
    repeats = sorted({entry["repetitions"] for trainer in report["trainers"] for entry in trainer["numbers"]})
    counts = f"{repeats[0]} to " * (repeats[0] < repeats[-1]) + count_text(repeats[-1], "repetition")
    others = report["others"]
    is_busy = others is not None and others["value"] >= BUSY
    busy = f" Other programs used {others['value']:.1f} cores meanwhile." if is_busy else ""
    each = count_text(report["threads_each"], "thread")
    return [
        f"{count_text(machine['cores'], 'core')} of {machine['cpu']}; Python {machine['python']}, {made}.{busy}",
        f"Points: median of {counts}, each with another seed; bars: least and largest. Each replica: {each}.",
        "Rows in memory and processes started before. Dashed: the same network without a trainer; dotted: ideal.",
    ]
