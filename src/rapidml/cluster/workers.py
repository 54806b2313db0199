"""Opening and closing the Dask workers of a run: threads in this process, processes on this host, or a cluster's."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from rapidml.errors import DISTRIBUTION, ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

SETTINGS = {
    "distributed.scheduler.allowed-failures": 1,
    "distributed.scheduler.no-workers-timeout": "60s",
    "distributed.comm.timeouts.connect": "30s",
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.target": False,
    "distributed.admin.log-length": 1000,
}
"""A task that no worker can take fails after a minute instead of waiting for ever; tables are mapped, never spilled."""


@dataclass(frozen=True)
class Workers:
    """Workers that are ready.

    Attributes:
        client: Connected Dask client.
        kind: ``threads`` (workers inside this process), ``processes`` (on this host) or ``cluster`` (by address).
        count: Number of workers.
        threads: Threads that one fit may use on a worker.
    """

    client: Client
    kind: Literal["threads", "processes", "cluster"]
    count: int
    threads: int

    def describe(self) -> str:
        """Such as ``2 workers in this process``."""
        workers = "1 worker" if self.count == 1 else f"{self.count} workers"
        if self.kind == "threads":
            return f"{workers} in this process"
        return f"{workers} on this host" if self.kind == "processes" else f"{workers} of a running cluster"


def count_cores() -> int:
    """Cores this process may use, as the scheduler of the operating system and control groups allow."""
    from dask.system import CPU_COUNT

    return max(1, int(CPU_COUNT))


@contextlib.contextmanager
def open_workers(kind: Literal["threads", "processes"], count: int, threads: int) -> Iterator[Workers]:
    """Start workers on this host, bound to loopback, and close them at the end.

    Args:
        kind: ``threads`` or ``processes``.
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
                processes=kind == "processes",
                host="127.0.0.1" if kind == "processes" else None,
                dashboard_address="127.0.0.1:0",
                memory_limit=0,
                silence_logs=logging.CRITICAL,
            )
        except (OSError, TimeoutError, RuntimeError) as error:
            raise ClusterError(f"the workers did not start: {error}") from error
        with contextlib.closing(cluster), Client(cluster, set_as_default=False) as client:
            yield Workers(client, kind, count, threads)


def abandon(workers: Workers) -> None:
    """Leave workers to end with this process: a fit that runs inside it cannot be stopped, and nobody waits for it."""
    cluster = workers.client.cluster
    if cluster is not None:
        cluster.shutdown_on_close = False


@contextlib.contextmanager
def connect(address: str, *, insecure: bool = False) -> Iterator[Workers]:
    """Use the workers of a running scheduler; they are left running at the end.

    Args:
        address: Such as ``tls://host:8786`` or ``tcp://127.0.0.1:8786``.
        insecure: Allow an unencrypted address beyond this host: whoever reaches that port can run code as you.

    Raises:
        ClusterError: The address is unencrypted and leaves this host, cannot be reached, or has no workers.
    """
    import dask
    from distributed import Client

    _refuse_unencrypted(address, insecure=insecure)
    logging.getLogger("distributed").setLevel(logging.ERROR)
    with dask.config.set(SETTINGS):
        try:
            client = Client(address, set_as_default=False, timeout=10)
        except (OSError, ValueError, TimeoutError) as error:
            raise ClusterError(f"no scheduler answers at {address}: {error}") from error
        except TypeError as error:  # what distributed raises for tls:// without certificates
            raise ClusterError(
                f"{address} needs certificates: set distributed.comm.tls in Dask's configuration"
            ) from error
        with client:
            nthreads = client.nthreads()
            if not nthreads:
                raise ClusterError(f"the scheduler at {address} has no workers; start some and run again")
            yield Workers(client, "cluster", len(nthreads), min(nthreads.values()))


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
        ClusterError: A worker has another version, or does not see the file.
    """
    if workers.kind != "cluster":
        return
    try:
        answers = workers.client.run(look_around, folder, name)
    except ModuleNotFoundError as error:
        text = f"the workers have no {error.name}: install {DISTRIBUTION} there, in the same version"
        raise ClusterError(text) from error
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
