"""Which rows make up each mini-batch: a function of row ids, seed and epoch alone.

Every row is in one mini-batch of each epoch; the last one may be smaller. Several ranks train on rows of their own in
equally many steps, so that none waits for a step that others do not take.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rapidml.keys import make_seed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Batches:
    """Mini-batches of one rank in some steps of an epoch.

    Attributes:
        rows: Positions of rows, those of a step first in its line. Shape ``(n_steps, most_rows)``, int32.
        sizes: Rows of this rank in each step. Shape ``(n_steps,)``, int32.
        totals: Rows of all ranks in each step, over which its loss is averaged. Shape ``(n_steps,)``, int32.
    """

    rows: NDArray[np.int32]
    sizes: NDArray[np.int32]
    totals: NDArray[np.int32]

    @property
    def n_steps(self) -> int:
        """Number of steps."""
        return len(self.sizes)

    def part(self, first: int, last: int) -> Batches:
        """The steps from ``first`` up to, not including, ``last``."""
        return Batches(self.rows[first:last], self.sizes[first:last], self.totals[first:last])


def order_rows(ids: NDArray[np.uint64], seed: int, epoch: int) -> NDArray[np.int64]:
    """Positions of rows in the order of an epoch (from 0); it does not depend on the order they come in."""
    import numpy as np

    from rapidml.dataset.rowid import mix

    return np.lexsort((ids, mix(ids, "batches", make_seed(seed, "epoch", epoch))))


def make_batches(order: NDArray[np.int64], batch_size: int, counts: tuple[int, ...] = (), rank: int = 0) -> Batches:
    """The mini-batches of an epoch.

    Args:
        order: Positions of this rank's rows in the order of the epoch. Shape ``(n_rows,)``.
        batch_size: Rows of all ranks in a full mini-batch.
        counts: Rows of every rank; empty for one.
        rank: Number of this rank.

    Returns:
        With one rank full mini-batches and the rest. With several ranks each deals its rows evenly to the steps, which
        are so few that each has a row of every rank.
    """
    import numpy as np

    if len(counts) <= 1:
        n_steps = max(1, -(-len(order) // batch_size))
        sizes = np.full(n_steps, batch_size, np.int32)
        sizes[-1] = len(order) - batch_size * (n_steps - 1)
        return Batches(_fold(order, sizes), sizes, sizes)
    n_steps = max(1, min(-(-sum(counts) // batch_size), *counts))
    per_rank = np.array([_deal_evenly(count, n_steps) for count in counts])
    return Batches(_fold(order, per_rank[rank]), per_rank[rank], per_rank.sum(axis=0, dtype=np.int32))


def _deal_evenly(count: int, n_steps: int) -> NDArray[np.int32]:
    import numpy as np

    bounds = np.arange(n_steps + 1, dtype=np.int64) * count // n_steps
    return np.diff(bounds).astype(np.int32)


def _fold(order: NDArray[np.int64], sizes: NDArray[np.int32]) -> NDArray[np.int32]:
    """One line a step, filled up with row 0, which is never read."""
    import numpy as np

    rows = np.zeros((len(sizes), max(1, int(sizes.max()))), np.int32)
    rows[np.arange(rows.shape[1]) < sizes[:, None]] = order
    return rows
