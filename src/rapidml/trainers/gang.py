"""Runs the ranks of one fit on Dask workers at the same time, and again on the workers left when one is lost."""

from __future__ import annotations

import contextlib
import math
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import psutil

from rapidml.errors import ClusterError, ModelError
from rapidml.trainers.collective import RankLostError, Tracker, is_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from distributed import Client, Future

SILENT_SECONDS = 10.0
"""A worker that has told the scheduler nothing for so long is frozen; twenty of its heartbeats are missing."""
LOOK_SECONDS = 1.0
"""Time between two looks at the workers."""
ECHO_SECONDS = 5.0
"""Time in which ranks that have lost another one must have noticed. Those that have not never do, and are ended too."""
SOON = 100
"""Dask priority of ranks: the first one waits for the last, so none should queue behind fits of other runs."""
MOST_ATTEMPTS = 5
"""Attempts after which a fit fails: a fit that kills its workers must not go on for ever."""
LOCAL = ("127.0.0.1", "localhost", "::1", "")


@dataclass(frozen=True)
class Seat:
    """A worker with its ranks."""

    worker: str
    ranks: tuple[int, ...]


@dataclass(frozen=True)
class Place:
    """Where the ranks of one attempt are.

    Attributes:
        client: Client of the workers.
        seats: The workers with their ranks, that of rank 0 first.
        loaded: What ``Gang.load`` gave for each.
        host: Address of the first worker that all of them reach.
    """

    client: Client
    seats: Sequence[Seat]
    loaded: Sequence[Future[Any]]
    host: str


@dataclass(frozen=True)
class Meeting:
    """How ranks find each other.

    Attributes:
        awaited: Tasks that have to be done first: one on the worker of rank 0, or one on each.
        tell: What every rank is told then.
        kept: What has to stay on its worker as long as the attempt.
    """

    awaited: Sequence[Future[Any]]
    tell: Callable[[], Mapping[str, Any]]
    kept: Sequence[Future[Any]] = ()


class Gang(Protocol):
    """The work of the ranks; what is submitted must be pinned to its worker and never retried."""

    @property
    def goes_on(self) -> bool:
        """Whether the others go on when a worker is lost that has not rank 0."""
        ...

    def begin(self) -> None:
        """Called before each attempt: what all ranks must have in common is looked up once."""
        ...

    def load(self, worker: str, ranks: Sequence[int]) -> Future[Any]:
        """Let a worker load the rows of some ranks and keep them."""
        ...

    def meet(self, place: Place) -> Meeting:
        """Let the ranks of an attempt find each other."""
        ...

    def train(self, worker: str, ranks: Sequence[int], loaded: Future[Any], told: Mapping[str, Any]) -> Future[Any]:
        """Let a worker train with these ranks; the one with rank 0 returns the outcome, the others None."""
        ...

    def warn(self, text: str) -> None:
        """Tell the user about a lost worker."""
        ...


def meet_by_tracker(place: Place) -> Meeting:
    """How ranks of XGBoost find each other: a tracker on the worker of rank 0; see ``Gang.meet``."""
    n_ranks = sum(len(seat.ranks) for seat in place.seats)
    first, submit = [place.seats[0].worker], place.client.submit
    tracker = submit(Tracker, n_ranks, place.host, workers=first, pure=False, retries=0, priority=SOON)
    address = submit(Tracker.address, tracker, workers=first, pure=False, priority=SOON)
    return Meeting((address,), lambda: address.result(timeout=10), (tracker,))


class Heartbeats:
    """Which workers still tell the scheduler that they live, by this process's clock alone.

    Args:
        client: Client of the workers.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._seen: dict[str, tuple[float, float]] = {}

    def look(self) -> dict[str, bool]:
        """Every worker the scheduler knows, and whether it is silent."""
        now = time.monotonic()
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        for address, about in workers.items():
            last, _ = self._seen.get(address, (None, now))
            if last != about["last_seen"]:
                self._seen[address] = (about["last_seen"], now)
        return {address: now - self._seen[address][1] > SILENT_SECONDS for address in sorted(workers)}

    def find_gone(self, workers: Iterable[str]) -> set[str]:
        """Those of some workers that are unknown to the scheduler or silent."""
        known = self.look()
        return {worker for worker in workers if known.get(worker, True)}


def run_gang(client: Client, gang: Gang, ranks: int, *, insecure: bool = False) -> Any:
    """Run all ranks of a fit together.

    When a worker dies or freezes, the ranks are dealt to the workers that are left and the fit starts again, from its
    newest checkpoint if ``gang`` finds one. A frozen worker on this host is killed, on another one restarted.

    Args:
        client: Client of the workers; none of them should be doing anything else.
        gang: What to do.
        ranks: Number of ranks.
        insecure: Allow ranks on several hosts, whose ports have neither encryption nor a password.

    Returns:
        What the worker with rank 0 returned.

    Raises:
        ClusterError: The workers are on several hosts.
        ModelError: Workers were lost again and again.
        Exception: What a rank raised by itself.
    """
    heartbeats = Heartbeats(client)
    last: BaseException | None = None
    for _ in range(MOST_ATTEMPTS):
        seats = _place(client, heartbeats, ranks)
        host = _find_host(seats, insecure=insecure)
        gang.begin()
        try:
            return _run_once(client, gang, heartbeats, seats, host)
        except RankLostError as error:
            last = error
            gang.warn(f"{error}; the fit goes on with the workers left, from its last checkpoint")
    raise ModelError(f"workers were lost in {MOST_ATTEMPTS} attempts at one fit; the last time: {last}") from last


def _run_once(client: Client, gang: Gang, heartbeats: Heartbeats, seats: Sequence[Seat], host: str) -> Any:
    """One attempt: rows first, so that all ranks begin at the same time."""
    loaded = [gang.load(seat.worker, seat.ranks) for seat in seats]
    trained: list[Future[Any]] = []
    workers = [seat.worker for seat in seats]
    watch = _Watch(client, heartbeats, workers)
    meeting = Meeting((), dict)
    try:
        watch.wait(loaded)
        meeting = gang.meet(Place(client, seats, loaded, host))
        watch.wait(meeting.awaited, workers if len(meeting.awaited) == len(workers) else workers[:1])
        told = meeting.tell()
        for seat, rows in zip(seats, loaded, strict=True):
            trained.append(gang.train(seat.worker, seat.ranks, rows, told))
        _wait_trained(gang, _Watch(client, heartbeats, workers[:1]) if gang.goes_on else watch, trained)
        return trained[0].result(timeout=60)
    finally:
        client.cancel([*trained, *loaded, *meeting.awaited, *meeting.kept], force=True)


def _wait_trained(gang: Gang, watch: _Watch, trained: Sequence[Future[Any]]) -> None:
    from distributed import wait

    try:
        watch.wait(trained[: len(watch.workers)])
    except RankLostError:
        if trained[0].status != "finished":  # else the model is stored, whoever was lost since
            raise
    if gang.goes_on:  # the others end by themselves, and a task that is taken away ends its worker
        with contextlib.suppress(TimeoutError), watch.client.as_current():
            wait(list(trained), timeout=ECHO_SECONDS)


class _Watch:
    """Waits for futures that are pinned to workers, and ends workers that fell silent, which frees the others."""

    def __init__(self, client: Client, heartbeats: Heartbeats, workers: Sequence[str]) -> None:
        self.client = client
        self.heartbeats = heartbeats
        self.workers = workers
        self.ended: set[str] = set()
        self.frozen: set[str] = set()

    def wait(self, futures: Sequence[Future[Any]], workers: Sequence[str] | None = None) -> None:
        """Wait until all are done, or nothing can be expected of those that are not.

        Args:
            futures: One a worker.
            workers: The worker of each; those of the seats if None.

        Raises:
            RankLostError: A worker was lost.
            Exception: The first error that is not a mere echo of that.
        """
        gone = self._settle(dict(zip(workers or self.workers, futures, strict=True)))
        errors = [future.exception(timeout=10) for future in futures if future.status == "error"]
        own = [error for error in errors if not is_loss(error) and not _is_death(error)]
        if own and not gone:
            raise own[0]
        if gone or any(future.status != "finished" for future in futures):
            frozen = len(gone & self.frozen)
            how = "" if not frozen else f" ({frozen} gave no sign of life for {SILENT_SECONDS:.0f} s)"
            what = f"{len(gone)} of {len(self.workers)} workers of a fit were lost{how}" if gone else str(errors[:1])
            raise RankLostError(what)

    def _settle(self, futures: Mapping[str, Future[Any]]) -> set[str]:
        """Wait as long as anything can be expected; which workers were lost."""
        from distributed import wait

        gone: set[str] = set()
        stuck: set[str] = set()
        ends = math.inf
        while not {worker for worker, future in futures.items() if not future.done()} <= gone | stuck:
            with contextlib.suppress(TimeoutError), self.client.as_current():
                wait(list(futures.values()), timeout=LOOK_SECONDS)
            gone |= self.heartbeats.find_gone(self.workers)
            if gone or any(future.status == "error" for future in futures.values()):
                ends = min(ends, time.monotonic() + ECHO_SECONDS)
            if time.monotonic() > ends:  # the library should have told them
                stuck = {worker for worker, future in futures.items() if not future.done()} - gone
            for worker in (gone | stuck) - self.ended:
                self._end(worker)
        return gone

    def _end(self, worker: str) -> None:
        """Make sure that a silent worker is gone: one that is dead already needs nothing."""
        self.ended.add(worker)
        if worker not in self.heartbeats.look():
            return
        self.frozen.add(worker)
        process = _find_process(worker)
        if process is not None:
            with contextlib.suppress(psutil.Error):
                process.kill()
        else:
            with contextlib.suppress(Exception):
                self.client.restart_workers([worker], timeout=30, raise_for_error=False)


def _find_process(worker: str) -> psutil.Process | None:
    """The process of this user on this host that listens at a worker's address; a frozen one cannot be asked."""
    address = urlsplit(worker)
    if address.hostname not in LOCAL or not address.port:
        return None
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            ports = [one.laddr.port for one in process.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
            if address.port in ports and process.pid != os.getpid():
                return process
    return None


def _is_death(error: BaseException) -> bool:
    from distributed import KilledWorker
    from distributed.scheduler import NoValidWorkerError

    return isinstance(error, KilledWorker | NoValidWorkerError)


def _place(client: Client, heartbeats: Heartbeats, ranks: int) -> list[Seat]:
    """Deal the ranks to the workers that answer, in the order of their addresses; rank 0 comes first."""
    workers = [worker for worker, is_silent in heartbeats.look().items() if not is_silent]
    if not workers:
        client.wait_for_workers(1, timeout=60)
        workers = list(heartbeats.look())
    workers = workers[:ranks]
    return [Seat(worker, tuple(range(first, ranks, len(workers)))) for first, worker in enumerate(workers)]


def _find_host(seats: Sequence[Seat], *, insecure: bool) -> str:
    """Address at which ranks find the first worker."""
    hosts = ["" if seat.worker.startswith("inproc") else urlsplit(seat.worker).hostname or "" for seat in seats]
    if set(hosts) <= set(LOCAL):
        return "127.0.0.1"
    if not insecure:
        raise ClusterError(
            "the parts of one fit talk over ports without encryption: allow that on several hosts with --insecure "
            "where nobody else reaches their network, or use the workers of one host, or neither shards nor a trainer"
        )
    return hosts[0]
