"""How many threads libraries under scikit-learn use, so that their number changes no result.

Sums in BLAS depend on its number of threads, so BLAS gets one, always. OpenMP loops get the fit's threads only in
classes whose result does not depend on it. The BLAS setting belongs to the process, so fits that run side by side in
one process share it: it is set when the first begins and put back when the last has ended.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from threadpoolctl import ThreadpoolController


class _SharedLimit:
    """One thread for BLAS while at least one user is inside."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._limit: Any = None

    def enter(self, controller: ThreadpoolController) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._limit = controller.limit(limits=1, user_api="blas")

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._limit.restore_original_limits()


_blas = _SharedLimit()


@lru_cache(maxsize=128)
def _find_pools(type_name: str) -> ThreadpoolController:  # noqa: ARG001  (what is loaded depends on it)
    """The thread pools of the libraries in this process, looked for once a type: that takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def limit_threads(openmp: int, type_name: str) -> Iterator[None]:
    """One BLAS thread, and a number of OpenMP threads (the latter for the calling thread alone).

    Args:
        openmp: Number of OpenMP threads.
        type_name: Type of model that computes inside; its libraries are loaded.
    """
    controller = _find_pools(type_name)
    _blas.enter(controller)
    try:
        with controller.limit(limits=openmp, user_api="openmp"):
            yield
    finally:
        _blas.leave()


def map_rows(function: Callable[[NDArray[Any]], NDArray[Any]], matrix: NDArray[Any], threads: int) -> NDArray[Any]:
    """A function of rows, computed in blocks of rows by threads; each row's result is its own.

    Args:
        function: Gives one result a row. Called from several threads at once.
        matrix: Shape ``(n_rows, n_columns)``.
        threads: Number of threads.

    Returns:
        The results of all rows, in order.
    """
    import numpy as np

    if threads <= 1 or len(matrix) < 2 * threads:
        return function(matrix)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads) as pool:
        return np.concatenate(list(pool.map(function, np.array_split(matrix, threads))))
