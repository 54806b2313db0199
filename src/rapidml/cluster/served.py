"""What is to be known of a cluster that a keeper serves: how to start it, and once it runs how to reach it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from rapidml.cluster.certificates import Certificate
from rapidml.errors import ClusterError


@dataclass(frozen=True)
class Wanted:
    """A cluster to start.

    Attributes:
        workers: Number of worker processes; None for one for each core.
        preload: Modules that are imported once, before the workers are forked.
        tasks: Modules that tasks are made of, which the scheduler reads: imported before it is forked.
        folder: Runtime folder where a warm cluster is written down; None for one that ends with its starter.
        idle: Seconds without client and task after which it ends itself; None for never.
    """

    workers: int | None
    preload: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    folder: str | None = None
    idle: float | None = None

    def to_json(self) -> str:
        """The keeper's argument."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Wanted:
        """What ``to_json`` wrote."""
        tree = json.loads(text)
        return cls(**{**tree, **{name: tuple(tree[name]) for name in ("preload", "tasks")}})


@dataclass(frozen=True)
class Served:
    """A cluster that is ready.

    Attributes:
        address: Address of its scheduler, ``tls://127.0.0.1:...``.
        http: Address of the scheduler's pages.
        has_dashboard: Whether Dask's dashboard is among them.
        workers: Number of worker processes.
        pid: Process number of its keeper.
        started: When it was ready, seconds since 1970.
        idle: Seconds without client and task after which it ends itself; None for never.
        environment: What its tasks need to be equal.
        certificate: How to be let in.
    """

    address: str
    http: str
    has_dashboard: bool
    workers: int
    pid: int
    started: float
    idle: float | None
    environment: dict[str, str]
    certificate: Certificate

    @property
    def dashboard(self) -> str | None:
        """Page of Dask's dashboard."""
        return f"{self.http}/status" if self.has_dashboard else None

    def to_json(self) -> dict[str, Any]:
        """JSON-like form, the key included."""
        return asdict(self)

    @classmethod
    def from_json(cls, tree: Any) -> Served:
        """What ``to_json`` wrote.

        Raises:
            ClusterError: Another version wrote it, or it is damaged.
        """
        try:
            return cls(**{**tree, "certificate": Certificate(**tree["certificate"])})
        except (KeyError, TypeError) as error:
            raise ClusterError("it was started by another version of rapidml") from error
