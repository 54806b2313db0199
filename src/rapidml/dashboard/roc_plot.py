"""ROC curves as a Bokeh figure, and the same as a table: legend, area and efficiencies in numbers. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rapidml.dashboard.line_styles import make_styles
from rapidml.dashboard.numbers import number_text
from rapidml.dashboard.record_table import column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bokeh.plotting import figure

    from rapidml.dashboard.line_styles import LineStyle
    from rapidml.execution.curves import ModelCurve

MOST_LINES = 12
"""Curves that one plot shows; more cannot be told apart."""
_LEAST_RATE = 1e-4
_BACKGROUNDS = (0.01, 0.1)


@dataclass(frozen=True)
class Line:
    """A curve of the plot.

    Attributes:
        key: Key of the run and name of the model.
        run_name: What the run is called.
        curve: The curve.
        style: How it is drawn.
    """

    key: tuple[str, str]
    run_name: str
    curve: ModelCurve
    style: LineStyle

    @property
    def label(self) -> str:
        """Run and model."""
        return f"{self.run_name} / {self.curve.model}"


def make_lines(curves: Sequence[tuple[str, str, ModelCurve]], class_name: str | None) -> list[Line]:
    """The curves of one class with their styles; no more than can be told apart.

    Args:
        curves: Key and name of the run, and curve.
        class_name: The class; that of the first curve if None.
    """
    wanted = class_name or (curves[0][2].class_name if curves else None)
    chosen = [item for item in curves if item[2].class_name == wanted][:MOST_LINES]
    styles = make_styles(len(chosen))
    return [
        Line((key, curve.model), name, curve, style) for (key, name, curve), style in zip(chosen, styles, strict=True)
    ]


def list_classes(curves: Sequence[tuple[str, str, ModelCurve]]) -> list[str]:
    """Classes that there are curves for, in order."""
    return list(dict.fromkeys(curve.class_name for _, _, curve in curves))


def make_roc_figure(lines: Sequence[Line], *, dark: bool = False, logarithmic: bool = False) -> figure:
    """The figure: true positive rate against false positive rate, and the diagonal that guessing gives.

    Args:
        lines: The curves.
        dark: Colours for a dark page.
        logarithmic: The axis of the false positive rate, which then begins at 0.0001.
    """
    from bokeh.models import HoverTool, Range1d
    from bokeh.plotting import figure

    low, high = _find_range(lines)
    start = _LEAST_RATE if logarithmic else low - 0.01
    plot = figure(
        height=430,
        sizing_mode="stretch_width",
        x_axis_type="log" if logarithmic else "linear",
        x_range=Range1d(start=start, end=high + 0.01),
        y_range=Range1d(start=low - 0.01, end=high + 0.01),
        x_axis_label="False positive rate (share of the rest above the cut)",
        y_axis_label="True positive rate (share of the class above the cut)",
        tools="pan,box_zoom,reset,save",
        toolbar_location="above",
        name="roc",
    )
    guess = np.geomspace(_LEAST_RATE, 1.0, 200)
    ink = "#9a9a9a"
    plot.line(guess, guess, line_color=ink, line_dash=[2, 4], line_width=1, name="guessing")
    glyphs = [_draw(plot, line, logarithmic=logarithmic) for line in lines]
    tips = [("", "@label"), ("true positive rate", "@true{0.0000}"), ("false positive rate", "@false{0.0000}")]
    plot.add_tools(HoverTool(renderers=glyphs, tooltips=tips, mode="mouse", point_policy="snap_to_data"))
    _paint(plot, dark=dark)
    return plot


def _find_range(lines: Sequence[Line]) -> tuple[float, float]:
    """From 0 to 1; further where negative weights lead out of it."""
    rates = [rate for line in lines for rate in (_false(line), _true(line))]
    return min([0.0, *(float(rate.min()) for rate in rates)]), max([1.0, *(float(rate.max()) for rate in rates)])


def _false(line: Line) -> Any:
    return line.curve.curve.false_positive_rate


def _true(line: Line) -> Any:
    return line.curve.curve.true_positive_rate


def _draw(plot: figure, line: Line, *, logarithmic: bool) -> Any:
    from bokeh.models import ColumnDataSource

    false, true = _false(line), _true(line)
    if logarithmic:  # a rate of 0 has no place on the axis: the curve enters it from the left
        last = int(np.flatnonzero(false <= _LEAST_RATE)[-1]) if (false <= _LEAST_RATE).any() else 0
        false, true = np.maximum(false[last:], _LEAST_RATE), true[last:]
    source = ColumnDataSource({"false": false, "true": true, "label": [line.label] * len(false)})
    dash = list(line.style.dash) or "solid"
    return plot.line(
        "false", "true", source=source, line_color=line.style.color, line_dash=dash, line_width=2.5, name=line.label
    )


def _paint(plot: figure, *, dark: bool) -> None:
    """Colours that fit the page; the background is the page's."""
    ink, grid = ("#e0e0e0", "#444444") if dark else ("#333333", "#e4e4e4")
    plot.background_fill_alpha = plot.border_fill_alpha = 0.0
    plot.outline_line_color = grid
    plot.toolbar.autohide = True
    for axis in plot.axis:
        axis.axis_label_text_color = axis.major_label_text_color = ink
        axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = grid
        axis.axis_label_text_font_size, axis.major_label_text_font_size = "13px", "12px"
        axis.axis_label_text_font_style = "normal"
    plot.grid.grid_line_color = grid


def legend_columns(class_name: str) -> list[dict[str, Any]]:
    """Columns of the table beside the plot.

    Args:
        class_name: The class that the curves are of.
    """
    rates = [
        column(f"at:{rate}", f"at {rate:.0%}", align="right", title=_rate_title(rate, class_name))
        for rate in _BACKGROUNDS
    ]
    area = column("area", "Area (AUC)", align="right", title="Area below the curve: 0.5 is guessing, 1 is perfect")
    return [column("line", "Run / model", heading=True, sort=False), area, *rates]


def _rate_title(rate: float, class_name: str) -> str:
    return f"True positive rate: share of {class_name} above the cut that lets {rate:.0%} of the rest pass"


def make_legend(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Records of the table beside the plot: line, area, true positive rates at some false positive rates."""
    return [
        {
            "key": "/".join(line.key),
            "cells": {
                "line": {"text": line.label, "sample": line.style.sample()},
                "area": {"text": number_text(line.curve.area), "sort": line.curve.area},
                **{f"at:{rate}": _rate_cell(line, rate) for rate in _BACKGROUNDS},
            },
        }
        for line in lines
    ]


def _rate_cell(line: Line, rate: float) -> dict[str, Any]:
    value = float(np.interp(rate, np.maximum.accumulate(_false(line)), _true(line)))
    return {"text": number_text(value), "sort": value}


def describe_curves(lines: Sequence[Line]) -> str:
    """One sentence on what the curves are made from."""
    if not lines:
        return ""
    curves = [line.curve for line in lines]
    weighted = " Rows count by their weights." if any(curve.is_weighted for curve in curves) else ""
    pooled = " The held-out rows of all folds stand together, so the area differs a little from the mean over folds."
    name = curves[0].class_name
    text = f"{name} against the rest, on rows that did not train the model. At 1%: share of {name} above the cut that "
    text += "lets 1% of the rest pass."
    return f"{text}{pooled if any(curve.is_pooled for curve in curves) else ''}{weighted}"
