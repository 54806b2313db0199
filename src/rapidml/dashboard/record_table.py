"""The table that the pages are made of: plain records in, an HTML table out that is updated in place.

A record is ``{"key", "label", "look", "cells": {column: cell}}``. A cell is text, or a mapping with ``text``,
``beside`` (more of it), ``small`` (a second line), ``sort`` (what the column is ordered by), ``title``, ``tone`` (a
mark before the text), ``tags``, ``bar`` (progress from 0 to 1) and ``sample`` (a piece of a line: ``color``, ``dash``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import param
from panel.custom import JSComponent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FOLDER = Path(__file__).parent


class RecordTable(JSComponent):
    """A table of records."""

    caption = param.String(doc="What the table holds, for screen readers.")
    columns = param.List(doc="Columns: key, label, align, sort, title, heading.")
    records = param.List(doc="Records, in the order to be shown.")
    selectable = param.Boolean(default=False, doc="Whether rows can be chosen.")
    selected = param.List(doc="Keys of the chosen rows.")
    empty = param.String(doc="What stands there without any record.")
    command = param.String(doc="Command line below it.")

    _esm: ClassVar[str] = (_FOLDER / "record_table.js").read_text(encoding="utf-8")
    _stylesheets: ClassVar[list[str]] = [(_FOLDER / "record_table.css").read_text(encoding="utf-8")]

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)  # type: ignore[no-untyped-call]  # param has no annotations

    def set_records(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Replace the records, unless they are the same."""
        if list(records) != self.records:
            self.records = list(records)


def column(key: str, label: str, **more: Any) -> dict[str, Any]:
    """A column; it can be sorted by unless ``sort=False``."""
    return {"key": key, "label": label, "sort": True, **more}
