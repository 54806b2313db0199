"""The plots of a search as Bokeh figures over one source: what is brushed in one of them is chosen in all.

History, heat map of two ranges, one slice for each range, and parallel coordinates. They are drawn once and changed in
place: figures that share a source do not survive being replaced one by one in a browser. Candidates in, figures out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bokeh.layouts import column, row
from bokeh.models import (
    BoxSelectTool,
    ColumnDataSource,
    FixedTicker,
    HoverTool,
    LinearColorMapper,
    Range1d,
    Scatter,
)
from bokeh.models.annotations import ColorBar, Span
from bokeh.palettes import Viridis256
from bokeh.plotting import figure

from rapidml.dashboard.candidate_records import (
    list_scored,
    make_best_line,
    make_cells,
    make_line_data,
    make_source_data,
)
from rapidml.dashboard.page_colors import Painter
from rapidml.dashboard.search_axes import make_axes
from rapidml.search_text import direction_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rapidml.dashboard.search_axes import RangeAxis
    from rapidml.execution.candidate_table import CandidateTable

MOST_AXES = 10
MOST_LINES = 400
"""Candidates that parallel coordinates draw; more are a single stain."""
_FAINT = 0.1
_TOOLS = "tap,pan,wheel_zoom,reset,save"
_TIPS = [("candidate", "#@number"), ("", "@text"), ("score", "@score{0.0000} @interval"), ("fits took", "@took")]
_CELL_TIPS = [("best score", "@score{0.0000}"), ("of candidates", "@count"), ("", "@text")]
_NO_CELLS: dict[str, list[Any]] = {
    name: [] for name in ("left", "right", "bottom", "top", "score", "count", "numbers", "text")
}


class SearchPlots:
    """The figures of the search of one model.

    Args:
        table: Its candidates.
        dark: Colours for a dark page.
    """

    def __init__(self, table: CandidateTable, *, dark: bool = False) -> None:
        self.axes = make_axes(table)[:MOST_AXES]
        self.painter = Painter(dark=dark)
        self.source, self.line_source, self.best, self.cells = (ColumnDataSource() for _ in range(4))
        self.mapper, self.cell_mapper = (LinearColorMapper(palette=["#000000"]) for _ in range(2))
        self.metric = table.metric
        self._rows: Sequence[Any] = ()
        self._greater = table.greater_is_better
        self.pair = (self.axes[0], self.axes[1]) if len(self.axes) > 1 else None
        self.update(table)
        self.history = self._make_history()
        self.heat_map = None if self.pair is None else self._make_heat_map()
        self.slices = [self._make_slice(i, axis) for i, axis in enumerate(self.axes)]
        self.parallel = self._make_parallel()
        first = [self.history] if self.heat_map is None else [self.history, self.heat_map]
        rows = [_make_row(first, 420), _make_row(self.slices, 240), _make_row([self.parallel], 320)]
        self.layout = column(*rows, sizing_mode="stretch_width", spacing=12)
        self.set_dark(dark=dark)

    def update(self, table: CandidateTable, share: float = 1.0) -> None:
        """Show other candidates of the same search; those that were chosen stay so.

        Args:
            table: The candidates.
            share: Only this share of them, the best ones.
        """
        chosen = self.chosen if self._rows else []
        self._rows = list_scored(table, share)
        _fill(self.best, make_best_line(table))
        _scale(self.mapper, [row.mean for row in self._rows])
        data = make_source_data(self._rows, self.axes)
        _fill(self.source, data)
        _fill(self.line_source, make_line_data(data, len(self.axes), MOST_LINES))
        self._fill_cells()
        self.choose(chosen)

    def set_pair(self, across: str, up: str) -> None:
        """Name the two ranges of the heat map."""
        named = {axis.name: axis for axis in self.axes}
        self.pair = (named[across], named[up])
        self._fill_cells()
        self._set_up_heat_map()

    def set_dark(self, *, dark: bool) -> None:
        """Colours for a dark or a light page: the best scores stand out most from either."""
        palette = list(Viridis256[40:]) if dark else list(Viridis256[:225])[::-1]
        for mapper in (self.mapper, self.cell_mapper):
            mapper.palette = palette if self._greater else palette[::-1]
        self.painter.set_dark(dark=dark)

    @property
    def chosen(self) -> list[int]:
        """Numbers of the candidates that are chosen."""
        return self._numbers_of(self.source, self.source.selected.indices)

    def choose(self, numbers: Sequence[int]) -> None:
        """Choose candidates in every plot."""
        wanted = set(numbers)
        for source in (self.source, self.line_source):
            indices = [i for i, number in enumerate(source.data["number"]) if number in wanted]
            if indices != list(source.selected.indices):
                source.selected.indices = indices

    def on_choice(self, call: Callable[[list[int]], None]) -> None:
        """Call something with the numbers of the candidates that a user chooses in a plot."""
        follow(self.source.selected, "indices", lambda indices: call(self._numbers_of(self.source, indices)))
        follow(self.line_source.selected, "indices", lambda indices: call(self._numbers_of(self.line_source, indices)))
        follow(self.cells.selected, "indices", lambda indices: call(self.list_of_cells(indices)) if indices else None)

    def list_of_cells(self, indices: Sequence[int]) -> list[int]:
        """Numbers of the candidates of some cells of the heat map."""
        numbers = self.cells.data["numbers"]
        return sorted({number for i in indices if i < len(numbers) for number in numbers[i]})

    @staticmethod
    def _numbers_of(source: ColumnDataSource, indices: Sequence[int]) -> list[int]:
        numbers = source.data["number"]
        return sorted(numbers[i] for i in indices if i < len(numbers))

    def _fill_cells(self) -> None:
        cells = _NO_CELLS
        if self.pair is not None:
            cells = make_cells(self._rows, *self.pair, greater_is_better=self._greater)
        _scale(self.cell_mapper, cells["score"])
        _fill(self.cells, cells)

    def _make_history(self) -> figure:
        plot = self._figure("History: every candidate, and the best so far")
        plot.xaxis.axis_label = "Candidate, in the order of proposal"
        plot.yaxis.axis_label = f"{self.metric} ({direction_text(self._greater)})"
        stair = plot.step("number", "best", source=self.best, mode="after", line_width=2)
        self.painter.add(stair.glyph, "ink", "line_color")
        self._draw_points(plot, "number")
        return plot

    def _make_slice(self, i: int, axis: RangeAxis) -> figure:
        plot = self._figure(f"Score against {axis.label}", height=240, x_range=Range1d())
        _set_axis(plot.xaxis[0], plot.x_range, axis)
        plot.yaxis.axis_label = self.metric if i == 0 else ""
        self._draw_points(plot, f"at{i}")
        return plot

    def _make_heat_map(self) -> figure:
        plot = self._figure("Best score for each pair of values", x_range=Range1d(), y_range=Range1d())
        fill: Any = {"field": "score", "transform": self.cell_mapper}
        cells = plot.quad(
            "left", "right", "top", "bottom", source=self.cells, fill_color=fill, fill_alpha=0.85, line_color=None
        )
        cells.selection_glyph = cells.nonselection_glyph = None
        self._dots = Scatter(x="at0", y="at1", size=6, fill_color="white", line_color="#222222")
        self._faded_dots = _fade(self._dots)
        dots = plot.add_glyph(self.source, self._dots, nonselection_glyph=self._faded_dots)
        hovers = [HoverTool(renderers=[cells], tooltips=_CELL_TIPS), HoverTool(renderers=[dots], tooltips=_TIPS)]
        plot.add_tools(*hovers)
        bar = ColorBar(color_mapper=self.cell_mapper, width=10, label_standoff=6, background_fill_alpha=0.0)
        self.painter.add(bar, "ink", "major_label_text_color")
        plot.add_layout(bar, "right")
        self.heat_map = plot
        self._set_up_heat_map()
        return plot

    def _set_up_heat_map(self) -> None:
        """Axes and points of the pair of ranges."""
        if self.pair is None or self.heat_map is None:
            return
        _set_axis(self.heat_map.xaxis[0], self.heat_map.x_range, self.pair[0])
        _set_axis(self.heat_map.yaxis[0], self.heat_map.y_range, self.pair[1])
        fields = [f"at{self.axes.index(axis)}" for axis in self.pair]
        for glyph in (self._dots, self._faded_dots):
            glyph.update(x=fields[0], y=fields[1])

    def _make_parallel(self) -> figure:
        last = len(self.axes)
        across, up = Range1d(start=-0.35, end=last + 0.45), Range1d(start=-0.12, end=1.12)
        plot = self._figure("Parallel coordinates: a line for each candidate", x_range=across, y_range=up)
        color: Any = {"field": "score", "transform": self.mapper}
        lines = plot.multi_line("xs", "ys", source=self.line_source, line_color=color, line_width=1.8, line_alpha=0.7)
        lines.nonselection_glyph = lines.glyph.clone(line_alpha=_FAINT * 0.6)
        lines.selection_glyph = lines.hover_glyph = lines.glyph.clone(line_alpha=1.0, line_width=3)
        plot.add_tools(HoverTool(renderers=[lines], tooltips=_TIPS, line_policy="interp"))
        for i in range(last + 1):
            upright = Span(location=i, dimension="height", line_width=1.5)
            self.painter.add(upright, "grid", "line_color")
            plot.add_layout(upright)
            knot = Scatter(x={"value": i}, y="score_share" if i == last else f"share{i}", size=5, line_color=None)
            faded = _fade(knot)
            self.painter.add(knot, "ink", "fill_color")
            self.painter.add(faded, "ink", "fill_color")
            plot.add_glyph(self.source, knot, nonselection_glyph=faded)  # boxes can be drawn around them
        self._label_parallel(plot)
        return plot

    def _label_parallel(self, plot: figure) -> None:
        """Names below the axes, values beside them; those of the score follow it."""
        names = [*(axis.label for axis in self.axes), self.metric]
        _name_ticks(plot.xaxis[0], [(float(i), name) for i, name in enumerate(names)])
        plot.yaxis.visible = plot.grid.visible = False
        ticks = [(i, axis.low, axis.high, tick) for i, axis in enumerate(self.axes) for tick in axis.list_ticks()]
        texts = [
            (i, place / max(1, len(self.axes[i].choices) - 1), text)
            if self.axes[i].choices
            else (i, (place - low) / (high - low or 1.0), text)
            for i, low, high, (place, text) in ticks
        ]
        values, ends = ColumnDataSource(), ColumnDataSource()
        _fill(values, {"x": [t[0] for t in texts], "y": [t[1] for t in texts], "text": [t[2] for t in texts]})
        for source in (values, ends):
            drawn = plot.text("x", "y", "text", source=source, text_font_size="11px", x_offset=8)
            drawn.glyph.update(text_baseline="middle", background_fill_alpha=0.75, padding=2)
            self.painter.add(drawn.glyph, "ink", "text_color")
            self.painter.add(drawn.glyph, "page", "background_fill_color")

        def label(_: Any = None) -> None:
            shown = [f"{end:.4g}" if self._rows else "" for end in (self.mapper.low, self.mapper.high)]
            _fill(ends, {"x": [len(self.axes)] * 2, "y": [0.0, 1.0], "text": shown})

        follow(self.source, "data", label)
        label()

    def _draw_points(self, plot: figure, x: str) -> None:
        """The candidates, by score."""
        fill: Any = {"field": "score", "transform": self.mapper}
        glyph = Scatter(x=x, y="score", size=8, fill_color=fill, fill_alpha=0.9)
        chosen, faded = glyph.clone(size=11, line_width=2), _fade(glyph)
        self.painter.add(glyph, "page", "line_color")
        self.painter.add(faded, "page", "line_color")
        self.painter.add(chosen, "ink", "line_color")
        dots = plot.add_glyph(self.source, glyph, selection_glyph=chosen, nonselection_glyph=faded)
        plot.add_tools(HoverTool(renderers=[dots], tooltips=_TIPS))

    def _figure(self, title: str, *, height: int = 340, **options: Any) -> figure:
        """An empty figure with the tools of all."""
        known: dict[str, Any] = {"title": title, "height": height, "tools": _TOOLS, "toolbar_location": "above"}
        plot = figure(**known, **options, sizing_mode="stretch_width")
        brush = BoxSelectTool()
        plot.add_tools(brush)
        plot.toolbar.update(active_drag=brush, autohide=True, logo=None)
        self.painter.add_figure(plot)
        return plot


def follow(model: Any, name: str, call: Callable[[Any], None]) -> None:
    """Call something with the new value whenever a property of a Bokeh model changes."""

    def changed(attr: str, old: Any, new: Any) -> None:  # noqa: ARG001  Bokeh wants these names
        call(new)

    model.on_change(name, changed)


def _fill(source: ColumnDataSource, data: Any) -> None:
    source.data = data


def _scale(mapper: LinearColorMapper, scores: Sequence[float | None]) -> None:
    known = [score for score in scores if score is not None]
    mapper.update(low=min(known, default=0.0), high=max(known, default=1.0))


def _set_axis(drawn: Any, interval: Any, axis: RangeAxis) -> None:
    """Make an axis of a figure that of a range."""
    drawn.axis_label = axis.label
    interval.update(start=axis.ends[0], end=axis.ends[1], reset_start=axis.ends[0], reset_end=axis.ends[1])
    _name_ticks(drawn, axis.list_ticks())


def _name_ticks(drawn: Any, ticks: Sequence[tuple[float, str]]) -> None:
    drawn.update(ticker=FixedTicker(ticks=[place for place, _ in ticks]), major_label_overrides=dict(ticks))


def _make_row(plots: Sequence[Any], least: int) -> Any:
    """Figures beside each other, or below where the page is narrow."""
    for plot in plots:
        plot.styles = {"flex": f"1 1 {least}px", "min-width": f"{min(least, 300)}px"}
    return row(*plots, sizing_mode="stretch_width", styles={"flex-wrap": "wrap"})


def _fade(glyph: Any) -> Any:
    return glyph.clone(fill_alpha=_FAINT, line_alpha=_FAINT)
