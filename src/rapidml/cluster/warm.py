"""The user's warm cluster: start it, find it, ask how it is, end it. One a user and host."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rapidml.cluster.environment import describe_environment, find_difference
from rapidml.cluster.private_files import (
    check_folder,
    load_private,
    look_at_lock,
    make_runtime_folder,
    runtime_folder,
    take_lock,
)
from rapidml.cluster.served import Served, Wanted
from rapidml.cluster.settings import LOCK, LOG, RECORD, STARTING
from rapidml.cluster.starting import READY_WITHIN, AlreadyRunning, Started
from rapidml.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

IDLE = 3600.0
"""Seconds without client and task after which a warm cluster ends itself."""
RESTART = "rapidml cluster stop && rapidml cluster start"
_KEEPER = "rapidml.cluster.keeper"
_ANSWER_WITHIN = 2.0
_STOP_WITHIN = 10.0


@dataclass(frozen=True)
class Status:
    """How the warm cluster is.

    Attributes:
        state: ``none``; ``starting``; ``running``; ``silent``: its processes are there, but it does not answer;
            ``dead``: it ended without taking leave.
        served: Where it is; None while there is nothing.
        log: Its log file.
        clients: Connected clients.
        tasks: Tasks being done.
        workers: Workers that are ready.
        difference: Why this process cannot use it, in words; None if it can.
    """

    state: Literal["none", "starting", "running", "silent", "dead"]
    served: Served | None
    log: Path
    clients: int = 0
    tasks: int = 0
    workers: int = 0
    difference: str | None = None


def start_warm(
    workers: int | None, preload: Sequence[str], idle: float | None = IDLE, tasks: Sequence[str] = ()
) -> tuple[Served, bool]:
    """Start the warm cluster, unless one is running.

    Args:
        workers: Number of worker processes; None for one for each core.
        preload: Modules to import before they are forked.
        idle: Seconds without client and task after which it ends itself; None for never.
        tasks: Modules to import before the scheduler is forked.

    Returns:
        The cluster, ready, and whether it was started now.

    Raises:
        ClusterError: It did not start.
    """
    folder = make_runtime_folder()
    turn = take_lock(folder / STARTING, patience=READY_WITHIN)
    if turn is None:
        raise ClusterError(f"another process has been starting the warm cluster for {READY_WITHIN:.0f} s")
    try:
        with look_at_lock(folder / LOCK) as is_free:
            if is_free:
                (folder / RECORD).unlink(missing_ok=True)  # left by one that was killed
        if is_free:
            with (
                contextlib.suppress(AlreadyRunning),  # whoever had the turn before was killed, its keeper was not
                contextlib.closing(
                    Started(Wanted(workers, tuple(preload), tuple(tasks), str(folder), idle))
                ) as started,
            ):
                return started.wait(), True
        return _wait_for_other(folder), False
    finally:
        os.close(turn)


def _wait_for_other(folder: Path) -> Served:
    """The cluster whose keeper has the place, when it is ready."""
    end = time.monotonic() + READY_WITHIN
    while time.monotonic() < end:
        found = load_private(folder / RECORD)
        if found is not None:
            return Served.from_json(found)
        if _is_free(folder):
            break
        time.sleep(0.05)  # a file that another process writes
    raise ClusterError(f"another process was starting the warm cluster and failed; its log is {folder / LOG}")


def is_noted() -> bool:
    """Whether there seems to be a warm cluster: it is written down, which costs nothing to see."""
    return os.path.lexists(runtime_folder() / RECORD)


def find_warm() -> Served | None:
    """The warm cluster, if it runs and has the environment of this process; None if there is none.

    Raises:
        ClusterError: There is one that cannot be used; its text says why.
    """
    folder = runtime_folder()
    if not os.path.lexists(folder / RECORD):
        return None
    check_folder(folder)
    tree = load_private(folder / RECORD)
    if tree is None:
        return None
    with look_at_lock(folder / LOCK) as is_free:
        if is_free:
            (folder / RECORD).unlink(missing_ok=True)  # said once
            raise ClusterError("it was killed")
    served = Served.from_json(tree)
    difference = find_difference(served.environment, describe_environment())
    if difference is not None:
        raise ClusterError(f"{difference} (to use it: {RESTART})")
    return served


def look_at_warm() -> Status:
    """How the warm cluster is, within seconds.

    Raises:
        ClusterError: The runtime folder or a file in it is not this user's alone.
    """
    folder = runtime_folder()
    log = folder / LOG
    if not os.path.lexists(folder):
        return Status("none", None, log)
    check_folder(folder)
    tree = load_private(folder / RECORD)
    served = None if tree is None else Served.from_json(tree)
    with look_at_lock(folder / LOCK) as is_free:
        if is_free:
            return Status("none" if served is None else "dead", served, log)
    if served is None:
        return Status("starting", None, log)
    difference = find_difference(served.environment, describe_environment())
    try:
        counts = _ask(served)
    except (OSError, ValueError):
        return Status("silent", served, log, difference=difference)
    tasks = counts["processing"] + counts["waiting"]
    clients = counts["clients"] - 1  # the scheduler counts one of its own
    return Status("running", served, log, clients, tasks, counts["workers"], difference)


def _ask(served: Served) -> dict[str, int]:
    """What the scheduler's own page says of it."""
    from urllib.request import ProxyHandler, build_opener

    opener = build_opener(ProxyHandler({}))  # it is on this host, whatever the environment says
    with opener.open(f"{served.http}/json/counts.json", timeout=_ANSWER_WITHIN) as answer:
        counts: dict[str, int] = json.load(answer)
    return counts


def stop_warm() -> bool:
    """End every process of the warm cluster, and remove what is left of one that was killed.

    Returns:
        Whether there was one.

    Raises:
        ClusterError: The runtime folder or a file in it is not this user's alone, or a process does not end.
    """
    folder = runtime_folder()
    if not os.path.lexists(folder):
        return False
    check_folder(folder)
    pid = load_private(folder / LOCK)
    if not isinstance(pid, int):  # nobody ever had the lock, or has it since a moment
        return False
    was_there = os.path.lexists(folder / RECORD)
    for number in (signal.SIGTERM, signal.SIGKILL):
        if _is_free(folder):
            break
        was_there = True
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        _wait_until(lambda: _is_free(folder), _STOP_WITHIN)
    _end_session(pid)
    (folder / RECORD).unlink(missing_ok=True)
    return was_there


def _is_free(folder: Path) -> bool:
    with look_at_lock(folder / LOCK) as is_free:
        return is_free


def _end_session(leader: int) -> None:
    """End what a killed keeper left: frozen processes did not notice. All of them are in its session.

    Raises:
        ClusterError: One does not end.
    """
    if not _wait_until(lambda: not _list_session(leader), 2.0):
        for pid in _list_session(leader):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not _wait_until(lambda: not _list_session(leader), _STOP_WITHIN):
            raise ClusterError(f"these processes of the warm cluster do not end: {_list_session(leader)}")


def _list_session(leader: int) -> list[int]:
    """Processes of this user in a session whose leader is, or was, a certain process."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == leader and process.uids().real == os.getuid():
                is_ours = _KEEPER in process.cmdline()  # the number may belong to others by now
                if is_ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process.pid)
    return found


def _wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(0.02)  # processes that are not our children: there is nothing to wait on
    return True
