"""How a run is executed: nothing here changes a result or a key."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RunOptions:
    """How a run is executed; nothing here changes a result or a key.

    Attributes:
        workers: Number of worker processes on this host; None chooses.
        cluster: Address of a running scheduler to use instead.
        insecure: Allow an unencrypted address beyond this host.
    """

    workers: int | None = None
    cluster: str | None = None
    insecure: bool = False
