"""Ranks that take every step together: TensorFlow's ``MultiWorkerMirroredStrategy`` adds up their gradients.

A process can belong to one group of ranks in its life, so each is a process of its own. Every rank has all weights; in
each step it finds the gradients of its own rows, and what the optimizer gets are the sums over all ranks.

Reference:
    Abadi et al. (2016), "TensorFlow: large-scale machine learning on heterogeneous systems"; the ring all-reduce is
    that of Patarasuk and Yuan (2009), J. Parallel Distrib. Comput. 69, 117-124.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.models.network_loop import NetworkLoop
from rapidml.models.network_runtime import open_tensorflow

if TYPE_CHECKING:
    from collections.abc import Sequence

COLLECTIVE_SECONDS = 120
"""Longest wait of a rank for the others in one step; a rank that died is noticed at once."""
ENVIRONMENT = {"TF_GRPC_REUSE_PORT": "1"}
"""Set before TensorFlow is imported: the port of a rank is held by us until its server has it."""


class SynchronousLoop(NetworkLoop):
    """The loop of one rank among others.

    Args:
        args: As of ``NetworkLoop``.
        addresses: ``host:port`` of every rank, by number.
        rank: Number of this rank.
        options: As of ``NetworkLoop``.
    """

    def __init__(self, *args: Any, addresses: Sequence[str], rank: int, **options: Any) -> None:
        tf = open_tensorflow(**{name: options[name] for name in ("device", "threads", "gpu") if name in options})
        self.rank = rank
        self._strategy = _open_strategy(tf, addresses, rank)
        super().__init__(*args, **options)
        self.n_ranks = len(addresses)
        self._sum_up = tf.function(self._sum, autograph=False)

    def _sum(self, values: list[Any]) -> Any:
        """Sums over all ranks of some tensors, in a compiled function."""
        tf = self.tf
        device = self._strategy.extended.worker_devices[0]

        def add_up(found: list[Any]) -> Any:
            with tf.device(device):  # the strategy asks where its inputs are, which only operations of their own know
                found = [tf.identity(value) for value in found]
            return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, found)

        return self._strategy.run(add_up, args=(values,))

    def combine(self, loss: Any, gradients: list[Any]) -> tuple[Any, list[Any]]:
        """Sums over all ranks."""
        loss, *gradients = self._sum([loss, *gradients])
        return loss, gradients

    def agree(self, value: float) -> float:
        """The number of rank 0."""
        (found,) = self._sum_up([self.tf.constant(value if self.rank == 0 else 0.0, self.tf.float64)])
        return float(found)

    def end_epoch(self) -> None:
        """Statistics that layers keep of their inputs become the mean over the ranks."""
        kept = list(self.model.non_trainable_weights)
        if kept:
            for variable, total in zip(kept, self._sum_up([variable.value for variable in kept]), strict=True):
                variable.assign(total / self.n_ranks)


def _open_strategy(tf: Any, addresses: Sequence[str], rank: int) -> Any:
    """Join the group; before anything else is computed in this process."""
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(addresses)}), task_type="worker", task_id=rank, rpc_layer="grpc"
    )
    options = tf.distribute.experimental.CommunicationOptions(
        implementation=tf.distribute.experimental.CommunicationImplementation.RING, timeout_seconds=COLLECTIVE_SECONDS
    )
    return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver, communication_options=options)
