"""The page of a training: losses of replicas and centre, staleness and throughput of a network, kept up to date.

The page asks a source what there is, in a thread, and never twice at a time. It knows no store.
"""

from __future__ import annotations

import asyncio
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

import panel as pn
import panel_material_ui as pmui
from panel_material_ui.template.base import Page

from rapidml.dashboard.record_table import RecordTable
from rapidml.dashboard.selected_view import make_notes
from rapidml.dashboard.training_plots import FIGURES, TrainingPlots, list_drawn
from rapidml.dashboard.training_records import (
    COLUMNS,
    MOST_REPLICAS,
    describe_training,
    explain_curves,
    explain_staleness,
    make_training_records,
)
from rapidml.errors import RapidmlError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rapidml.execution.training_state import Training, TrainingState

_PLACE = {"flex": "1 1 45%", "min-width": "min(400px, 100%)"}
"""Figures stand beside each other, or below where the page is narrow."""
NOTHING = "This run trains no network."


class Source(Protocol):
    """What the page asks; called in threads, one call at a time."""

    def look(self) -> TrainingState:
        """The trainings of the run."""
        ...


class TrainingPage:
    """The page of one session.

    Args:
        source: Where trainings come from.
        model: Model whose training is shown; the first if None.
        link: Address of the page of another model.
    """

    def __init__(self, source: Source, model: str | None, link: Callable[[str], str]) -> None:
        self.source = source
        self.model = model
        self._link = link
        self.state: TrainingState | None = None
        self.plots: TrainingPlots | None = None
        self.is_dark = False
        self._is_busy = self._is_silent = self._is_chosen = False
        self._drawn: tuple[Any, ...] = ()
        self.status = pn.pane.HTML("", sizing_mode="stretch_width", margin=(8, 10))
        self.problem = pn.pane.HTML("", visible=False, sizing_mode="stretch_width")
        self.models = pn.pane.HTML("", margin=(14, 10))
        self.fit = pmui.Select(label="Fit", size="small", width=160, visible=False)
        self.across = pmui.RadioButtonGroup(
            options={"time": "seconds", "samples": "samples"}, value="seconds", size="small", label="", margin=(8, 10)
        )
        self.table = RecordTable(caption="Trainings of the run", columns=list(COLUMNS), empty=NOTHING)
        self.table.sizing_mode = "stretch_width"
        self.told = pn.pane.HTML("", sizing_mode="stretch_width")
        self.drawn = {name: pn.pane.Bokeh(sizing_mode="stretch_width", theme=None) for name in FIGURES}
        self.page = self._make_page()
        self.fit.param.watch(self._choose_fit, "value")
        self.across.param.watch(self._change_across, "value")
        self.page.param.watch(lambda event: self._set_dark(dark=event.new), "dark_theme")

    def _make_page(self) -> Any:
        self.head = pn.FlexBox(self.models, self.fit, align_items="center", sizing_mode="stretch_width")
        self.switch = pn.FlexBox(pn.pane.HTML("Losses over", margin=(0, 0, 0, 10)), self.across, align_items="center")
        self.places = {name: pn.Column(pane, styles=_PLACE, visible=False) for name, pane in self.drawn.items()}
        drawn = pn.FlexBox(*self.places.values(), sizing_mode="stretch_width", gap="12px")
        self.plots_view = _paper(self.switch, drawn, self.told)
        self.plots_view.param.update(visible=False, margin=(12, 0, 0, 0))
        table = _paper(self.head, self.status, self.problem, self.table)
        self.title = pn.pane.HTML("", sizing_mode="stretch_width")
        return Page(
            title="rapidml",
            header=[self.title],
            main=[pn.Column(table, self.plots_view, sizing_mode="stretch_width", margin=(8, 16, 32, 16))],
            main_width=1500,
        )

    def fill(self) -> None:
        """The first look, before the page is sent: it then comes with its content."""
        self._take(self._try())

    async def tick(self) -> None:
        """Look, and show what changed; returns at once while another look is under way."""
        if self._is_busy:
            return
        self._is_busy = True
        try:
            self._take(await asyncio.to_thread(self._try))
        finally:
            self._is_busy = False

    def _try(self) -> TrainingState | str:
        try:
            return self.source.look()
        except (RapidmlError, OSError) as error:
            return str(error)

    def _take(self, found: TrainingState | str) -> None:
        """Show what a look found, or why it failed: what was seen before then stays."""
        problem = found if isinstance(found, str) else ""
        self.problem.param.update(object=make_notes([problem] if problem else [], "alert"), visible=bool(problem))
        if isinstance(found, str) or found is self.state:
            return
        self.state = found
        self.title.object = _title(found)
        if self.model not in found.models:
            self.model = next(iter(found.models), self.model)
        self.models.object = _list_models(list(found.models), self.model, self._link)
        self._offer_fits()
        self.head.visible = bool(self.models.object) or self.fit.visible
        self._show()

    @property
    def fits(self) -> tuple[Training, ...]:
        """The fits of the model that is shown."""
        return () if self.state is None else tuple(self.state.models.get(self.model or "", ()))

    @property
    def shown(self) -> Training | None:
        """The fit that is shown: the one that was chosen, else the one under way, else the last."""
        fits = {fit.title: fit for fit in self.fits}
        return fits.get(self.fit.value)

    def _offer_fits(self) -> None:
        """Which fit can be shown; until one is chosen, the newest under way is."""
        titles = [fit.title for fit in self.fits]
        running = [fit.title for fit in self.fits if fit.state == "running"]
        is_kept = self._is_chosen and self.fit.value in titles
        value = self.fit.value if is_kept else next(iter([*running, *titles[-1:]]), None)
        self._is_silent = True
        self.fit.param.update(options=titles, value=value, visible=len(titles) > 1)
        self._is_silent = False

    def _choose_fit(self, _event: Any) -> None:
        if not self._is_silent:
            self._is_chosen = True
            self._show()

    def _show(self) -> None:
        """Show the fit: draw anew where there is something else to be drawn, else only move the data."""
        state, fit = self.state, self.shown
        if state is None:
            return
        self.table.set_records(make_training_records(state, fit))
        self.table.visible = bool(state.models)
        self.status.object = _say(_sentence(state, fit))
        self.plots_view.visible = fit is not None
        if fit is None:
            return
        drawn = (fit.model, fit.title, list_drawn(fit))
        if self.plots is None or drawn != self._drawn:
            self._drawn = drawn
            self.plots = TrainingPlots(fit, self.across.value, dark=self.is_dark)
            for name, plot in self.plots.figures.items():
                self.drawn[name].object = plot
                self.places[name].visible = plot is not None
        else:
            self.plots.update(fit)
        self.switch.visible = bool(self.plots.curves)
        self.told.object = "".join(_small(escape(text)) for text in _explain(fit))

    def _change_across(self, event: Any) -> None:
        if self.plots is not None:
            self.plots.set_across(event.new)

    def _set_dark(self, *, dark: bool) -> None:
        self.is_dark = dark
        if self.plots is not None:
            self.plots.set_dark(dark=dark)


def _sentence(state: TrainingState, fit: Training | None) -> str:
    """How it stands, in a sentence."""
    if fit is not None:
        return describe_training(fit)
    if not state.models:
        return NOTHING
    return "Its training has not begun yet." if state.state == "running" else "Nothing of it was trained."


def _explain(fit: Training) -> list[str]:
    """What has to be said below the plots."""
    count = len(fit.curves.get("replicas", {}))
    many = f"The first {MOST_REPLICAS} of {count:,} replicas are drawn." if count > MOST_REPLICAS else ""
    losses = "" if fit.told.get("history", {}).get("round") else "No epoch has ended yet."
    failed = f"It failed: {fit.error}" if fit.error else ""
    return [text for text in (failed, losses, explain_curves(fit), many, explain_staleness(fit)) if text]


def _list_models(models: Sequence[str], shown: str | None, link: Callable[[str], str]) -> str:
    """The networks of the run, those that are not shown as links."""
    if len(models) < 2:
        return ""
    names = [
        f'<b aria-current="page">{escape(name)}</b>'
        if name == shown
        else f'<a href="{escape(link(name))}">{escape(name)}</a>'
        for name in models
    ]
    return f"<nav>{' &nbsp; '.join(names)}</nav>"


def _title(state: TrainingState) -> str:
    name = escape(f"{state.name} {state.run}".strip())
    back = '<a href="./" style="color:#fff">all runs</a>'
    text = f"{back} &nbsp;/&nbsp; {name}, {escape(state.state)}"
    return f'<span style="color:#fff;overflow-wrap:anywhere">{text}</span>'


def _say(text: str) -> str:
    return f'<span role="status">{escape(text)}</span>'


def _paper(*content: Any) -> Any:
    return pmui.Paper(*content, elevation=0, variant="outlined", sizing_mode="stretch_width")


def _small(html: str) -> str:
    return f'<p style="margin:0;font-size:0.8rem;opacity:0.8">{html}</p>'
