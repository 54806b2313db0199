"""A fitted network: its weights and what they mean, stored as plain arrays and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rapidml.errors import ModelError
from rapidml.models.network_rows import TargetFacts, make_inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.frame import Frame, Task
    from rapidml.models.network_loop import NetworkLoop, State
    from rapidml.models.network_params import NetworkPlan

ABOUT, ARRAYS = "network.json", "network.npz"
BEST = "best."
"""Before the names of arrays of the best epoch, in a model that is on its way."""
MEMBER = "member."
"""Before those of further networks."""


@dataclass(frozen=True)
class NetworkModel:
    """A fitted network; see ``adapter.Fitted``.

    Attributes:
        plan: Its layers, and how it was trained.
        task: What was learned.
        shape: Shape of one row's input.
        facts: What is known of the targets.
        device: Where it computes.
        state: Its arrays.
        rounds: Epochs it was trained.
        best_round: Epoch of the lowest watched loss, from 1; None if nothing was watched.
        history: Losses of every epoch: ``round``, ``train``, ``watch``.
        best: Its arrays at the best epoch, while it is on its way; None once it is made of these.
        members: Weights of further networks, whose mean with this one predicts.
        report: What is told of the training beside the model: exchanges, staleness.
        cut_to: Trains again up to an epoch; None for a model that was stored.
        built: The network in memory, whatever its weights, to predict with; None to build it when needed.
    """

    plan: NetworkPlan
    task: Task
    shape: tuple[int, ...]
    facts: TargetFacts
    device: str
    state: State = field(repr=False)
    rounds: int
    best_round: int | None = None
    history: dict[str, list[float]] = field(default_factory=dict, repr=False)
    best: State | None = field(default=None, repr=False)
    members: tuple[list[NDArray[Any]], ...] = field(default=(), repr=False)
    report: Mapping[str, Any] | None = field(default=None, repr=False)
    cut_to: Callable[[int], NetworkModel] | None = field(default=None, repr=False, compare=False)
    built: NetworkLoop | None = field(default=None, repr=False, compare=False)

    @cached_property
    def _loop(self) -> NetworkLoop:
        from rapidml.models.network_loop import NetworkLoop

        return self.built or NetworkLoop(self.plan, self.task, self.shape, self.facts, seed=0, device=self.device)

    def predict(self, features: Frame, *, threads: int) -> NDArray[np.float32]:  # noqa: ARG002  (one pool for all)
        """Chance of class 1, of every class, or the value."""
        return self.predict_inputs(make_inputs(features))

    def predict_inputs(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """The same of rows as the network reads them."""
        import numpy as np

        loop, found = self._loop, []
        for weights in (self.state["weights"], *self.members):
            loop.set_weights(weights)
            found.append(loop.predict(inputs))
        return found[0] if len(found) == 1 else np.asarray(np.mean(found, axis=0, dtype=np.float64), np.float32)

    def save(self, folder: Path) -> None:
        """Write ``network.json`` and ``network.npz``; the same model gives the same bytes."""
        import numpy as np

        content = {
            "shape": list(self.shape),
            "facts": self.facts.to_json(),
            "device": self.device,
            "rounds": self.rounds,
            "best_round": self.best_round,
            "history": self.history,
            "plan": asdict(self.plan),
        }
        (folder / ABOUT).write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")
        arrays = dict(_name_arrays("", self.state))
        if self.best is not None:
            arrays |= _name_arrays(BEST, self.best)
        for number, weights in enumerate(self.members):
            arrays |= _name_arrays(f"{MEMBER}{number:04d}.", {"weights": weights})
        np.savez(folder / ARRAYS, allow_pickle=False, **arrays)

    def export(self, folder: Path) -> None:
        """Write ``model.keras``, which needs Keras alone; it takes prepared rows and gives what ``predict`` gives."""
        from rapidml.models.network_export import make_whole

        whole = make_whole(self.plan, self.task, self.shape, self.facts, [self.state["weights"], *self.members])
        whole.save(folder / "model.keras")

    def cut(self, rounds: int) -> NetworkModel:
        """The network after its first epochs.

        Raises:
            ValueError: It has fewer, or was stored: it can no longer be cut.
        """
        if rounds == self.rounds:
            return self
        if rounds > self.rounds or rounds < 1 or self.cut_to is None:
            raise ValueError(f"cannot cut a network of {self.rounds} epochs to {rounds}")
        return self.cut_to(rounds)

    def detached(self) -> NetworkModel:
        """The same as plain arrays, which can travel."""
        return replace(self, cut_to=None, built=None)

    def without_best(self) -> NetworkModel:
        """The same, made of its best epoch's arrays where it has any."""
        return self if self.best is None else replace(self, state=self.best, best=None, rounds=self.best_round or 0)


def load_network(folder: Path, task: Task) -> NetworkModel:
    """The network that ``save`` wrote.

    Raises:
        ModelError: The files are absent or damaged.
    """
    import zipfile

    import numpy as np

    try:
        content = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        with np.load(folder / ARRAYS, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        has_best = any(name.startswith(BEST) for name in arrays)
        return NetworkModel(
            _read_plan(content["plan"]),
            task,
            tuple(content["shape"]),
            TargetFacts.from_json(content["facts"]),
            content["device"],
            _collect(arrays, ""),
            content["rounds"],
            content["best_round"],
            content["history"],
            _collect(arrays, BEST) if has_best else None,
            tuple(_collect(arrays, prefix)["weights"] for prefix in sorted(_list_members(arrays))),
        )
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ModelError(f"{folder} does not hold a whole network: {error}") from error


def _name_arrays(prefix: str, state: State) -> dict[str, NDArray[Any]]:
    return {
        f"{prefix}{kind}.{number:04d}": array for kind, found in state.items() for number, array in enumerate(found)
    }


def _collect(arrays: Mapping[str, NDArray[Any]], prefix: str) -> State:
    state: State = {"weights": [], "optimizer": [], "seeds": []}
    for name in sorted(name for name in arrays if name.startswith(prefix)):
        kind = name.removeprefix(prefix).rpartition(".")[0]
        if kind in state:
            state[kind].append(arrays[name])
    return state


def _list_members(arrays: Mapping[str, NDArray[Any]]) -> set[str]:
    return {".".join(name.split(".")[:2]) + "." for name in arrays if name.startswith(MEMBER)}


def _read_plan(tree: Mapping[str, Any]) -> NetworkPlan:
    from rapidml.models.network_params import NetworkPlan

    named = {name: (tree[name][0], tree[name][1]) for name in ("optimizer", "schedule")}
    return NetworkPlan(**{**tree, **named, "layers": tuple((name, options) for name, options in tree["layers"])})
