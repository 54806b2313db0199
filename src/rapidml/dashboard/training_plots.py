"""The plots of a training as Bokeh figures: losses of replicas and centre, by epoch, staleness, throughput.

They are drawn once for what is to be drawn, and then changed in place while it goes on. No two share a source: they can
be replaced one by one. Trainings in, figures out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bokeh.models import (
    BasicTickFormatter,
    ColumnDataSource,
    DataRange1d,
    HoverTool,
    NumeralTickFormatter,
)
from bokeh.models.annotations.legends import Legend, LegendItem
from bokeh.plotting import figure

from rapidml.dashboard.line_styles import COLORS, make_styles
from rapidml.dashboard.page_colors import Painter
from rapidml.dashboard.training_records import LOSSES, MOST_REPLICAS, make_curve, make_losses, make_throughput
from rapidml.training_text import join_bins

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rapidml.execution.training_state import Training

Across = Literal["seconds", "samples"]
ACROSS: Mapping[str, str] = {
    "seconds": "Time since the first replica began (s)",
    "samples": "Samples that all replicas together have trained on",
}
"""What losses are drawn over, and what the axis then says."""
_TOOLS = "pan,box_zoom,wheel_zoom,reset,save"
_EPOCH_COLORS = {"train": COLORS[0], "watch": COLORS[1]}
_MOST_BARS = 40
FIGURES = ("curves", "losses", "staleness", "throughput")
"""Names of the figures, in the order of the page."""


class TrainingPlots:
    """The figures of one training: ``figures``, by name; None for one that has nothing to show.

    Args:
        training: The training.
        across: What losses are drawn over.
        dark: Colours for a dark page.
    """

    def __init__(self, training: Training, across: Across, *, dark: bool = False) -> None:
        self.drawn = list_drawn(training)
        self.painter = Painter(dark=dark)
        self.across: Across = across
        self.over: list[figure] = []
        self.lines: list[Any] = []
        self.curves = {("replicas", name): ColumnDataSource() for name in self.drawn.replicas[:MOST_REPLICAS]}
        self.curves |= {("centre", name): ColumnDataSource() for name in self.drawn.centre}
        self.losses = {name: ColumnDataSource() for name in self.drawn.losses}
        self.throughput, self.staleness = ColumnDataSource(), ColumnDataSource()
        self.best = ColumnDataSource()
        self.update(training)
        self.figures: dict[str, figure | None] = {
            "curves": self._make_curves() if self.curves else None,
            "losses": self._make_losses() if self.losses else None,
            "staleness": self._make_staleness() if self.drawn.is_stale else None,
            "throughput": self._make_throughput() if self.drawn.replicas else None,
        }

    def update(self, training: Training) -> None:
        """Bring the data of the same training to where they are drawn."""
        for (kind, name), source in self.curves.items():
            _fill(source, make_curve(training.curves[kind][name]))
        losses = make_losses(training)
        for name, source in self.losses.items():
            _fill(source, losses[name])
        _fill(self.throughput, _make_stairs(make_throughput(training.curves.get("replicas", {}))))
        _fill(self.staleness, _make_bars(training.told.get("staleness") or {}))
        best, watched = training.told.get("best_epoch"), losses.get("watch", {"epoch": [], "loss": []})
        kept = [at for at, epoch in enumerate(watched["epoch"]) if epoch == best]
        _fill(self.best, {name: [values[at] for at in kept] for name, values in watched.items()})

    def set_across(self, across: Across) -> None:
        """Draw losses over time or over samples."""
        self.across = across
        for plot in self.over:
            plot.xaxis.axis_label = ACROSS[across]
            plot.xaxis.formatter = (
                NumeralTickFormatter(format="0,0") if across == "samples" else BasicTickFormatter(use_scientific=False)
            )
        for glyph in self.lines:
            glyph.x = across

    def set_dark(self, *, dark: bool) -> None:
        """Colours for a dark or a light page."""
        self.painter.set_dark(dark=dark)

    def _make_curves(self) -> figure:
        plot = self._figure("Loss of replicas and centre")
        plot.yaxis.axis_label = "Loss (replicas: mean over a window)"
        styles = iter(make_styles(len(self.curves)))
        self.over.append(plot)
        items: list[tuple[str, list[Any]]] = []
        for (kind, name), source in self.curves.items():
            style = next(styles) if kind == "replicas" else None
            options: dict[str, Any] = {"line_width": 3.5} if style is None else {"line_width": 1.8, "line_alpha": 0.85}
            dashes = "solid" if style is None or not style.dash else list(style.dash)
            drawn = plot.line(self.across, "loss", source=source, line_dash=dashes, **options)
            drawn.nonselection_glyph = None
            if style is None:
                dots = plot.scatter(self.across, "loss", source=source, size=7)
                self.painter.add(dots.glyph, "ink", "fill_color", "line_color")
                self.painter.add(drawn.glyph, "ink", "line_color")
                self.lines.append(dots.glyph)
            else:
                drawn.glyph.line_color = style.color
            self.lines.append(drawn.glyph)
            label = f"replica {name}" if kind == "replicas" else LOSSES.get(name, name)
            tips = [("", label), ("loss", "@loss{0.0000}"), ("time", "@seconds{0.0} s"), ("samples", "@samples{0,0}")]
            plot.add_tools(HoverTool(renderers=[drawn], tooltips=tips, line_policy="nearest"))
            renderers = [drawn] if style is not None else [drawn, dots]
            items.append((label, renderers))
        self._add_legend(plot, items)
        self.set_across(self.across)
        return plot

    def _make_losses(self) -> figure:
        plot = self._figure("Loss by epoch")
        plot.xaxis.axis_label, plot.yaxis.axis_label = "Epoch", "Mean loss of the rows"
        _count(plot.xaxis[0])
        items: list[tuple[str, list[Any]]] = []
        for name, source in self.losses.items():
            dash: Any = "solid" if name == "train" else [8, 3]
            line = plot.line("epoch", "loss", source=source, line_width=2.5, line_dash=dash)
            marker: Any = "circle" if name == "train" else "square"
            dots = plot.scatter("epoch", "loss", source=source, size=6, marker=marker)
            if name in _EPOCH_COLORS:
                line.glyph.line_color = dots.glyph.fill_color = dots.glyph.line_color = _EPOCH_COLORS[name]
            else:
                self.painter.add(line.glyph, "ink", "line_color")
                self.painter.add(dots.glyph, "ink", "fill_color", "line_color")
            label = LOSSES.get(name, name)
            tips = [("", label), ("epoch", "@epoch"), ("loss", "@loss{0.0000}")]
            plot.add_tools(HoverTool(renderers=[dots], tooltips=tips))
            items.append((label, [line, dots]))
        if self.drawn.has_best and "watch" in self.losses:
            ring = plot.scatter("epoch", "loss", source=self.best, size=15, fill_alpha=0.0, line_width=2)
            self.painter.add(ring.glyph, "ink", "line_color")
            items.append(("best epoch", [ring]))
        self._add_legend(plot, items)
        return plot

    def _make_staleness(self) -> figure:
        plot = self._figure("Staleness of the exchanges", height=260, y_range=DataRange1d(start=0))
        plot.xaxis.axis_label, plot.yaxis.axis_label = (
            "Updates of the centre by others since the last exchange",
            "Exchanges",
        )
        _count(plot.xaxis[0])
        _count(plot.yaxis[0])
        bars = plot.quad("left", "right", "count", "zero", source=self.staleness, fill_color=COLORS[0], fill_alpha=0.8)
        self.painter.add(bars.glyph, "page", "line_color")
        tips = [("staleness", "@text"), ("exchanges", "@count{0,0}"), ("share", "@share{0.0%}")]
        plot.add_tools(HoverTool(renderers=[bars], tooltips=tips))
        plot.xgrid.visible = False
        return plot

    def _make_throughput(self) -> figure:
        plot = self._figure("Throughput of all replicas together", height=260, y_range=DataRange1d(start=0))
        plot.xaxis.axis_label, plot.yaxis.axis_label = ACROSS["seconds"], "Samples in a second"
        plot.yaxis.formatter = NumeralTickFormatter(format="0,0")
        line = plot.line("seconds", "rate", source=self.throughput, line_width=2, line_color=COLORS[2])
        tips = [("samples in a second", "@rate{0,0}"), ("time", "@seconds{0.0} s")]
        plot.add_tools(HoverTool(renderers=[line], tooltips=tips, line_policy="prev"))
        return plot

    def _figure(self, title: str, *, height: int = 340, **options: Any) -> figure:
        known: dict[str, Any] = {"title": title, "height": height, "tools": _TOOLS, "toolbar_location": "above"}
        plot = figure(**known, **options, sizing_mode="stretch_width")
        plot.toolbar.update(autohide=True, logo=None)
        self.painter.add_figure(plot)
        return plot

    def _add_legend(self, plot: figure, items: Sequence[tuple[str, list[Any]]]) -> None:
        """Names of the lines, in the corner that falling losses leave free; a click hides one."""
        entries = [LegendItem(label=label, renderers=renderers) for label, renderers in items]
        legend = Legend(items=entries, location="top_right", click_policy="hide", border_line_alpha=0.0)
        legend.update(label_text_font_size="12px", background_fill_alpha=0.7, spacing=1, padding=6, glyph_width=28)
        legend.ncols = 1 if len(items) < 7 else 2
        self.painter.add(legend, "ink", "label_text_color")
        self.painter.add(legend, "page", "background_fill_color")
        plot.add_layout(legend)


@dataclass(frozen=True)
class Drawn:
    """What there is to be drawn: figures of trainings for which it is the same can be changed into each other.

    Attributes:
        replicas: Replicas with losses over time, by number.
        centre: Losses of the centre over time.
        losses: Losses by epoch.
        is_stale: Whether any exchange was stale.
        has_best: Whether one epoch is the best one.
    """

    replicas: tuple[str, ...]
    centre: tuple[str, ...]
    losses: tuple[str, ...]
    is_stale: bool
    has_best: bool


def list_drawn(training: Training) -> Drawn:
    """What there is to be drawn of a training."""
    return Drawn(
        tuple(sorted(training.curves.get("replicas", {}), key=int)),
        tuple(training.curves.get("centre", {})),
        tuple(make_losses(training)),
        any(int(late) for late in training.told.get("staleness") or ()),
        bool(training.told.get("best_epoch")),
    )


def _fill(source: ColumnDataSource, data: Any) -> None:
    source.data = data


def _count(axis: Any) -> None:
    """Whole numbers along an axis."""
    axis.ticker.update(min_interval=1, num_minor_ticks=0)
    axis.formatter = NumeralTickFormatter(format="0,0")


def _make_stairs(steps: Sequence[tuple[float, float, float]]) -> dict[str, list[float]]:
    """Steps as points of a line."""
    ends = [(end, rate) for begin, until, rate in steps for end in (begin, until)]
    return {"seconds": [end for end, _ in ends], "rate": [rate for _, rate in ends]}


def _make_bars(staleness: Mapping[str, int]) -> dict[str, list[Any]]:
    """A histogram as bars, neighbours joined where there are too many."""
    names = ("left", "right", "count", "share", "text", "zero")
    if not staleness:
        return {name: [] for name in names}
    total = sum(staleness.values())
    rows = [
        (low - 0.45, high + 0.45, count, count / total, str(low) if low == high else f"{low} to {high}", 0)
        for low, high, count in join_bins({int(late): count for late, count in staleness.items()}, _MOST_BARS)
    ]
    return {name: [line[place] for line in rows] for place, name in enumerate(names)}
