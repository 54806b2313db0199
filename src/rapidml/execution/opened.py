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
    from collections.abc import Callable, Iterator

    from rapidml.execution.rows import Rows, RowsRequest
    from rapidml.models.holding import Held


class OpenedRows(WorkerPlugin):
    """Keeps the rows that a worker opened last, so that fits of one run open them once.

    Runs on one cluster share it, at once or one after the other: what is kept is found by all that makes up the rows.

    Args:
        alone: Each worker is a process of its own.
    """

    name = "rapidml-rows"
    idempotent = True  # a second run on the cluster leaves the first one's rows and lock in place
    capacity = 4  # runs at once, and repetitions of the folds

    def __init__(self, *, alone: bool) -> None:
        self.alone = alone
        self.opened: OrderedDict[tuple[Any, ...], Rows] = OrderedDict()
        self.held: OrderedDict[tuple[Any, ...], Held] = OrderedDict()
        self.lock: Any = None

    def setup(self, worker: Any) -> None:  # noqa: ARG002  (Dask's signature)
        """Called when a worker gets its copy; a lock cannot travel."""
        self.lock = RLock()

    def get(self, request: RowsRequest) -> Rows:
        """The rows of a request, opened now or before."""
        known = _name_rows(request)
        if known not in self.opened or self.opened[known].request != request:
            self.opened[known] = load_rows(request)
        self.opened.move_to_end(known)
        while len(self.opened) > self.capacity:
            self.opened.popitem(last=False)
        return self.opened[known]

    def hold(self, request: RowsRequest, key: tuple[Any, ...], make: Callable[[], Held]) -> Held:
        """Rows in a library's form, made now or before; the least recently used are dropped for new ones."""
        known = (*_name_rows(request), *(feature.key for feature in _features(request)), *key)
        if known not in self.held:
            self._make_room()
            self.held[known] = make()
        self.held.move_to_end(known)
        return self.held[known]

    def _make_room(self) -> None:
        limit = _memory_to_hold()
        while self.held and sum(held.n_bytes for held in self.held.values()) > limit:
            self.held.popitem(last=False)


def _name_rows(request: RowsRequest) -> tuple[Any, ...]:
    known = (request.folders, request.split, request.seed, request.repetition, request.profile is not None)
    return (*known, request.request.rows_key)


def _features(request: RowsRequest) -> tuple[Any, ...]:
    return () if request.profile is None else tuple(request.profile.features)


def _memory_to_hold() -> int:
    """Bytes of rows that a worker holds at most before it takes others: all workers of a host together a quarter."""
    import psutil

    return int(psutil.virtual_memory().total // (4 * max(1, psutil.cpu_count() or 1)))


def open_rows(request: RowsRequest) -> Rows:
    """The rows of a request on the worker that runs this task."""
    plugin = get_worker().plugins.get(OpenedRows.name)
    return plugin.get(request) if isinstance(plugin, OpenedRows) else load_rows(request)


def hold_rows(request: RowsRequest, key: tuple[Any, ...], make: Callable[[], Held]) -> Held:
    """Rows in a library's form on the worker that runs this task, made now or held since another fit."""
    plugin = get_worker().plugins.get(OpenedRows.name)
    return plugin.hold(request, key, make) if isinstance(plugin, OpenedRows) else make()


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
