"""Dask's settings for every cluster of ours, and the names of the files that write down the warm one."""

from __future__ import annotations

RECORD = "cluster.json"
LOCK = "cluster.lock"
LOG = "cluster.log"
STARTING = "starting.lock"

SETTINGS = {
    "distributed.scheduler.allowed-failures": 1,
    "distributed.scheduler.no-workers-timeout": "60s",
    "distributed.comm.timeouts.connect": "30s",
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.profile.interval": "100ms",
    "distributed.admin.log-length": 1000,
}
"""A task that no worker can take fails after a minute instead of waiting for ever; tables are mapped, never spilled;
the dashboard's profile looks at tasks ten times a second, not a hundred times."""
