"""One attempt of a run: its workers, opened when needed and fitting the work; its fact lines; its progress."""

from __future__ import annotations

import contextlib
import math
import time
import uuid
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, Self

from rapidml.cluster.cores import count_cores
from rapidml.cluster.served import Wanted
from rapidml.cluster.starting import Started
from rapidml.cluster.warm import find_warm, is_noted
from rapidml.cluster.workers import (
    Workers,
    abandon,
    check_workers,
    connect,
    open_served,
    open_threads,
)
from rapidml.errors import ClusterError, WorkersLost
from rapidml.events import TOPIC, Event
from rapidml.execution.preloaded import TASKS, list_preload
from rapidml.execution.provenance import list_versions
from rapidml.store.facts import Fact

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from types import TracebackType

    from distributed import Future

    from rapidml.execution.options import RunOptions
    from rapidml.execution.outcome import Outcome
    from rapidml.store.store import Store

SMALL_WORK = 30_000_000
"""Cells (rows x features x fits) up to which starting worker processes costs more than it gains."""
MANY_TASKS = 400
"""Tasks up to which threads serve: small fits mostly hold the interpreter's lock, so many of them want processes."""
MANY_FILES = 4
"""Files up to which threads read: worker processes start in the meantime."""


class Session:
    """An attempt of a run.

    Args:
        store: The store.
        run: Run id.
        options: How to execute.
        watch: Called with every event, possibly from another thread.
        types: Types of the models: own worker processes import what these need.

    Raises:
        RunIsAlive: Another process executes this run.
    """

    def __init__(
        self, store: Store, run: str, options: RunOptions, watch: Callable[[Event], None], types: Collection[str]
    ) -> None:
        self.store = store
        self.run = run
        self.options = options
        self.watch = watch
        self.types = types
        self.facts: dict[str, Fact] = {}
        self.versions = list_versions()
        self.attempt = store.start_attempt(run)
        store.runs.update(run, {"began": time.time()})  # once an attempt: it decides who waits for whom
        self.topic = f"{TOPIC}-{run}"
        self._workers: Workers | None = None
        self._started: Started | None = None
        self._looked_for_warm = False
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.attempt.close()
        was_lost = self._workers is not None and self._workers.client.status != "running"
        if isinstance(error, KeyboardInterrupt) and self._workers is not None and self._workers.kind == "threads":
            abandon(self._workers)
        else:
            self._closing.close()
        if self._started is not None:
            self._started.close()
        if isinstance(error, CancelledError) and was_lost:  # a result that was waited for
            raise WorkersLost("the workers are gone: they were stopped or killed; run the same command again")

    def announce(self, event: Event) -> None:
        """Show an event and append it to the run's event file."""
        self.attempt.append(event)
        self.watch(event)

    def record(self, outcome: Outcome, *, remember: bool = True) -> Fact:
        """Append the fact of a finished or failed step.

        Args:
            outcome: What the step came to.
            remember: Keep the fact for the result of the run; a search has too many.
        """
        fact = Fact(
            key=outcome.key,
            kind=outcome.kind,
            state="finished" if outcome.error is None else "failed",
            payload=outcome.payload,
            seconds=outcome.seconds,
            peak_memory=outcome.peak_memory,
            versions=self.versions,
            objects=outcome.objects,
            family=outcome.family,
            error=outcome.error,
        )
        self.attempt.facts.append(fact)
        if remember:
            self.facts[fact.key] = fact
        return fact

    def find_rivals(self) -> dict[str, str]:
        """Keys that live runs were going to compute before this one planned: key to run."""
        found = {}
        began = self.store.runs.load(self.run)["began"]
        for record in self.store.index.find_runs("state", "running"):
            if record.id != self.run and self.store.is_alive(record.id):
                other = self.store.runs.load(record.id)
                if (other.get("began", math.inf), record.id) < (began, self.run):
                    found.update(dict.fromkeys(other["keys"], record.id))
        return found

    @property
    def workers(self) -> Workers:
        """The workers that are open."""
        assert self._workers is not None
        return self._workers

    def need(self, tasks: int, cells: float, *, apart: bool = False) -> Workers:
        """Workers for some independent tasks: the ones that are open if they fit, else others.

        Args:
            tasks: Number of tasks that could run at once.
            cells: Rows times features, summed over the tasks.
            apart: In processes of their own, which can be ended.
        """
        workers = self._find_open()
        if workers is None:
            is_small = cells <= SMALL_WORK and tasks <= MANY_TASKS and self.options.workers is None and not apart
            workers = self._need_threads(tasks) if is_small else self._open_processes()
        if workers.kind in ("warm", "processes"):
            self._workers = workers = workers.share(self.options.workers or tasks)
        return workers

    def expect(self, cells: float) -> None:
        """Begin to start worker processes if much is probably to be done, and no cluster seems to be there.

        Args:
            cells: Rows times features, summed over the fits that will probably follow.
        """
        if self.options.cluster is not None or self._workers is not None:
            return
        is_warm = self.options.workers is None and not self._looked_for_warm and is_noted()
        if not is_warm and (self.options.workers is not None or cells > SMALL_WORK):
            self._start_processes()

    def need_to_read(self, files: int, cells: float) -> Workers:
        """Workers that read; if much is to be fitted afterwards, its worker processes start in the meantime.

        Args:
            files: Number of files.
            cells: Rows times features, summed over the fits that will probably follow.
        """
        workers = self._find_open()
        if workers is not None:
            return workers
        self.expect(cells)
        return self._need_threads(files) if files <= MANY_FILES else self.need(files, cells)

    def _find_open(self) -> Workers | None:
        """Workers that serve whatever comes: of a cluster, or processes that are there."""
        if self.options.cluster is not None:
            return self._workers or self._open(connect(self.options.cluster, insecure=self.options.insecure))
        if self._workers is not None and self._workers.kind != "threads":
            return self._workers
        if self.options.workers is None and not self._looked_for_warm:
            self._looked_for_warm = True
            return self._find_warm()
        return None

    def _find_warm(self) -> Workers | None:
        """The user's warm cluster; if there is one that cannot be used, that is said."""
        try:
            served = find_warm()
            if served is None:
                return None
            workers = self._open(open_served(served, "warm"))
        except ClusterError as error:
            self.announce(Event("note", name=f"warm cluster not used, own workers instead: {error}"))
            return None
        self.announce(Event("note", name=f"on {workers.describe()}"))
        return workers

    def _need_threads(self, tasks: int) -> Workers:
        count = max(1, min(tasks, count_cores()))
        known, threads = self._workers, max(1, count_cores() // count)
        if known is not None and known.kind == "threads" and known.count >= count and known.threads >= threads:
            return known
        return self._open(open_threads(count, threads))

    def _start_processes(self) -> Started:
        """Begin to start worker processes, as many as there are cores: forking one costs next to nothing."""
        if self._started is None:
            self._started = Started(Wanted(self.options.workers, list_preload(self.types), TASKS))
        return self._started

    def _open_processes(self) -> Workers:
        return self._open(open_served(self._start_processes().wait(), "processes"))

    def _open(self, context: contextlib.AbstractContextManager[Workers]) -> Workers:
        from rapidml.execution.opened import OpenedRows

        with contextlib.ExitStack() as closing:
            workers = closing.enter_context(context)
            with self._nonce() as name:
                check_workers(workers, str(self.store.path), name)
            workers.client.register_plugin(OpenedRows(alone=workers.kind != "threads"))
            workers.client.subscribe_topic(self.topic, self._relay)
            self._closing.enter_context(closing.pop_all())
        self._workers = workers
        return workers

    @contextlib.contextmanager
    def _nonce(self) -> Iterator[str]:
        """A file that only this store has: workers with another one at the same path must not pass."""
        path = self.store.path / f".nonce-{uuid.uuid4().hex}"
        path.touch()
        try:
            yield path.name
        finally:
            path.unlink(missing_ok=True)

    def _relay(self, record: tuple[float, Any]) -> None:
        """Pass on what a worker logged."""
        self.announce(Event.from_json(record[1]))

    def refuse_lost(self) -> None:
        """Nothing that is handed to workers which are gone would ever end.

        Raises:
            WorkersLost: The connection to them is closed: their cluster was stopped or killed.
        """
        if self.workers.client.status != "running":
            raise WorkersLost(
                f"the {self.workers.describe()} are gone: they were stopped or killed. "
                "What is finished is kept, and the same command goes on from there"
            )

    def submit(
        self,
        function: Callable[..., Any],
        *args: Any,
        name: str,
        priority: int = 0,
        worker: str | None = None,
        only: bool = True,
    ) -> Future[Any]:
        """Run a function on a worker, once.

        Args:
            function: Importable function.
            args: Its arguments, small and plain.
            name: Unique name of the Dask task.
            priority: Higher runs sooner.
            worker: Address of the worker that runs it; any if None.
            only: No other worker may run it, even when that one is gone.

        Raises:
            WorkersLost: There is nobody to hand it to.
        """
        self.refuse_lost()
        key = f"{name}-{uuid.uuid4().hex}"
        pinned = None if worker is None else [worker]
        return self.workers.client.submit(
            function,
            *args,
            key=key,
            pure=False,
            retries=0,
            priority=priority,
            workers=pinned,
            allow_other_workers=pinned is not None and not only,
        )
