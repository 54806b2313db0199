"""The page of a search: its candidates as a table and as plots, brushed together, kept up to date while it works.

The page asks a source what there is, in a thread, and never twice at a time. It knows no store.
"""

from __future__ import annotations

import asyncio
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

import panel as pn
import panel_material_ui as pmui
from panel_material_ui.template.base import Page

from rapidml.dashboard.candidate_records import MOST_LISTED, make_candidate_columns, make_candidate_records
from rapidml.dashboard.record_table import RecordTable
from rapidml.dashboard.search_plots import SearchPlots
from rapidml.dashboard.selected_view import make_notes
from rapidml.errors import RapidmlError
from rapidml.layout import count_text
from rapidml.search_text import direction_text, search_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from rapidml.execution.candidate_table import CandidateTable
    from rapidml.execution.search_state import SearchState

SHARES = {"all": 1.0, "the best half": 0.5, "the best tenth": 0.1}
_HOW = (
    "Choose candidates in the table, click them in any plot, or draw a box around them (in parallel coordinates around "
    "points on an axis): they stand out everywhere."
)


class Source(Protocol):
    """What the page asks; called in threads, one call at a time."""

    def look(self) -> SearchState:
        """The searches of the run."""
        ...


class SearchPage:
    """The page of one session.

    Args:
        source: Where candidates come from.
        model: Model whose search is shown; the first if None.
        link: Address of the page of another model.
    """

    def __init__(self, source: Source, model: str | None, link: Callable[[str], str]) -> None:
        self.source = source
        self.model = model
        self._link = link
        self.state: SearchState | None = None
        self.plots: SearchPlots | None = None
        self.is_dark = False
        self._chosen: list[int] = []
        self._is_busy = self._is_silent = False
        self._drawn: tuple[Any, ...] = ()
        self.status = pn.pane.HTML("", sizing_mode="stretch_width", margin=(8, 10))
        self.problem = pn.pane.HTML("", visible=False, sizing_mode="stretch_width")
        self.models = pn.pane.HTML("", margin=(14, 10))
        self.share = pmui.Select(label="Plots show", options=SHARES, value=1.0, size="small", width=160)
        self.only_chosen = pmui.Switch(label="List only the chosen", value=False, margin=(14, 10))
        self.none = pmui.Button(label="Choose none", size="small", variant="outlined", disabled=True, margin=(8, 10))
        self.told = pn.pane.HTML("", visible=False, sizing_mode="stretch_width")
        self.table = RecordTable(caption="Candidates", selectable=True, empty="No candidate yet.")
        self.table.param.update(
            sizing_mode="stretch_width",
            stylesheets=[*self.table.stylesheets, ":host { --record-table-height: 26rem; }"],
        )
        self.listed = pn.pane.HTML("", sizing_mode="stretch_width")
        self.across = pmui.Select(label="Across", size="small", width=180)
        self.up = pmui.Select(label="Up", size="small", width=180)
        self.drawn = pn.pane.Bokeh(sizing_mode="stretch_width", min_width=320, theme=None)
        self.page = self._make_page()
        self._listen()

    def _listen(self) -> None:
        self.share.param.watch(lambda _: self._update(), "value")
        self.only_chosen.param.watch(lambda _: self._list(), "value")
        self.table.param.watch(self._choose_in_table, "selected")
        self.none.on_click(lambda _: self._choose([]))
        for select in (self.across, self.up):
            select.param.watch(self._change_pair, "value")
        self.page.param.watch(lambda event: self._set_dark(dark=event.new), "dark_theme")

    def _make_page(self) -> Any:
        head = pn.FlexBox(
            self.models, self.share, self.only_chosen, self.none, align_items="center", sizing_mode="stretch_width"
        )
        self.pair = pn.FlexBox(
            pn.pane.HTML("Pair of values", margin=(14, 10)), self.across, self.up, align_items="center"
        )
        self.plots_view = _paper(self.pair, self.drawn)
        self.plots_view.visible = False
        how = pn.pane.HTML(_small(_HOW), sizing_mode="stretch_width")
        table = _paper(head, self.status, self.problem, self.table, self.listed, how)
        self.title = pn.pane.HTML("", sizing_mode="stretch_width")
        return Page(
            title="rapidml",
            header=[self.title],
            main=[pn.Column(table, self.told, self.plots_view, sizing_mode="stretch_width", margin=(8, 16, 32, 16))],
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

    def _try(self) -> SearchState | str:
        try:
            return self.source.look()
        except (RapidmlError, OSError) as error:
            return str(error)

    def _take(self, found: SearchState | str) -> None:
        """Show what a look found, or why it failed: what was seen before then stays."""
        problem = found if isinstance(found, str) else found.problem
        self.problem.param.update(object=make_notes([problem] if problem else [], "alert"), visible=bool(problem))
        if isinstance(found, str) or found is self.state:
            return
        self.state = found
        self.title.object = _title(found)
        if self.model not in found.tables:
            self.model = next(iter(found.tables), self.model)
        self.models.object = _list_models(list(found.tables), self.model, self._link)
        self._show()

    @property
    def shown(self) -> CandidateTable | None:
        """The candidates that are shown."""
        return None if self.state is None else self.state.tables.get(self.model or "")

    def _show(self) -> None:
        """Show the model: draw anew where its ranges are others, else only move the data."""
        state, table = self.state, self.shown
        if state is None or table is None:
            running = state is not None and state.state == "running"
            self.status.object = _small("The search has not begun yet." if running else "This run searched nothing.")
            return
        heading = state.heading(self.model or "")
        self.status.object = f'<span role="status">{escape(describe_search(table, heading))}</span>'
        self._tell(state)
        columns = make_candidate_columns(table, heading)
        if columns != self.table.columns:
            self.table.columns = columns
        drawn = (table.ranges, _count_choices(table))
        if drawn != self._drawn:
            self._drawn = drawn
            self._draw(table)
        self._update()

    def _tell(self, state: SearchState) -> None:
        """What the result says of the search."""
        entry = None if state.result is None else state.result["models"].get(self.model)
        if entry is None or not entry.get("search"):
            self.told.visible = False
            return
        lines = search_lines({**(state.result or {}), "models": {self.model: entry}})
        self.told.param.update(object=_told(lines), visible=True)

    def _draw(self, table: CandidateTable) -> None:
        """Draw the plots: once, unless candidates bring values that no axis has."""
        self.plots = plots = SearchPlots(table, dark=self.is_dark)
        self._offer_pair()
        if self.pair.visible:
            plots.set_pair(self.across.value, self.up.value)
        plots.choose(self._chosen)
        plots.on_choice(self._choose)
        self.drawn.object = plots.layout

    def _offer_pair(self) -> None:
        """Which two ranges the heat map can have; those chosen before stay if they can."""
        assert self.plots is not None
        ranges = {axis.label: axis.name for axis in self.plots.axes}
        names = list(ranges.values())
        pair = [self.across.value, self.up.value]
        pair = pair if set(pair) <= set(names) else [*names, None][:2]
        self._is_silent = True
        for select, value in zip((self.across, self.up), pair, strict=True):
            select.param.update(options=ranges, value=value)
        self._is_silent = False
        self.pair.visible = len(names) > 1

    def _update(self) -> None:
        """Bring data and choice to where they are shown."""
        table, plots = self.shown, self.plots
        if table is None or plots is None:
            return
        self._is_silent = True
        plots.update(table, self.share.value)
        plots.choose(self._chosen)
        self._is_silent = False
        self.plots_view.visible = bool(plots.source.data["number"])
        self._list()

    def _list(self) -> None:
        table = self.shown
        if table is None:
            return
        chosen = set(self._chosen)
        only = self.only_chosen.value and bool(chosen)
        self.none.disabled = not chosen
        self.table.set_records(make_candidate_records(table, chosen, only_chosen=only))
        text = f"{count_text(len(chosen), 'candidate')} chosen." if chosen else ""
        if len(table.rows) > MOST_LISTED and not only:
            text = f"The best {MOST_LISTED} of {len(table.rows):,} are listed, and what is chosen. {text}"
        self.listed.object = _small(text) if text else ""

    def _choose(self, numbers: list[int]) -> None:
        """Choose candidates, wherever that was done."""
        if self._is_silent or numbers == self._chosen:
            return
        self._chosen = numbers
        self._is_silent = True
        self.table.selected = [str(number) for number in numbers]
        if self.plots is not None:
            self.plots.choose(numbers)
        self._is_silent = False
        self._list()

    def _choose_in_table(self, event: Any) -> None:
        self._choose(sorted(int(key) for key in event.new))

    def _change_pair(self, _event: Any) -> None:
        if not self._is_silent and self.plots is not None:
            self.plots.set_pair(self.across.value, self.up.value)

    def _set_dark(self, *, dark: bool) -> None:
        self.is_dark = dark
        if self.plots is not None:
            self.plots.set_dark(dark=dark)


def describe_search(table: CandidateTable, heading: str) -> str:
    """How far a search is, in a sentence.

    Args:
        table: Its candidates.
        heading: What the scores are.
    """
    counts = [("done", "done"), ("running", "running"), ("waiting", "waiting")]
    counts += [("pruned", "stopped early"), ("failed", "failed")]
    numbers = ", ".join(f"{table.count(state):,} {text}" for state, text in counts if table.count(state))
    text = f"{table.method} by {heading} ({direction_text(table.greater_is_better)})"
    return f"{text}: {count_text(len(table.rows), 'candidate')}, {numbers}" if table.rows else text


def _list_models(models: list[str], shown: str | None, link: Callable[[str], str]) -> str:
    """The searched models, those that are not shown as links."""
    if len(models) < 2:
        return ""
    names = [
        f'<b aria-current="page">{escape(name)}</b>'
        if name == shown
        else f'<a href="{escape(link(name))}">{escape(name)}</a>'
        for name in models
    ]
    return f"<nav>{' &nbsp; '.join(names)}</nav>"


def _count_choices(table: CandidateTable) -> tuple[int, ...]:
    """Number of different values of each range: other runs bring some that the recipe does not list."""
    return tuple(
        len({repr(row.values.get(known.name)) for row in table.rows}) if known.kind == "any" else 0
        for known in table.ranges
    )


def _title(state: SearchState) -> str:
    name = escape(f"{state.name} {state.run}".strip())
    back = '<a href="./" style="color:#fff">all runs</a>'
    text = f"{back} &nbsp;/&nbsp; {name}, {escape(state.state)}"
    return f'<span style="color:#fff;overflow-wrap:anywhere">{text}</span>'


def _told(lines: list[str]) -> str:
    """The sentences of a result; commands, which are indented most, as such."""
    pieces = []
    for line in lines:
        text, code = escape(line.strip()), line.startswith("      ")
        pieces.append(f"<code>{text}</code>" if code else f'<p style="margin:4px 0">{text}</p>')
    style = "border-left:4px solid #0072b2;padding:2px 12px;font-size:0.875rem;margin:8px 0;overflow-wrap:anywhere"
    return f'<div role="note" style="{style}">{"".join(pieces)}</div>'


def _paper(*content: Any) -> Any:
    return pmui.Paper(*content, elevation=0, variant="outlined", sizing_mode="stretch_width")


def _small(html: str) -> str:
    return f'<p style="margin:0;font-size:0.8rem;opacity:0.8">{html}</p>'
