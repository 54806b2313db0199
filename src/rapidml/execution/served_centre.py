"""The centre of a fit on the worker that serves it: opened or taken up again, kept, watched, made into a network."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidml.errors import ModelError
from rapidml.events import Event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from rapidml.execution.replica import ReplicaFacts, ReplicaJob
    from rapidml.models.network_model import NetworkModel
    from rapidml.models.network_params import NetworkPlan
    from rapidml.models.trainer_plan import TrainerPlan
    from rapidml.trainers.centre import Centre

ARRAYS, ABOUT = "centre.npz", "centre.json"
DESERTED_SECONDS = 20.0
"""A centre to which nobody has come for so long, though there is something to do, gives up."""
REPORT_SECONDS = 2.0
"""Time between two reports of how it goes."""
SHOWN_POINTS = 60
"""Points of a curve in such a report."""


class ServedCentre:
    """A centre and its server, in the process of a Dask worker.

    Args:
        wanted: Replica 0.
        trainer: The trainer.
        facts: What replica 0 told.
        host: Address that all replicas reach.
        secret: What they prove themselves with.
        checkpoint: Folder of a snapshot to go on from; None to begin.
    """

    def __init__(
        self,
        wanted: ReplicaJob,
        trainer: TrainerPlan,
        facts: ReplicaFacts,
        host: str,
        secret: bytes,
        checkpoint: str | None,
    ) -> None:
        from distributed import get_worker

        from rapidml.execution.checkpoints import name_attempt
        from rapidml.trainers.exchange import serve_centre

        self.wanted, self.trainer, self.facts = wanted, trainer, facts
        self._worker = get_worker()
        self._reported = 0.0
        self._progress = name_attempt(wanted.request.store, wanted.job.step.key)
        self.centre = self._take_up(checkpoint) or self._begin()
        self.server = serve_centre(self.centre, host, secret, keep=self._keep if wanted.timed is None else None)
        self.told = {"address": list(self.server.address), "secret": secret.hex()}

    @property
    def plan(self) -> NetworkPlan:
        """The network."""
        from rapidml.models.fitting import fit_params
        from rapidml.models.registry import find_adapter
        from rapidml.trainers.replica import plan_replica

        spec = self.wanted.job.step.spec
        adapter: Any = find_adapter(spec.type)
        return plan_replica(adapter.plan(fit_params(spec)), self.trainer)

    def _begin(self) -> Centre:
        from rapidml.trainers.centre import Centre

        spec, plan = self.wanted.job.step.spec, self.plan
        is_watched = spec.early_stopping is not None and spec.rounds is None
        return Centre(
            self.trainer,
            self.facts.sets,
            rows=self.facts.counts,
            epochs=plan.epochs,
            batch_size=plan.batch_size,
            patience=spec.early_stopping if is_watched else None,
        )

    def _take_up(self, checkpoint: str | None) -> Centre | None:
        import numpy as np

        from rapidml.trainers.centre import Centre

        if checkpoint is None:
            return None
        try:
            with np.load(Path(checkpoint, ARRAYS), allow_pickle=False) as stored:
                arrays: dict[str, NDArray[Any]] = {name: stored[name] for name in stored.files}
            tree = json.loads(Path(checkpoint, ABOUT).read_text(encoding="utf-8"))
            return Centre.from_snapshot(self.trainer, arrays, tree)
        except (OSError, ValueError, KeyError):  # a damaged one costs time, nothing else
            return None

    def _keep(self, arrays: dict[str, NDArray[Any]], tree: dict[str, Any]) -> None:
        import numpy as np

        from rapidml.store.work import save_checkpoint

        def write(folder: Path) -> None:
            np.savez(folder / ARRAYS, allow_pickle=False, **arrays)
            (folder / ABOUT).write_text(json.dumps(tree), encoding="utf-8")

        try:
            self._progress.mkdir(parents=True, exist_ok=True)
            save_checkpoint(self._progress, int(tree["tally"]["exchanges"]), write)
        except OSError:  # a full disk, say, must not end the fit itself
            return

    @property
    def is_over(self) -> bool:
        """Whether all is done and every replica told so; or something went wrong."""
        return self.server.wait(0.0) or self.server.error is not None

    @property
    def is_deserted(self) -> bool:
        """Whether something is to do and nobody has been there to do it for a long time."""
        return not self.is_over and self.server.deserted_seconds > DESERTED_SECONDS

    def lose(self, number: int, why: str) -> None:
        """A replica is known to be gone."""
        if not self.is_over:
            self.server.drop(number, why)

    def look(self) -> None:
        """Report how it goes, now and then."""
        if time.monotonic() - self._reported < REPORT_SECONDS or self.is_over:
            return
        self._reported = time.monotonic()
        job, report = self.wanted.job, self.server.report()
        scores = {name: curve["loss"][-1] for name, curve in report["curves"]["centre"].items() if curve["loss"]}
        data = {"done": report["epochs"], "total": self.plan.epochs, "unit": job.step.spec.unit, "scores": scores}
        data |= {"training": thin(report), "history": self.server.history()}
        event = Event("progress", "fit", job.step.key, job.step.title, data)
        self._worker.log_event(job.topic, event.to_json())

    def finish(self) -> NetworkModel:
        """The network of the weights that the replicas have come to.

        Raises:
            ModelError: Training was no longer possible.
        """
        from rapidml.models.network_model import NetworkModel

        self.server.wait(None)
        self.server.close()
        if self.server.error is not None:
            raise ModelError(f"the centre failed: {self.server.error}") from self.server.error
        if self.centre.failure is not None:
            raise ModelError(self.centre.failure)
        first, *others = ([*found.trained, *found.statistics] for found in self.centre.weights)
        history = {name: [float(value) for value in values] for name, values in self.centre.history.items()}
        history["round"] = [int(value) for value in history["round"]]
        best = self.centre.stopping.best_epoch if self.centre.stopping.patience is not None else None
        model = NetworkModel(
            self.plan,
            self._task,
            self.facts.shape,
            self.facts.facts,
            self.wanted.job.step.spec.device,
            {"weights": first, "optimizer": [], "seeds": []},
            len(history["round"]) if best is None else best,
            best,
            history,
            members=tuple(others),
        )
        return replace(model, report=self.centre.report())

    @property
    def _task(self) -> Any:
        assert self.wanted.request.profile is not None
        return self.wanted.request.profile.task

    def close(self) -> None:
        """End the server."""
        self.server.close()


def thin(report: Mapping[str, Any]) -> dict[str, Any]:
    """A report with fewer points of its curves."""
    return {**report, "curves": _thin(report["curves"])}


def _thin(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _thin(inner) for name, inner in tree.items()}
    if isinstance(tree, list) and len(tree) > SHOWN_POINTS:
        step = -(-len(tree) // SHOWN_POINTS)
        return [*tree[:-1:step], tree[-1]]
    return tree
