"""Colours of figures that follow the page: dark on a light one, light on a dark one, changed in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from bokeh.plotting import figure

Color = Literal["ink", "grid", "page"]
_LIGHT: dict[Color, str] = {"ink": "#333333", "grid": "#e4e4e4", "page": "#ffffff"}
_DARK: dict[Color, str] = {"ink": "#e0e0e0", "grid": "#444444", "page": "#121212"}


class Painter:
    """Remembers what has which colour.

    Args:
        dark: Whether the page is dark.
    """

    def __init__(self, *, dark: bool = False) -> None:
        self._colors = _DARK if dark else _LIGHT
        self._painted: list[tuple[Any, str, Color]] = []

    def add(self, model: Any, color: Color, *names: str) -> None:
        """Paint properties of a Bokeh model, now and whenever the page changes."""
        for name in names:
            self._painted.append((model, name, color))
            setattr(model, name, self._colors[color])

    def add_figure(self, plot: figure) -> None:
        """Paint axes, grid and title of a figure; its background is the page's."""
        plot.border_fill_alpha = 0.0
        plot.background_fill_alpha = 0.002  # with none at all, Bokeh's outline strokes what was drawn before a resize
        self.add(plot, "grid", "outline_line_color")
        title: Any = plot.title
        title.update(text_font_size="14px", text_font_style="normal")
        self.add(title, "ink", "text_color")
        for axis in plot.axis:
            self.add(axis, "ink", "axis_label_text_color", "major_label_text_color")
            self.add(axis, "grid", "axis_line_color", "major_tick_line_color", "minor_tick_line_color")
            axis.axis_label_text_font_size, axis.major_label_text_font_size = "13px", "12px"
            axis.axis_label_text_font_style = "normal"
        for grid in plot.grid:
            self.add(grid, "grid", "grid_line_color")

    def set_dark(self, *, dark: bool) -> None:
        """Paint everything for a dark or a light page."""
        self._colors = _DARK if dark else _LIGHT
        for model, name, color in self._painted:
            setattr(model, name, self._colors[color])
