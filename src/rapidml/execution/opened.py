"""Rows that a worker has opened, kept for the next fit of the run."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from distributed import WorkerPlugin, get_worker

from rapidml.execution.rows import load_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rapidml.execution.rows import Rows, RowsRequest


class OpenedRows(WorkerPlugin):
    """Keeps the rows that a worker opened last, so that fits of one run open them once.

    Runs on one cluster share it, at once or one after the other: what is kept is found by all that makes up the rows.

    Args:
        alone: Each worker is a process of its own.
    """

    name = "rapidml-rows"
    idempotent = True  # a second run on the cluster leaves the first one's rows and lock in place
    capacity = 2

    def __init__(self, *, alone: bool) -> None:
        self.alone = alone
        self.opened: OrderedDict[tuple[Any, ...], Rows] = OrderedDict()
        self.lock: Any = None

    def setup(self, worker: Any) -> None:  # noqa: ARG002  (Dask's signature)
        """Called when a worker gets its copy; a lock cannot travel."""
        self.lock = RLock()

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


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """One fit a worker, however many tasks Dask gives it at once: a fit has all threads of its worker."""
    plugin = get_worker().plugins.get(OpenedRows.name)
    if not isinstance(plugin, OpenedRows):
        yield
        return
    with plugin.lock:
        if plugin.alone:
            forget_peak()
        yield


def forget_peak() -> None:
    """Count the largest resident size of this process from now on; a worker may have served other runs before.

    Only Linux can do it, elsewhere the largest size so far stays.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
