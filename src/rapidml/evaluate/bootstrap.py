"""Poisson bootstrap: how often each replica draws each row, as a function of the row's id alone.

Every row is drawn Poisson(1) times in every replica, independently of all others, so the draws of a row depend neither
on the order of rows, nor on which others are scored, nor on the recipe's seed: any two models scored on the same rows,
in any run, share their draws, and the difference of their replicas is paired. Rows of one id are drawn together.

Reference:
    Hanley and MacGibbon (2006), "Creating non-parametric bootstrap samples using Poisson frequencies", Computer
    Methods and Programs in Biomedicine 83, 57-62.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from rapidml.dataset.rowid import mix

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_REPLICAS = 200
"""Replicas behind every interval."""

_BLOCK = 1024
_SEED = 683
_LANES = 4
_STEP = np.uint64(0x9E3779B97F4A7C15)


def _make_table() -> NDArray[np.uint8]:
    """Poisson(1) counts of 16 random bits: the quantile function on 65,536 equal steps; off by at most 8e-6."""
    cumulated = np.cumsum([math.exp(-1) / math.factorial(count) for count in range(12)])
    return np.searchsorted(np.rint(cumulated * 65536), np.arange(65536), side="right").astype(np.uint8)


_COUNTS = _make_table()


def poisson_draws(ids: NDArray[np.uint64], n_replicas: int = N_REPLICAS) -> NDArray[np.uint8]:
    """How often each replica draws each row.

    Args:
        ids: Row ids. Shape ``(n_rows,)``.
        n_replicas: Number of replicas; the first ones do not depend on how many there are.

    Returns:
        Counts of mean 1; in memory those of a row are side by side. Shape ``(n_replicas, n_rows)``.
    """
    ids = np.asarray(ids, dtype=np.uint64)
    # Each hash gives four counts of 16 bits; all hashes of a row are counted up from one of its own.
    n_hashes = -(-n_replicas // _LANES)
    steps = np.arange(n_hashes, dtype=np.uint64) * _STEP
    counters = mix(ids, "bootstrap", _SEED)[:, None] + steps
    bits = mix(counters.reshape(-1), "bootstrap", _SEED + 1).astype("<u8", copy=False)
    return _COUNTS.take(bits.view("<u2")).reshape(len(ids), n_hashes * _LANES)[:, :n_replicas].T


class KeptDraws:
    """Draws of the rows of some parts, kept while many models are scored on them: made again they are half the work.

    Attributes:
        most_bytes: What they take in memory at most; parts beyond it are not kept.
    """

    most_bytes = 64 * 2**20

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[np.uint8]] = {}

    def find(self, part: str, ids: NDArray[np.uint64]) -> NDArray[np.uint8] | None:
        """The draws of a part, made now or before.

        Args:
            part: Name of the part.
            ids: Its row ids, the same in every call. Shape ``(n_rows,)``.

        Returns:
            Shape ``(n_rows, N_REPLICAS)``; None if they would take too much memory.
        """
        if part not in self._kept:
            if sum(map(len, self._kept.values()), len(ids)) * N_REPLICAS > self.most_bytes:
                return None
            draws = np.empty((len(ids), N_REPLICAS), np.uint8)
            for start in range(0, len(ids), _BLOCK):
                draws[start : start + _BLOCK] = poisson_draws(ids[start : start + _BLOCK]).T
            self._kept[part] = draws
        return self._kept[part]
