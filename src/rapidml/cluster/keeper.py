"""The process that keeps a cluster: imports the libraries once, forks scheduler and workers, forks dead workers again.

``python -m rapidml.cluster.keeper JSON``, where JSON is a ``Wanted``. It prints one line of JSON when the cluster is
ready: what ``Served`` holds, or ``{"error": ...}``. A warm cluster is written down in a runtime folder and ends on
SIGTERM or when it is idle; another one ends when its standard input is closed: with the process that started it.

The keeper itself computes nothing and starts no thread, so that it can be forked at any time: processes forked from one
in which OpenMP has run may hang. The variables that forbid threads while libraries are loaded are set by who starts it
(``starting.py``); fits set their number of threads themselves.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import logging
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidml.cluster.certificates import make_certificate
from rapidml.cluster.cores import count_cores
from rapidml.cluster.environment import describe_environment
from rapidml.cluster.private_files import open_private, take_lock, write_private
from rapidml.cluster.served import Served, Wanted
from rapidml.cluster.settings import LOCK, LOG, RECORD, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

RUNNING = "running"
"""What a keeper answers whose place is taken."""

logger = logging.getLogger("rapidml.cluster")

_SHORT = 2.0
"""A worker that lives shorter, so many seconds, failed to start."""
_FAILURES = 5
"""Failed starts in a row after which a worker is given up."""
_READY_WITHIN = 120.0


class _Stop(Exception):
    """The cluster is to end."""


class Keeper:
    """Forks and watches the processes of one cluster.

    Args:
        wanted: The cluster.
        out: Descriptor to which the line is written when the cluster is ready.
    """

    def __init__(self, wanted: Wanted, out: int) -> None:
        self.wanted = wanted
        self._out = out
        self._life = os.pipe()  # the children read; the end of this process closes it
        self._reports = os.pipe()  # the children write
        self._signals = os.pipe()
        self._lock: int | None = None
        self._scratch: Path | None = None
        self._scheduler = 0
        self._workers: dict[int, tuple[int, float]] = {}
        self._failures: dict[int, int] = {}
        self._ready: set[str] = set()
        self._served: Served | None = None
        self._security: Any = None
        self._unread = b""

    def run(self) -> None:
        """Serve until told to stop, or until the scheduler has ended."""
        try:
            if not self._take_place():
                self._tell({"error": RUNNING})
                return
            self._catch_signals()
            self._serve()
        except _Stop as stop:
            logger.info("ends: %s", stop)
            self._tell({"error": str(stop)})
        finally:
            self._end()

    def _take_place(self) -> bool:
        if self.wanted.folder is None:
            return True
        self._lock = take_lock(Path(self.wanted.folder, LOCK))
        if self._lock is None:
            return False
        os.ftruncate(self._lock, 0)
        os.write(self._lock, str(os.getpid()).encode())  # for who wants to stop it before it is ready
        with open_private(Path(self.wanted.folder, LOG)) as log:  # not before: it is the log of who has the place
            os.dup2(log.fileno(), 2)
            os.dup2(log.fileno(), 1)
        return True

    def _catch_signals(self) -> None:
        for end in self._signals:
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._signals[1], warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process in front

    def _serve(self) -> None:
        environment = describe_environment()  # before anything is imported: what changes from here on is noticed
        gc.disable()  # imports leave little to collect, and looking for it takes a sixth of their time
        import dask

        dask.config.set({**SETTINGS, "distributed.worker.http.routes": [], "logging.distributed": "warning"})
        import distributed  # noqa: F401  (what scheduler and workers share is imported before the first fork)

        from rapidml.cluster.children import run_scheduler, run_worker

        for name in self.wanted.tasks:
            _import(name)
        certificate = make_certificate()
        security = certificate.make_security()
        self._scheduler = self._fork(lambda: run_scheduler(security, self.wanted.idle, self._reports[1]))
        for name in self.wanted.preload:  # while the scheduler starts
            _import(name)
        gc.collect()
        gc.freeze()  # the collector would write to pages that are shared
        gc.enable()
        found = self._wait_for_scheduler()

        self._scratch = Path(tempfile.mkdtemp(prefix="rapidml-workers-"))  # not before: imports may be killed
        scratch = str(self._scratch)

        def start_worker(number: int) -> None:
            pid = self._fork(
                lambda: run_worker(found["address"], f"worker-{number}", security, scratch, self._reports[1])
            )
            self._workers[pid] = (number, time.monotonic())

        count = self.wanted.workers or count_cores()
        for number in range(count):
            start_worker(number)
        self._served = Served(
            **found,
            workers=count,
            pid=os.getpid(),
            started=time.time(),
            idle=self.wanted.idle,
            environment=environment,
            certificate=certificate,
        )
        self._watch(start_worker)

    def _fork(self, body: Callable[[], None]) -> int:
        """Run a function in a child that ends when this process does."""
        pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            kept = (self._life[0], self._reports[1])
            held = (*self._life, *self._reports, *self._signals, self._out, self._lock)
            for descriptor in {one for one in held if one is not None and one >= 0} - set(kept):
                os.close(descriptor)
            from rapidml.cluster.children import end_with

            end_with(self._life[0])
            gc.enable()
            body()
            code = 0
        except BaseException:  # a fork must end here, never go on as a second keeper
            logger.exception("a process of the cluster failed")
        finally:
            os._exit(code)  # without waiting for threads that still compute

    def _wait_for_scheduler(self) -> dict[str, Any]:
        end = time.monotonic() + _READY_WITHIN
        while time.monotonic() < end:
            self._wait(1.0)
            for report in self._read_reports():
                found: dict[str, Any] = report["scheduler"]
                return found
        raise _Stop("the scheduler did not start")

    def _watch(self, start_worker: Callable[[int], None]) -> None:
        """Until the end: note who is ready, start dead workers again."""
        while True:
            for report in self._read_reports():
                self._ready.add(report["worker"])
            if self._served is not None and len(self._ready) == self._served.workers:
                self._announce(self._served)
            for number in self._wait(None):
                start_worker(number)
            if not self._workers:
                raise _Stop("no worker can be started")

    def _announce(self, served: Served) -> None:
        """Say once that the cluster is ready."""
        if self._out < 0:
            return
        if self.wanted.folder is not None:
            write_private(Path(self.wanted.folder, RECORD), served.to_json())
        self._tell(served.to_json())

    def _tell(self, tree: dict[str, Any]) -> None:
        if self._out >= 0:
            with contextlib.suppress(BrokenPipeError):  # who started it does not wait any more
                os.write(self._out, f"{json.dumps(tree)}\n".encode())
            os.close(self._out)
            self._out = -1

    def _read_reports(self) -> list[dict[str, Any]]:
        if not select.select([self._reports[0]], [], [], 0)[0]:
            return []
        *lines, self._unread = (self._unread + os.read(self._reports[0], 65536)).split(b"\n")
        return [json.loads(line) for line in lines]

    def _wait(self, seconds: float | None) -> list[int]:
        """Wait until something happens.

        Returns:
            Numbers of the workers that have died and are to be started again.

        Raises:
            _Stop: The cluster is to end, or its scheduler has ended.
        """
        parent = [sys.stdin.fileno()] if self.wanted.folder is None else []
        ready, _, _ = select.select([self._signals[0], self._reports[0], *parent], [], [], seconds)
        if self._signals[0] in ready and signal.SIGTERM in os.read(self._signals[0], 4096):
            raise _Stop("it was told to")
        if parent and parent[0] in ready:
            raise _Stop("the process that it served has ended")
        return [number for pid in self._reap() if (number := self._bury(pid)) is not None]

    def _reap(self) -> list[int]:
        found: list[int] = []
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return found
            if not pid:
                return found
            found.append(pid)

    def _bury(self, pid: int) -> int | None:
        """A child has ended: the number of the worker to start again, if any."""
        if pid == self._scheduler:
            self._scheduler = 0
            raise _Stop("the scheduler has ended")
        if pid not in self._workers:
            return None
        number, started = self._workers.pop(pid)
        failed = time.monotonic() - started < _SHORT
        self._failures[number] = self._failures.get(number, 0) + 1 if failed else 0
        logger.info("worker %s (process %s) ended", number, pid)
        return None if self._failures[number] >= _FAILURES else number

    def _end(self) -> None:
        """End every process that was forked; nothing in them needs to be told."""
        children = [pid for pid in (self._scheduler, *self._workers) if pid]
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
        if self.wanted.folder is not None and self._lock is not None:
            Path(self.wanted.folder, RECORD).unlink(missing_ok=True)


def _import(name: str) -> None:
    """Import a module that may be absent: the task that needs it will say so."""
    try:
        importlib.import_module(name)
    except ImportError as error:
        logger.warning("%s cannot be imported: %s", name, error)


def main() -> None:
    """Keep the cluster that the first argument describes."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    wanted = Wanted.from_json(sys.argv[1])
    if wanted.folder is not None:  # who started it ends, or lives on, without a child
        if os.fork():
            os._exit(0)
        os.setsid()
    out = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints goes to the log
    Keeper(wanted, out).run()


if __name__ == "__main__":
    main()
