"""Rows that a worker has opened, kept for the next fit of the run."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from distributed import WorkerPlugin, get_worker

from rapidml.execution.rows import load_rows

if TYPE_CHECKING:
    from rapidml.execution.rows import Rows, RowsRequest


class OpenedRows(WorkerPlugin):
    """Keeps the rows that a worker opened last, so that fits of one run open them once."""

    name = "rapidml-rows"
    capacity = 2

    def __init__(self) -> None:
        self.opened: OrderedDict[tuple[Any, ...], Rows] = OrderedDict()

    def get(self, request: RowsRequest) -> Rows:
        """The rows of a request, opened now or before."""
        known = (request.folders, request.split, request.seed, request.profile is not None, request.request.rows_key)
        if known not in self.opened or self.opened[known].request != request:
            self.opened[known] = load_rows(request)
        self.opened.move_to_end(known)
        while len(self.opened) > self.capacity:
            self.opened.popitem(last=False)
        return self.opened[known]


def open_rows(request: RowsRequest) -> Rows:
    """The rows of a request on the worker that runs this task."""
    plugin = get_worker().plugins.get(OpenedRows.name)
    return plugin.get(request) if isinstance(plugin, OpenedRows) else load_rows(request)
