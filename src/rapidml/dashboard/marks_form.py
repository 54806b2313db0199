"""Tags and note of one run, to be changed in the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import panel as pn
import panel_material_ui as pmui

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rapidml.execution.overview import RunRow


class MarksForm:
    """Two fields and a button; hidden unless one run is shown.

    Args:
        save: Called with the run, its tags and its note; returns what went wrong, or nothing.
        read_only: Nothing can be changed.
    """

    def __init__(self, save: Callable[[RunRow, Sequence[str], str], str], *, read_only: bool = False) -> None:
        self._save = save
        self._row: RunRow | None = None
        self.tags = pmui.TextInput(
            label="Tags of the chosen run", placeholder="paper baseline", size="small", disabled=read_only, width=260
        )
        self.note = pmui.TextInput(
            label="Note", size="small", disabled=read_only, sizing_mode="stretch_width", max_width=560
        )
        self.button = pmui.Button(label="Save", size="small", variant="outlined", disabled=read_only, margin=(8, 10))
        self.answer = pn.pane.HTML("", margin=(14, 10))
        self.button.on_click(self._click)
        self.view = pn.FlexBox(
            self.tags,
            self.note,
            self.button,
            self.answer,
            visible=False,
            sizing_mode="stretch_width",
            margin=(12, 0, 6, 0),
            align_items="center",
        )

    def show(self, row: RunRow | None) -> None:
        """Show the marks of a run; what is being written is not overwritten.

        Args:
            row: The run; None hides the fields.
        """
        before, self._row = self._row, row
        self.view.visible = row is not None and row.state != "damaged"
        if row is None:
            return
        if before is None or (before.key, before.tags, before.note) != (row.key, row.tags, row.note):
            self.tags.value, self.note.value, self.answer.object = row.tags, row.note, ""

    def _click(self, _event: Any) -> None:
        if self._row is None:
            return
        from html import escape

        problem = self._save(self._row, self.tags.value.split(), self.note.value.strip())
        self.answer.object = f'<span role="status">{escape(problem) or "saved"}</span>'
