"""One attempt of a run: its workers, opened when needed and fitting the work; its fact lines; its progress."""

from __future__ import annotations

import contextlib
import math
import time
import uuid
from typing import TYPE_CHECKING, Any, Literal, Self

from rapidml.cluster.workers import Workers, abandon, check_workers, connect, count_cores, open_workers
from rapidml.events import TOPIC, Event
from rapidml.execution.provenance import list_versions
from rapidml.store.facts import Fact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from distributed import Future

    from rapidml.execution.options import RunOptions
    from rapidml.execution.outcome import Outcome
    from rapidml.store.store import Store

SMALL_WORK = 30_000_000
"""Cells (rows x features x fits) up to which starting worker processes costs more than it gains."""
MANY_TASKS = 400
"""Tasks up to which threads serve: small fits mostly hold the interpreter's lock, so many of them want processes."""


class Session:
    """An attempt of a run.

    Args:
        store: The store.
        run: Run id.
        options: How to execute.
        watch: Called with every event, possibly from another thread.

    Raises:
        RunIsAlive: Another process executes this run.
    """

    def __init__(self, store: Store, run: str, options: RunOptions, watch: Callable[[Event], None]) -> None:
        self.store = store
        self.run = run
        self.options = options
        self.watch = watch
        self.facts: dict[str, Fact] = {}
        self.versions = list_versions()
        self.attempt = store.start_attempt(run)
        store.runs.update(run, {"began": time.time()})  # once an attempt: it decides who waits for whom
        self.topic = f"{TOPIC}-{run}"
        self._workers: Workers | None = None
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.attempt.close()
        if not isinstance(error, KeyboardInterrupt):
            self._closing.close()
        elif self._workers is not None:
            abandon(self._workers)

    def announce(self, event: Event) -> None:
        """Show an event and append it to the run's event file."""
        self.attempt.append(event)
        self.watch(event)

    def record(self, outcome: Outcome) -> Fact:
        """Append the fact of a finished or failed step."""
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

    def need(self, tasks: int, cells: float) -> Workers:
        """Workers for some independent tasks: the ones that are open if they fit, else others.

        Args:
            tasks: Number of tasks that could run at once.
            cells: Rows times features, summed over the tasks.
        """
        if self.options.cluster is not None:
            return self._workers or self._open(connect(self.options.cluster, insecure=self.options.insecure))
        kind, count = self._choose(tasks, cells)
        known = self._workers
        enough = known is not None and known.count >= count and known.threads >= count_cores() // count
        if known is not None and known.kind == kind and enough:
            return known
        return self._open(open_workers(kind, count, max(1, count_cores() // count)))

    def _choose(self, tasks: int, cells: float) -> tuple[Literal["threads", "processes"], int]:
        if self.options.workers is not None:
            return "processes", self.options.workers
        is_small = cells <= SMALL_WORK and tasks <= MANY_TASKS
        return "threads" if is_small else "processes", max(1, min(tasks, count_cores()))

    def _open(self, context: contextlib.AbstractContextManager[Workers]) -> Workers:
        from rapidml.execution.opened import OpenedRows

        workers = self._closing.enter_context(context)
        with self._nonce() as name:
            check_workers(workers, str(self.store.path), name)
        workers.client.register_plugin(OpenedRows())
        workers.client.subscribe_topic(self.topic, self._relay)
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

    def submit(self, function: Callable[..., Any], *args: Any, name: str, priority: int = 0) -> Future[Any]:
        """Run a function on a worker, once.

        Args:
            function: Importable function.
            args: Its arguments, small and plain.
            name: Unique name of the Dask task.
            priority: Higher runs sooner.
        """
        return self.workers.client.submit(
            function, *args, key=f"{name}-{uuid.uuid4().hex}", pure=False, retries=0, priority=priority
        )
