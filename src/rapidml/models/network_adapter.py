"""What the adapters of networks share: everything but how a recipe describes the layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.models.network_params import EPOCHS, check_params, read_plan, resolve_params
from rapidml.models.versions import find_versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.frame import Frame, Task, TrainingRows
    from rapidml.models.adapter import Complaint, Fitted, Keep, Report
    from rapidml.models.network_params import NetworkKind, NetworkPlan
    from rapidml.models.network_rows import NetworkRows


class HeldNetworkRows:
    """Training rows, and the watched ones, as networks read them."""

    def __init__(self, rows: NetworkRows, watch: NetworkRows | None) -> None:
        self.rows, self.watch = rows, watch

    @property
    def n_bytes(self) -> int:
        """Memory that they take, about."""
        return self.rows.n_bytes + (0 if self.watch is None else self.watch.n_bytes)


class NetworkAdapter:
    """An adapter whose fits are networks; see ``adapter.Adapter`` for the contract."""

    name: str
    library = "tensorflow"
    extra: str | None = "tensorflow"
    tasks = frozenset({"binary", "multiclass", "regression"})
    takes_weights = True
    takes_negative_weights = True
    takes_categories = False
    takes_missing = False
    takes_negative_features = True
    iterations: str | None = EPOCHS
    prefix: str | None = EPOCHS
    uses_threads = True
    devices = frozenset({"cpu", "cuda"})
    takes_shards = False

    @property
    def _kind(self) -> NetworkKind:
        return "mlp" if self.name == "mlp" else "keras"

    def check(self, params: Mapping[str, Any], task_kind: str | None) -> Iterator[Complaint]:
        """Every mistake in the parameters and in the layers among them."""
        yield from check_params(self._kind, params, task_kind)

    def resolve(self, params: Mapping[str, Any], task: Task, early_stopping: int | None) -> dict[str, Any]:  # noqa: ARG002
        """Parameters in one form, those with their default left out, but for the number of epochs."""
        return resolve_params(self._kind, params)

    def plan(self, params: Mapping[str, Any]) -> NetworkPlan:
        """The network that resolved parameters describe."""
        return read_plan(self._kind, params)

    def prefix_rounds(self, params: Mapping[str, Any]) -> int | None:
        """The number of epochs; None where the learning rate of an epoch depends on how many there are."""
        plan = self.plan(params)
        return None if plan.depends_on_epochs else plan.epochs

    def versions(self) -> dict[str, str]:
        """Versions of TensorFlow and Keras."""
        return find_versions(("tensorflow", "keras"))

    def fit(
        self,
        rows: TrainingRows,
        params: Mapping[str, Any],
        task: Task,
        *,
        seed: int,
        threads: int,
        watch: TrainingRows | None = None,
        early_stopping: int | None = None,
        start: Fitted | None = None,
        device: str = "cpu",
        report: Report | None = None,
        keep: Keep | None = None,
    ) -> Fitted:
        """Train in this process; see ``adapter.Adapter``."""
        held = self.hold_rows(rows, params, task, threads=threads, watch=watch)
        return self.fit_held(
            held,
            params,
            task,
            seed=seed,
            threads=threads,
            early_stopping=early_stopping,
            start=start,
            device=device,
            report=report,
            keep=keep,
        )

    def load(self, folder: Path, task: Task) -> Fitted:
        """The network that ``save`` wrote; see ``adapter.Adapter``."""
        from rapidml.models.network_model import load_network

        return load_network(folder, task)

    def form(self, params: Mapping[str, Any]) -> tuple[Any, ...]:  # noqa: ARG002  (all networks read rows alike)
        """One form for all networks."""
        return ("network",)

    def hold_rows(
        self,
        rows: TrainingRows,
        params: Mapping[str, Any],  # noqa: ARG002  (the protocol)
        task: Task,
        *,
        threads: int,  # noqa: ARG002  (the protocol)
        watch: TrainingRows | None,
    ) -> HeldNetworkRows:
        """Rows as networks read them."""
        from dataclasses import replace

        from rapidml.models.network_rows import make_network_rows

        made = make_network_rows(rows, task)
        if watch is None:
            return HeldNetworkRows(made, None)
        if task.kind == "regression":
            watch = replace(watch, target_moments=(made.facts.mean, made.facts.scale))
        return HeldNetworkRows(made, make_network_rows(watch, task))

    def hold_shown(self, features: Frame) -> NDArray[Any]:
        """Rows to predict as networks read them."""
        from rapidml.models.network_rows import make_inputs

        return make_inputs(features)

    def fit_held(
        self,
        rows: Any,
        params: Mapping[str, Any],
        task: Task,
        *,
        seed: int,
        threads: int,  # noqa: ARG002  (one pool for all)
        early_stopping: int | None = None,
        start: Fitted | None = None,
        device: str = "cpu",
        report: Report | None = None,
        keep: Keep | None = None,
    ) -> Fitted:
        """Train on held rows; see ``adapter.HoldingAdapter``."""
        from rapidml.models.network_model import NetworkModel
        from rapidml.models.network_training import NetworkFit

        fit = NetworkFit(
            self.plan(params), task, rows.rows, seed=seed, device=device, watch=rows.watch, patience=early_stopping
        )
        return fit.run(start if isinstance(start, NetworkModel) else None, report, keep)

    def predict_held(self, model: Any, shown: Any, rounds: Any, *, threads: int) -> list[NDArray[np.float32]]:  # noqa: ARG002
        """Predictions of held rows by a model, or by it after some numbers of epochs."""
        cuts = [model.cut(wanted) for wanted in rounds] or [model]
        return [cut.predict_inputs(shown) for cut in cuts]
