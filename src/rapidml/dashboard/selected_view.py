"""The lower half of the page of runs: scores of the chosen runs, and their ROC curves with a table beside them."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import panel as pn
import panel_material_ui as pmui

from rapidml.dashboard.entry import search_address, training_address
from rapidml.dashboard.record_table import RecordTable
from rapidml.dashboard.roc_plot import (
    MOST_LINES,
    describe_curves,
    legend_columns,
    list_classes,
    make_legend,
    make_lines,
    make_roc_figure,
)
from rapidml.dashboard.score_table import make_score_columns, make_score_records
from rapidml.execution.selected import Selected
from rapidml.layout import count_text
from rapidml.training_text import ONE_PROCESS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapidml.dashboard.roc_plot import Line
    from rapidml.execution.selected import SearchedModel, TrainedNetwork

NOTHING = "Choose one or more runs above to see their scores and curves."
NO_CURVES = "There are no ROC curves for regression: compare rmse, mae and r2 in the table above."
_READING = (
    "[low, high] holds the central 68.3% of 200 bootstrap replicas. <b>tied</b>: these rows cannot tell the model from "
    "the best; <b>worse (97%)</b>: below the best in 97% of the replicas."
)


class SelectedView:
    """Shows what was loaded of the chosen runs."""

    def __init__(self) -> None:
        self.selected = Selected()
        self.is_dark = False
        self.notes = pn.pane.HTML("", visible=False, sizing_mode="stretch_width")
        self.searches = pn.pane.HTML("", visible=False, sizing_mode="stretch_width")
        self.trainings = pn.pane.HTML("", visible=False, sizing_mode="stretch_width")
        self.scores = RecordTable(caption="Scores of the models of the chosen runs", empty=NOTHING)
        self.scores.sizing_mode = "stretch_width"
        self.reading = pn.pane.HTML(_small(_READING), sizing_mode="stretch_width")
        self.class_name = pmui.Select(label="Class", size="small", width=220, visible=False)
        self.axis = pmui.RadioButtonGroup(
            options={"linear": False, "logarithmic": True}, value=False, size="small", label="", margin=(8, 10)
        )
        self.plot = pn.pane.Bokeh(sizing_mode="stretch_width", min_width=340, theme=None)
        self.legend = RecordTable(caption="ROC curves in numbers", sizing_mode="stretch_width")
        self.sentence = pn.pane.HTML("", sizing_mode="stretch_width")
        self.class_name.param.watch(lambda _: self._draw(), "value")
        self.axis.param.watch(lambda _: self._draw(), "value")
        self._make_layout()

    def _make_layout(self) -> None:
        self.curves = pn.Column(
            pn.FlexBox(
                self.class_name,
                pn.pane.HTML("False positive rate", margin=(0, 0, 0, 10)),
                self.axis,
                align_items="center",
                gap="4px",
                sizing_mode="stretch_width",
            ),
            pn.FlexBox(
                pn.Column(self.plot, styles={"flex": "3 1 440px", "min-width": "340px"}),
                pn.Column(self.legend, styles={"flex": "2 1 400px", "min-width": "320px"}),
                sizing_mode="stretch_width",
            ),
            self.sentence,
            sizing_mode="stretch_width",
        )
        self.no_curves = pn.pane.HTML("", visible=False, sizing_mode="stretch_width")
        self.view = pn.Column(
            _heading("Scores"),
            self.notes,
            self.searches,
            self.trainings,
            _paper(self.scores, self.reading),
            _heading("ROC curves"),
            _paper(self.curves, self.no_curves),
            sizing_mode="stretch_width",
        )

    def show(self, selected: Selected) -> None:
        """Show other runs, or other results of them."""
        self.selected = selected
        self.notes.param.update(object=make_notes(selected.notes), visible=bool(selected.notes))
        self.searches.param.update(object=_link_searches(selected.searched), visible=bool(selected.searched))
        self.trainings.param.update(object=_link_trainings(selected.networks), visible=bool(selected.networks))
        classes = list_classes(selected.curves)
        kept = self.class_name.value if self.class_name.value in classes else next(iter(classes), None)
        self.class_name.param.update(options=classes, value=kept, visible=len(classes) > 1)
        self._draw()

    def set_dark(self, *, dark: bool) -> None:
        """Draw for a dark or a light page."""
        self.is_dark = dark
        self._draw()

    def _draw(self) -> None:
        selected = self.selected
        lines = make_lines(selected.curves, self.class_name.value)
        self._show_scores(lines)
        self.curves.visible, self.no_curves.visible = bool(lines), not lines
        if not lines:
            only_numbers = selected.task_kinds == ("regression",)
            self.no_curves.object = _small(NO_CURVES if only_numbers else "No curves to show.")
            return
        self.plot.object = make_roc_figure(lines, dark=self.is_dark, logarithmic=self.axis.value)
        self.legend.columns = legend_columns(lines[0].curve.class_name)
        self.legend.set_records(make_legend(lines))
        self.sentence.object = _small(escape(f"{describe_curves(lines)}{self._left_out(len(lines))}"))

    def _show_scores(self, lines: list[Line]) -> None:
        selected = self.selected
        self.reading.visible = bool(selected.scores)
        columns = make_score_columns(selected) if selected.scores else []
        if columns != self.scores.columns:
            self.scores.columns = columns
        self.scores.set_records(make_score_records(selected, {line.key: line.style for line in lines}))

    def _left_out(self, shown: int) -> str:
        name = self.class_name.value
        every = sum(name in (None, curve.class_name) for _, _, curve in self.selected.curves)
        return f" The first {MOST_LINES} of {every} curves are drawn; choose fewer runs." if every > shown else ""


def make_notes(notes: Sequence[str], role: str = "note") -> str:
    """Sentences that have to be said, one a line.

    Args:
        notes: The sentences, as text.
        role: ``note``, or ``alert`` for what went wrong.
    """
    edge = "#d55e00" if role == "alert" else "#0072b2"
    style = f"border-left:4px solid {edge};padding:2px 12px;font-size:0.875rem;margin:4px 0"
    lines = "".join(f'<p style="margin:4px 0">{escape(note)}</p>' for note in notes)
    return f'<div role="{role}" style="{style}">{lines}</div>' if notes else ""


def _link_searches(searched: Sequence[SearchedModel]) -> str:
    """Links to the pages of searches."""
    links = [
        f'<a href="{escape(search_address(one.run, one.model))}">{escape(one.run_name)} / {escape(one.model)}</a> '
        f"({count_text(one.candidates, 'candidate')})"
        for one in searched
    ]
    return f'<p style="margin:4px 0;font-size:0.875rem">Searches: {" &nbsp; ".join(links)}</p>'


def _link_trainings(networks: Sequence[TrainedNetwork]) -> str:
    """Links to the pages of trainings."""
    links = [
        f'<a href="{escape(training_address(one.run, one.model))}">{escape(one.run_name)} / {escape(one.model)}</a>'
        + ("" if one.trainer == ONE_PROCESS else f" ({escape(one.trainer)})")
        for one in networks
    ]
    return f'<p style="margin:4px 0;font-size:0.875rem">Trainings of networks: {" &nbsp; ".join(links)}</p>'


def _heading(text: str) -> Any:
    return pmui.Typography(text, variant="h6", margin=(22, 0, 6, 0))


def _paper(*content: Any) -> Any:
    return pmui.Paper(*content, elevation=0, variant="outlined", sizing_mode="stretch_width")


def _small(html: str) -> str:
    return f'<p style="margin:0;font-size:0.8rem;opacity:0.8">{html}</p>'
