"""What a replica of a timed fit does beside training: compile first, note when epochs ended, keep the weights of then.

Nothing is scored meanwhile: who timed the fit does that afterwards, with these weights, so that it costs no time of
the fit, and a fit never looks at rows that select. The clock is that of the host, the same in all its processes.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidml.models.network_batches import make_batches
from rapidml.trainers.shard_work import Evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from rapidml.execution.replica import ReplicaJob
    from rapidml.models.network_loop import NetworkLoop
    from rapidml.models.network_model import NetworkModel
    from rapidml.models.network_rows import NetworkRows
    from rapidml.trainers.replica import Centre
    from rapidml.trainers.replies import Reply
    from rapidml.trainers.shard_work import Window
    from rapidml.trainers.weights import Weights

_SECONDS = "seconds"


class ReplicaClock:
    """When a replica began to train and when epochs ended.

    Args:
        folder: Where it is written, with the weights at the ends of epochs.
        number: Number of the replica.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self._folder, self._number = folder, number

    def compile_first(
        self, make_loop: Callable[..., NetworkLoop], rows: NetworkRows, counts: tuple[int, ...]
    ) -> Callable[..., NetworkLoop]:
        """Make loops whose functions are compiled, and begin then.

        Args:
            make_loop: Makes a loop.
            rows: Training rows of this replica.
            counts: Those of every rank; empty for one alone.
        """

        def make(*arguments: Any, **options: Any) -> NetworkLoop:
            loop = make_loop(*arguments, **options)
            self.compile(loop, rows, counts)
            self.begin()
            return loop

        return make

    def compile(
        self, loop: NetworkLoop, rows: NetworkRows, counts: tuple[int, ...], *, has_windows: bool = False
    ) -> None:
        """Let a loop take some steps of all shapes that there will be, and forget them.

        Args:
            loop: The loop.
            rows: Training rows of this replica.
            counts: Those of every rank; empty for one alone.
            has_windows: Whether the steps come a window at a time, the last of them with fewer rows.
        """
        import numpy as np

        state = loop.get_state()
        loaded, order = loop.load(rows), np.arange(len(rows.ids))
        size = loop.plan.batch_size
        batches = make_batches(order, size * max(1, len(counts)), counts, self._number if counts else 0)
        parts = [batches.part(0, steps) for steps in (1, 2)]
        if has_windows:
            parts.append(make_batches(order[: max(1, size - 1)], size))
        for part in parts:
            loop.train(loaded, part)
        loop.outputs(rows.inputs[:1])
        loop.end_epoch()
        loop.set_state(state)

    def begin(self) -> None:
        """Training begins."""
        text = json.dumps({_SECONDS: time.monotonic()})
        (self._folder / f"begin-{self._number:04d}.json").write_text(text, encoding="utf-8")

    def end_epoch(self, epoch: int, sets: Sequence[Sequence[NDArray[Any]]]) -> None:
        """An epoch has ended.

        Args:
            epoch: Its number, from 1.
            sets: The weights of then: of one network, or of each that predicts with the others.
        """
        import numpy as np

        now = np.array(time.monotonic())
        arrays = {f"{k:04d}.{i:04d}": array for k, found in enumerate(sets) for i, array in enumerate(found)}
        np.savez(self._folder / f"epoch-{epoch:06d}.npz", allow_pickle=False, **{_SECONDS: now}, **arrays)

    def keep(self, model: NetworkModel) -> None:
        """An epoch has ended, of a network on its way."""
        self.end_epoch(model.rounds, [model.state["weights"]])

    def watch(self, centre: Centre) -> Centre:
        """A centre whose answers tell the ends of epochs; training begins when it is joined."""
        return _WatchedCentre(centre, self)


class _WatchedCentre:
    """A centre as a replica reaches it; what it shows at the end of an epoch is kept."""

    def __init__(self, centre: Centre, clock: ReplicaClock) -> None:
        self._centre, self._clock = centre, clock

    def join(self) -> Reply:
        self._clock.begin()
        return self._look(self._centre.join())

    def push(self, commit: Weights, window: Window, losses: Sequence[float]) -> Reply:
        return self._look(self._centre.push(commit, window, losses))

    def evaluated(self, epoch: int, scores: Mapping[str, float]) -> Reply:
        return self._look(self._centre.evaluated(epoch, scores))

    def _look(self, reply: Reply) -> Reply:
        if isinstance(reply.item, Evaluate):
            self._clock.end_epoch(reply.item.epoch, [[*one.trained, *one.statistics] for one in reply.sets])
        return reply


def open_clock(wanted: ReplicaJob) -> ReplicaClock | None:
    """The clock of a replica; None in a fit that is not timed."""
    return None if wanted.timed is None else ReplicaClock(Path(wanted.timed), wanted.number)


def read_begin(folder: Path) -> float:
    """When the first replica began to train, by ``time.monotonic`` of the host."""
    found = [json.loads(path.read_text(encoding="utf-8"))[_SECONDS] for path in folder.glob("begin-*.json")]
    return float(min(found))


def read_epochs(folder: Path) -> Iterator[tuple[int, float, list[list[NDArray[Any]]]]]:
    """Every epoch in order: its number, when it ended, and the weights of then by set."""
    import numpy as np

    for path in sorted(folder.glob("epoch-*.npz")):
        with np.load(path, allow_pickle=False) as stored:
            sets: dict[str, list[NDArray[Any]]] = {}
            for name in sorted(set(stored.files) - {_SECONDS}):
                sets.setdefault(name.partition(".")[0], []).append(stored[name])
            yield int(path.stem.partition("-")[2]), float(stored[_SECONDS]), [sets[name] for name in sorted(sets)]
