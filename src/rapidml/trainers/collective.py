"""Ranks of XGBoost's collective: a thread each, in any process, numbered by what they train on, not by who came first.

Reference:
    Chen and Guestrin (2016), "XGBoost: a scalable tree boosting system"; the collective is that of ``xgboost.dask``,
    where a rank is a worker. Here a rank is a shard: a worker may hold any number of them, and the model is the same.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from rapidml.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Result = TypeVar("Result")
Address = dict[str, Any]

STEP_SECONDS = 60
"""Longest wait for another rank. All begin when all have their rows, so it is one step of one tree that must be done by
then. The library's own limit is half an hour, for which a frozen process would hold up the others."""

_MARKS = ("collective", "allreduce", "allgather", "broadcast", "bootstrap", "tracker")


_DROP = ctypes.CFUNCTYPE(None, ctypes.c_char_p)(lambda _line: None)
"""Takes a line of the library's log and drops it; lives as long as the library may call it."""


class RankLostError(ModelError):
    """A rank did not answer the others: its process died, froze or raised."""


class Tracker:
    """What introduces the ranks of one fit to each other. Close it, or drop it.

    It lives in a thread of the library, which ends its whole process when a rank goes away while others are still
    awaited. So it belongs on a worker, whose end is provided for, and not into the process of a user.

    Args:
        ranks: How many will come.
        host: Address of this process that all of them reach; 127.0.0.1 keeps it on this host.
    """

    def __init__(self, ranks: int, host: str) -> None:
        from xgboost.tracker import RabitTracker

        self._tracker: Any = RabitTracker(n_workers=ranks, host_ip=host, sortby="task")
        self._tracker.start()

    def address(self) -> Address:
        """How a rank finds it; plain data."""
        return {**self._tracker.worker_args(), "dmlc_timeout": STEP_SECONDS, "dmlc_retry": 1}

    def close(self) -> None:
        """Let it go; without ranks it would wait for ever."""
        from xgboost.core import XGBoostError

        with contextlib.suppress(XGBoostError):  # it was still waiting for a rank that never came
            self._tracker.free()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # while the interpreter ends, modules may be gone
            self.close()


@contextlib.contextmanager
def open_tracker(ranks: int, host: str) -> Iterator[Address]:
    """A tracker in this process, for ranks that are all in it too; see ``Tracker``.

    Yields:
        How a rank finds it.
    """
    tracker = Tracker(ranks, host)
    try:
        yield tracker.address()
    finally:
        tracker.close()


def agree(number: int) -> None:
    """Make sure that all ranks have the same number, before they do something together that needs it.

    Raises:
        RankLostError: They have not. Every rank learns of it.
    """
    import numpy as np
    from xgboost import collective

    mine = np.array([number])
    least = int(collective.allreduce(mine, collective.Op.MIN)[0])
    most = int(collective.allreduce(mine, collective.Op.MAX)[0])
    if least != most:
        raise RankLostError(f"shards would have begun at rounds {least} and {most}")


def run_ranks(ranks: Sequence[int], address: Mapping[str, Any], train: Callable[[int], Result]) -> dict[int, Result]:
    """Train with some of the ranks in this process, each in a thread.

    Args:
        ranks: Their numbers.
        address: What ``open_tracker`` gave.
        train: Called with the number of each rank, in its thread, inside the collective.

    Returns:
        What ``train`` returned, by rank.

    Raises:
        RankLostError: A rank elsewhere did not answer, and none here failed by itself.
        Exception: What ``train`` raised by itself.
    """
    results: dict[int, Result] = {}
    errors: list[Exception] = []

    def work(rank: int) -> None:
        from xgboost.collective import CommunicatorContext

        _silence()
        try:
            with CommunicatorContext(**address, dmlc_task_id=f"{rank:06d}"):
                try:
                    results[rank] = train(rank)
                except Exception as error:
                    errors.append(error)  # leaving the collective may raise another one in its place
                    raise
        except Exception as error:  # noqa: BLE001  (raised again below, in the thread that waits)
            if error not in errors:
                errors.append(error)

    threads = [threading.Thread(target=work, args=(rank,), name=f"shard-{rank}", daemon=True) for rank in ranks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _raise_cause(errors)
    return results


def _raise_cause(errors: Sequence[Exception]) -> None:
    """Raise what a rank raised by itself; else, that another one was lost."""
    for error in errors:
        if not is_loss(error):
            raise error
    for error in errors:
        raise RankLostError(f"another shard did not answer: {_first_line(error)}") from error


def _silence() -> None:
    """Keep this thread's "Task 0 got rank 0" off the terminal: it heeds no verbosity, and its target is a thread's."""
    import xgboost

    library = getattr(xgboost.core, "_LIB", None)
    if library is not None:
        library.XGBRegisterLogCallback(_DROP)


def is_loss(error: BaseException) -> bool:
    """Whether an error says that another rank was lost, not that this one failed."""
    from xgboost.core import XGBoostError

    if isinstance(error, RankLostError):
        return True
    cause = error.__cause__ if isinstance(error, ModelError) else error
    text = str(cause).lower()
    return isinstance(cause, XGBoostError) and any(mark in text for mark in _MARKS)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
