"""The page of runs: a table of the newest, scores and ROC curves of the chosen ones, kept up to date while it is open.

The page asks a source what there is, in a thread, once a second and never twice at a time. It knows no store.
"""

from __future__ import annotations

import asyncio
import time
from html import escape
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import panel as pn
import panel_material_ui as pmui
from panel_material_ui.template.base import Page

from rapidml.dashboard.marks_form import MarksForm
from rapidml.dashboard.record_table import RecordTable
from rapidml.dashboard.runs_table import COLUMNS, make_run_records
from rapidml.dashboard.selected_view import SelectedView, make_notes
from rapidml.errors import RapidmlError
from rapidml.layout import count_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rapidml.execution.overview import RunRow
    from rapidml.execution.selected import Selected

T = TypeVar("T")
PERIOD = 1000
"""Milliseconds between two looks."""


class Source(Protocol):
    """What the page asks; called in threads, one call at a time."""

    def look(self, filter_text: str | None = None) -> list[RunRow]:
        """The newest runs that a filter selects."""
        ...

    def load(self, keys: Sequence[str]) -> Selected:
        """Scores and curves of some runs."""
        ...

    def mark(self, key: str, tags: Sequence[str], note: str) -> None:
        """Give a run these tags and this note."""
        ...


class RunsPage:
    """The page of one session.

    Args:
        source: Where runs come from.
        place: What the page is about: the path of the store.
        how_to_start: Command line that makes a first run.
        execute: Runs a coroutine function soon, in the session.
        read_only: Whether tags and notes cannot be changed.
    """

    def __init__(
        self, source: Source, place: str, how_to_start: str, execute: Callable[[Any], None], *, read_only: bool = False
    ) -> None:
        self.source = source
        self._execute = execute
        self.rows: list[RunRow] = []
        self.how_to_start = how_to_start
        self._filter: str | None = None
        self._is_busy = self._is_late = self._is_chosen = self._is_silent = False
        self._shown: tuple[Any, ...] | None = None
        self.table = RecordTable(
            caption="Runs", columns=list(COLUMNS), selectable=True, empty="Looking …", sizing_mode="stretch_width"
        )
        self.table.stylesheets = [*self.table.stylesheets, ":host { --record-table-height: 24rem; }"]
        self.filter = pmui.TextInput(
            label="Filter, as in rapidml ls",
            placeholder="name == 'higgs' and scores.roc_auc > 0.9",
            size="small",
            sizing_mode="stretch_width",
            max_width=560,
        )
        self.status = pn.pane.HTML("", margin=(8, 10))
        self.problem = pn.pane.HTML("", visible=False, sizing_mode="stretch_width")
        self.selected = SelectedView()
        self.marks = MarksForm(self._save_marks, read_only=read_only)
        self.table.param.watch(self._choose, "selected")
        self.filter.param.watch(self._change_filter, "value")
        self.page = self._make_page(place)

    def _make_page(self, place: str) -> Any:
        head = pn.FlexBox(self.filter, self.status, align_items="center", sizing_mode="stretch_width")
        runs = pmui.Paper(
            head,
            self.problem,
            self.table,
            self.marks.view,
            elevation=0,
            variant="outlined",
            sizing_mode="stretch_width",
        )
        page = Page(
            title="rapidml",
            header=[
                pn.pane.HTML(
                    f'<span style="color:#fff;overflow-wrap:anywhere">{escape(place)}</span>',
                    sizing_mode="stretch_width",
                )
            ],
            main=[pn.Column(runs, self.selected.view, sizing_mode="stretch_width", margin=(8, 16, 32, 16))],
            main_width=1500,
        )
        page.param.watch(lambda event: self.selected.set_dark(dark=event.new), "dark_theme")
        return page

    def fill(self) -> None:
        """The first look, before the page is sent: it then comes with its content."""
        self._take(_try(self.source.look, None))
        keys = self._find_changed()
        if keys is not None:
            self._show(_try(self.source.load, keys))

    async def tick(self) -> None:
        """Look, and show what changed; returns at once while another look is under way."""
        if self._is_busy:
            return
        self._is_busy = True
        try:
            self._is_late = True
            while self._is_late:  # asked for something else meanwhile
                self._is_late = False
                self._take(await asyncio.to_thread(_try, self.source.look, self._filter))
                keys = self._find_changed()
                if keys is not None:
                    self._show(await asyncio.to_thread(_try, self.source.load, keys))
        finally:
            self._is_busy = False

    def _take(self, found: list[RunRow] | str) -> None:
        """Show the runs that a look found, or why it failed: the runs seen before then stay."""
        problem = found if isinstance(found, str) else ""
        self.rows = self.rows if isinstance(found, str) else found
        self._complain(problem)
        is_empty = not self.rows and self._filter is None
        text = "No runs yet. Start one in a terminal, and it appears here:" if is_empty else "No run fits the filter."
        self.table.param.update(empty=text, command=self.how_to_start if is_empty else "")
        self.selected.view.visible = not is_empty
        self.table.set_records(make_run_records(self.rows, time.time()))
        running = sum(row.state == "running" for row in self.rows)
        text = count_text(len(self.rows), "run") + (f", {running} running" if running else "")
        self.status.object = f'<span role="status">{text}</span>'
        if not self._is_chosen:
            newest = next((row.key for row in self.rows if row.score is not None), None)
            self._select([] if newest is None else [newest])

    def _find_changed(self) -> list[str] | None:
        """Chosen runs if these, or their states, are others than those shown; None if all is as before."""
        self._show_marks()
        known = {row.key: row for row in self.rows}
        keys = list(self.table.selected)
        rows = {key: known.get(key) for key in keys}
        state = tuple(
            (key, *(() if row is None else (row.state, row.seconds, row.is_searched))) for key, row in rows.items()
        )
        if state == self._shown:
            return None
        self._shown = state
        return keys

    def _show(self, selected: Selected | str) -> None:
        if isinstance(selected, str):
            self._complain(selected)
        else:
            self.selected.show(selected)

    def _select(self, keys: list[str]) -> None:
        """Choose runs for a user who has not chosen any."""
        if keys != self.table.selected:
            self._is_silent = True
            self.table.selected = keys
            self._is_silent = False

    def _choose(self, _event: Any) -> None:
        if not self._is_silent:
            self._is_chosen = True
            self._show_marks()  # not after the next look: what is written meanwhile is for the run chosen now
            self._hurry()

    def _show_marks(self) -> None:
        """Tags and note are those of the chosen run, if it is one."""
        keys = self.table.selected
        self.marks.show(next((row for row in self.rows if keys == [row.key]), None))

    def _change_filter(self, event: Any) -> None:
        self._filter = event.new.strip() or None
        self._hurry()

    def _hurry(self) -> None:
        """Look now, or again right after the look that is under way."""
        self._is_late = True
        self._execute(self.tick)

    def _complain(self, text: str) -> None:
        self.problem.param.update(object=make_notes([text] if text else [], "alert"), visible=bool(text))

    def _save_marks(self, row: RunRow, tags: Sequence[str], note: str) -> str:
        """Save tags and note; returns what went wrong."""
        try:
            self.source.mark(row.key, tags, note)
        except (RapidmlError, OSError) as error:
            return str(error)
        self._hurry()
        return ""


def _try(work: Callable[..., T], *arguments: Any) -> T | str:
    """What a call returns, or the text of its error."""
    try:
        return work(*arguments)
    except (RapidmlError, OSError) as error:
        return str(error)
