"""Workers that a run can use: threads in this process, processes of a keeper, or those of a running scheduler."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from rapidml.cluster.cores import count_cores
from rapidml.cluster.settings import SETTINGS
from rapidml.errors import DISTRIBUTION, ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

    from rapidml.cluster.served import Served

ANSWER_WITHIN = 5.0
"""Seconds within which a warm cluster must let a client in: a frozen one must not hold a run for long."""
_LOOK_WITHIN = 5.0
"""Seconds within which its workers must answer."""


@dataclass(frozen=True)
class Workers:
    """Workers that are ready.

    Attributes:
        client: Connected Dask client.
        kind: ``threads`` (workers inside this process), ``processes`` (of this run, on this host), ``warm`` (of the
            user's warm cluster) or ``cluster`` (by address).
        count: Number of workers that fits are handed to at once.
        threads: Threads that one fit may use on a worker.
        total: Number of workers that are there.
    """

    client: Client
    kind: Literal["threads", "processes", "warm", "cluster"]
    count: int
    threads: int
    total: int

    def describe(self) -> str:
        """Such as ``2 workers in this process``."""
        workers = "1 worker" if self.total == 1 else f"{self.total} workers"
        place = {
            "threads": "in this process",
            "processes": "on this host",
            "warm": "of the warm cluster",
            "cluster": "of a running cluster",
        }
        return f"{workers} {place[self.kind]}"

    def share(self, tasks: int) -> Workers:
        """The same workers for some tasks at once: fewer tasks than workers get more threads each.

        Args:
            tasks: Number of tasks that could run at once.
        """
        count = max(1, min(tasks, self.total))
        return replace(self, count=count, threads=max(1, count_cores() // count))


@contextlib.contextmanager
def open_threads(count: int, threads: int) -> Iterator[Workers]:
    """Start workers inside this process, and close them at the end.

    Args:
        count: Number of workers.
        threads: Threads that one fit may use on each of them.

    Raises:
        ClusterError: They did not start.
    """
    import dask
    from distributed import Client, LocalCluster

    logging.getLogger("distributed").setLevel(logging.ERROR)
    with dask.config.set(SETTINGS):
        try:
            cluster = LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                processes=False,
                dashboard_address="127.0.0.1:0",
                memory_limit=0,
                silence_logs=logging.CRITICAL,
            )
        except (OSError, TimeoutError, RuntimeError) as error:
            raise ClusterError(f"the workers did not start: {error}") from error
        with contextlib.closing(cluster), Client(cluster, set_as_default=False) as client:
            yield Workers(client, "threads", count, threads, count)


def abandon(workers: Workers) -> None:
    """Leave workers to end with this process: a fit that runs inside it cannot be stopped, and nobody waits for it."""
    cluster = workers.client.cluster
    if cluster is not None:
        cluster.shutdown_on_close = False


@contextlib.contextmanager
def open_served(served: Served, kind: Literal["processes", "warm"]) -> Iterator[Workers]:
    """Use the workers of a keeper; they are left running at the end.

    Args:
        served: The cluster.
        kind: Whose it is.

    Raises:
        ClusterError: It does not answer in time, or has no workers.
    """
    security = served.certificate.make_security()
    timeout = ANSWER_WITHIN if kind == "warm" else 30.0
    with _open_client(served.address, timeout=timeout, security=security) as client:
        yield Workers(client, kind, served.workers, 1, served.workers)


@contextlib.contextmanager
def connect(address: str, *, insecure: bool = False) -> Iterator[Workers]:
    """Use the workers of a running scheduler; they are left running at the end.

    Args:
        address: Such as ``tls://host:8786`` or ``tcp://127.0.0.1:8786``.
        insecure: Allow an unencrypted address beyond this host: whoever reaches that port can run code as you.

    Raises:
        ClusterError: The address is unencrypted and leaves this host, cannot be reached, or has no workers.
    """
    _refuse_unencrypted(address, insecure=insecure)
    with _open_client(address, timeout=10) as client:
        nthreads = client.nthreads()
        yield Workers(client, "cluster", len(nthreads), min(nthreads.values()), len(nthreads))


@contextlib.contextmanager
def _open_client(address: str, *, timeout: float, security: object = None) -> Iterator[Client]:
    import dask
    from distributed import Client

    logging.getLogger("distributed").setLevel(logging.ERROR)
    with dask.config.set(SETTINGS):
        try:
            client = Client(address, set_as_default=False, timeout=timeout, security=security)
        except (OSError, ValueError, TimeoutError) as error:
            raise ClusterError(f"no scheduler answers at {address}: {error}") from error
        except TypeError as error:  # what distributed raises for tls:// without certificates
            raise ClusterError(
                f"{address} needs certificates: set distributed.comm.tls in Dask's configuration"
            ) from error
        with client:
            if not client.nthreads():
                raise ClusterError(f"the scheduler at {address} has no workers; start some and run again")
            yield client


def _refuse_unencrypted(address: str, *, insecure: bool) -> None:
    parts = urlsplit(address)
    if parts.scheme not in ("tcp", "tls") or not parts.port:
        raise ClusterError(f"expected an address such as tls://host:8786, not {address!r}")
    local = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if parts.scheme == "tcp" and not local and not insecure:
        raise ClusterError(
            f"{address} is not encrypted: whoever reaches it can run code as you. "
            "Use tls://, or accept it with --insecure"
        )


def check_workers(workers: Workers, folder: str, name: str) -> None:
    """Make sure that every worker of a cluster runs this version of rapidml and sees a folder of this process.

    Args:
        workers: The workers.
        folder: Absolute path of the folder.
        name: Name of a file that this process has just written there.

    Raises:
        ClusterError: A worker has another version, does not see the file, or (of the warm cluster) does not answer.
    """
    if workers.kind not in ("cluster", "warm"):
        return
    limit = _LOOK_WITHIN if workers.kind == "warm" else None

    async def ask() -> dict[str, tuple[str, bool]]:
        found: dict[str, tuple[str, bool]] = await asyncio.wait_for(
            workers.client.run(look_around, folder, name), limit
        )
        return found

    try:
        answers = workers.client.sync(ask)
    except ModuleNotFoundError as error:
        text = f"the workers have no {error.name}: install {DISTRIBUTION} there, in the same version"
        raise ClusterError(text) from error
    except TimeoutError as error:
        raise ClusterError(f"a worker did not answer within {_LOOK_WITHIN:.0f} s") from error
    own = metadata.version(DISTRIBUTION)
    others = sorted({version for version, _ in answers.values()} - {own})
    if others:
        raise ClusterError(f"the workers have {DISTRIBUTION} {', '.join(others)}, this process {own}: install the same")
    blind = sorted(address for address, (_, seen) in answers.items() if not seen)
    if blind:
        raise ClusterError(
            f"{len(blind)} of {len(answers)} workers do not see the store {folder} ({blind[0]} for one): "
            "put it on a file system that all of them share, with --store"
        )


def look_around(folder: str, name: str) -> tuple[str, bool]:
    """Version of rapidml in this process, and whether it sees a file. Runs on workers."""
    return metadata.version(DISTRIBUTION), Path(folder, name).exists()
