"""How many cores there are to compute on."""

from __future__ import annotations


def count_cores() -> int:
    """Cores this process may use, as the scheduler of the operating system and control groups allow."""
    from dask.system import CPU_COUNT

    return max(1, int(CPU_COUNT))
