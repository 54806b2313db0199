"""Ranks that take every step together are one network on their mini-batches together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rapidml.dataset.frame import Task
from rapidml.dataset.rowid import mix
from rapidml.models.network_batches import Batches, make_batches, order_rows
from rapidml.models.network_params import NetworkPlan
from rapidml.models.network_rows import NetworkRows, TargetFacts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rapidml.models.network_model import NetworkModel
    from rapidml.trainers.child import Channel

pytest.importorskip("tensorflow", reason="networks need TensorFlow: pip install 'iml-rapidml[tensorflow]'")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

N_ROWS, RANKS, SEED = 700, 2, 11
TASK = Task("binary", ("background", "signal"))
PLAN = NetworkPlan(
    (("Dense", {"units": 16, "activation": "relu", "kernel_regularizer": ["L2", {"l2": 0.01}]}),),
    epochs=3,
    batch_size=32,
    learning_rate=0.05,
    optimizer=("sgd", {"momentum": 0.9, "global_clipnorm": 0.5}),
    schedule=("constant", {}),
)


def make_rows(rank: int | None = None) -> NetworkRows:
    """Weighted rows; of a rank its own."""
    random = np.random.default_rng(0)
    inputs = random.normal(size=(N_ROWS, 6)).astype(np.float32)
    target = (inputs[:, 0] * inputs[:, 1] + inputs[:, 2] > 0).astype(np.float32)
    weight = random.exponential(size=N_ROWS).astype(np.float32)
    ids = np.arange(N_ROWS, dtype=np.uint64)
    kept = np.ones(N_ROWS, bool) if rank is None else mix(ids, "shards", 0) % np.uint64(RANKS) == rank
    return NetworkRows(inputs[kept], target[kept], weight[kept], ids[kept], TargetFacts())


COUNTS = tuple(len(make_rows(rank).ids) for rank in range(RANKS))


def train_rank(channel: Channel, rank: int) -> NetworkModel:
    """What a child process does."""
    import os

    from rapidml.models.network_training import NetworkFit, Ranks
    from rapidml.trainers.multiworker import ENVIRONMENT, SynchronousLoop
    from rapidml.trainers.ports import reserve_port

    os.environ.update(ENVIRONMENT)
    kept, port = reserve_port("127.0.0.1")
    channel.send(f"127.0.0.1:{port}")
    loop = partial(SynchronousLoop, addresses=channel.receive(), rank=rank, threads=1)
    with kept:
        fit = NetworkFit(PLAN, TASK, make_rows(rank), seed=SEED, ranks=Ranks(rank, COUNTS, loop))
        return fit.run().detached()


def join_batches(epoch: int) -> Batches:
    """The mini-batches of all ranks in one process."""
    ranks, everything = [], make_rows()
    for rank in range(RANKS):
        own = make_rows(rank)
        order = np.searchsorted(everything.ids, own.ids[order_rows(own.ids, SEED, epoch)])
        ranks.append(make_batches(order, PLAN.batch_size * RANKS, COUNTS, rank))
    rows = [np.concatenate([one.rows[k, : one.sizes[k]] for one in ranks]) for k in range(ranks[0].n_steps)]
    sizes = np.array([len(one) for one in rows], np.int32)
    lines = np.zeros((len(rows), sizes.max()), np.int32)
    for line, one in zip(lines, rows, strict=True):
        line[: len(one)] = one
    return Batches(lines, sizes, sizes)


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder for temporary files of all processes."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("temporary")
        patch.setenv("TMPDIR", str(folder))
        yield folder


@pytest.fixture(scope="module")
def trained(temporary: Path) -> list[NetworkModel]:
    from rapidml.trainers.helper import Helper

    with Helper.start(["tensorflow", "keras", __name__]) as helper:
        children = [helper.fork(f"{__name__}:train_rank", (rank,)) for rank in range(RANKS)]
        addresses = [child.poll(120) for child in children]
        for child in children:
            child.send(addresses)
        for child in children:
            for _ in child.messages():
                pass
        found: list[Any] = [child.result for child in children]
        for child in children:
            child.close()
    return found


def test_all_ranks_have_the_same_network(trained: list[NetworkModel]) -> None:
    first, second = (one.state["weights"] for one in trained)
    for mine, theirs in zip(first, second, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert trained[0].history == trained[1].history


def test_nothing_is_left_among_the_temporary_files(trained: list[NetworkModel], temporary: Path) -> None:
    assert trained
    assert [path.name for path in temporary.rglob("*.py")] == []


def test_it_is_that_of_one_process_on_the_same_mini_batches(trained: list[NetworkModel]) -> None:
    from rapidml.models.network_loop import NetworkLoop

    everything = make_rows()
    loop = NetworkLoop(PLAN, TASK, (6,), TargetFacts(), seed=SEED)
    rows = loop.load(everything)
    losses = []
    for epoch in range(PLAN.epochs):
        batches = join_batches(epoch)
        losses.append(float(np.average(loop.train(rows, batches), weights=batches.totals)))
    for mine, theirs in zip(loop.get_state()["weights"], trained[0].state["weights"], strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-5)
    np.testing.assert_allclose(losses, trained[0].history["train"], rtol=1e-4)
