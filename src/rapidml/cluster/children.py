"""The processes that a keeper forks: one scheduler, and workers that do one task at a time."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from distributed import Scheduler, Worker, WorkerPlugin

if TYPE_CHECKING:
    from distributed import Security

_LEAVING = 2.0
"""Seconds to take leave of the scheduler."""


class LeavesUnwanted(WorkerPlugin):
    """Ends its worker when nobody wants the task that it computes any more; the keeper forks a fresh one.

    A computation in native code cannot be stopped from outside: after Ctrl-C in a run, or the death of its driver, a
    fit would hold the worker until it ends. Tasks of others that wait on the worker go to another one, without blame.
    """

    name = "rapidml-leaves-unwanted"

    def __init__(self) -> None:
        self._worker: Any = None

    def setup(self, worker: Any) -> None:
        """Called when the worker starts."""
        self._worker = worker

    def transition(self, key: Any, start: str, finish: str, **kwargs: Any) -> None:  # noqa: ARG002  (Dask's signature)
        """Called when a task changes its state."""
        if start in ("executing", "long-running") and finish == "released":  # goes on in state "cancelled"
            self._worker.loop.add_callback(self._leave)

    async def _leave(self) -> None:
        try:
            leave = self._worker.scheduler.retire_workers(
                workers=[self._worker.address], close_workers=False, remove=True, stimulus_id=f"unwanted-{time.time()}"
            )
            await asyncio.wait_for(leave, _LEAVING)
        finally:
            os._exit(0)


def run_scheduler(security: Security, idle: float | None, report: int) -> None:
    """A scheduler on loopback, until it is told to close or has been idle for long enough.

    Args:
        security: Certificate and key.
        idle: Seconds without client and task; None for no limit.
        report: Descriptor to which its addresses are written.
    """

    async def serve() -> None:
        async with Scheduler(
            host="127.0.0.1",
            port=0,
            protocol="tls",
            security=security,
            dashboard=True,
            dashboard_address="127.0.0.1:0",
        ) as scheduler:
            found = {
                "address": scheduler.address,
                "http": f"http://127.0.0.1:{scheduler.http_server.port}",
                "has_dashboard": "distributed.dashboard.scheduler" in sys.modules,  # Dask goes on without bokeh
            }
            _write(report, {"scheduler": found})
            if idle is None:
                await scheduler.finished()
            else:
                await _until_idle(scheduler, idle)

    asyncio.run(serve())


async def _until_idle(scheduler: Scheduler, limit: float) -> None:
    last = time.monotonic()
    while scheduler.status.name == "running":
        await asyncio.sleep(min(5.0, limit / 4))
        if is_used(scheduler):
            last = time.monotonic()
        elif time.monotonic() - last >= limit:
            return


def is_used(scheduler: Scheduler) -> bool:
    """Whether a client is connected, or a task is there to be done."""
    waiting = bool(scheduler.unrunnable or scheduler.queued)
    return bool(scheduler.client_comms) or waiting or any(worker.processing for worker in scheduler.workers.values())


def run_worker(address: str, name: str, security: Security, folder: str, report: int) -> None:
    """A worker with one thread for tasks; how many threads a fit uses is said with the fit.

    Args:
        address: Address of the scheduler.
        name: Name of the worker.
        security: Certificate and key.
        folder: Scratch folder.
        report: Descriptor to which its name is written when it is ready.
    """

    async def serve() -> None:
        async with Worker(
            address,
            host="127.0.0.1",
            protocol="tls",
            name=name,
            nthreads=1,
            memory_limit=0,
            security=security,
            local_directory=folder,
            plugins=(LeavesUnwanted(),),
        ) as worker:
            _write(report, {"worker": name})
            await worker.finished()

    asyncio.run(serve())


def end_with(parent: int) -> None:
    """End this process at once when the other end of a pipe is closed: its keeper is gone."""

    def watch() -> None:
        os.read(parent, 1)
        os._exit(1)

    threading.Thread(target=watch, name="keeper", daemon=True).start()


def _write(report: int, tree: dict[str, Any]) -> None:
    os.write(report, f"{json.dumps(tree)}\n".encode())
