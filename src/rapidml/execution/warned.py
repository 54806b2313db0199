"""What libraries warn of during a fit: kept with the fit instead of scrolling past.

The hooks for warnings belong to the process, and fits may run side by side in one: they are set when the first fit
begins, put back when the last has ended, and tell the fits apart by their thread.
"""

from __future__ import annotations

import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 5
"""Different warnings kept of one fit."""


class _Router:
    """Sends a warning to the fit of its thread, or where it would have gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._here = threading.local()
        self._users = 0
        self._filters: list[Any] = []
        self._show: Any = None

    def enter(self, found: list[str]) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._filters, self._show = list(warnings.filters), warnings.showwarning
                warnings.simplefilter("always")
                warnings.showwarning = self._route
        self._here.found = found

    def leave(self) -> None:
        self._here.found = None
        with self._lock:
            self._users -= 1
            if self._users == 0:
                warnings.showwarning = self._show
                warnings.resetwarnings()
                warnings.filters[:] = self._filters  # type: ignore[index]

    def _route(self, message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        found = getattr(self._here, "found", None)
        if found is None:
            self._show(message, category, *place, **more)
        elif not issubclass(category, DeprecationWarning | PendingDeprecationWarning | FutureWarning):
            text = next((line.strip() for line in str(message).splitlines() if line.strip()), category.__name__)
            if text not in found and len(found) < MOST:
                found.append(text)


_router = _Router()


@contextmanager
def collect_warnings() -> Iterator[list[str]]:
    """First lines of the different warnings that this thread's code gives inside; deprecations are dropped."""
    found: list[str] = []
    _router.enter(found)
    try:
        yield found
    finally:
        _router.leave()
