"""Rounds of boosting on an XGBoost booster: blocks of random numbers, watched losses, continuing and stopping.

Nothing here knows parameters by name, frames or files; ``boosted_trees`` does.

With sampling, XGBoost's random state is hidden and lost when a model is stored. So rounds are trained in blocks of
``BLOCK``: each block starts as a fresh booster loaded from the last block's bytes, with a seed of its own, would start.
A model stored at the end of any block can then be continued to exactly what an undisturbed fit gives. Inside one fit
the fresh booster is not really made, because it would predict all training rows again with every tree so far: a fifth
of the time at 200 rounds of 100,000 rows x 28 features, and ever more with the rounds. Switching the tree method there
and back makes XGBoost build new tree updaters, and a new seed restarts its generator, which together are all of that
state. A test holds both ways equal to the byte.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rapidml.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rapidml.models.adapter import Report

BLOCK = 50
"""Rounds of a block. Part of the fit's format: another length is another model. All blocks of a fit together cost at
most 8% of it at 100,000 rows x 28 features (``bench/bench_boosting_blocks.py``), about 2 ms each on small data."""

EVERY = 10
"""Rounds between two training losses where nothing is watched: looking costs a tenth of a round. The last round is
not special, so that the losses of a fit are the first of those of a longer one."""

LEAST_GAIN = 1e-10
"""A watched loss is better only if it is lower by this share: below it, sums depend on the number of threads."""


KEEP_SECONDS = 5.0
"""A fit that takes longer is kept so often: a kill then costs no more than this, and a checkpoint a hundredth of it."""


@dataclass
class History:
    """Losses during the rounds of one fit.

    Attributes:
        rounds: Rounds that the losses belong to, from 1, ascending.
        train: Loss on the training rows after each of these rounds.
        watch: Loss on the watched rows; empty if none were.
    """

    rounds: list[int] = field(default_factory=list)
    train: list[float] = field(default_factory=list)
    watch: list[float] = field(default_factory=list)

    def first(self, rounds: int) -> History:
        """The part up to a round, as a fit of that many rounds has it."""
        kept = sum(r <= rounds for r in self.rounds)
        return History(self.rounds[:kept], self.train[:kept], self.watch[:kept])

    def to_json(self) -> dict[str, list[float]]:
        """Equally long lists by name."""
        tree: dict[str, list[float]] = {"round": [float(r) for r in self.rounds], "train": list(self.train)}
        return tree | ({"watch": list(self.watch)} if self.watch else {})

    @classmethod
    def from_json(cls, tree: Mapping[str, list[float]]) -> History:
        """The history that ``to_json`` gave."""
        return cls([int(r) for r in tree["round"]], list(tree["train"]), list(tree.get("watch", [])))


@dataclass
class Stopper:
    """Follows the watched loss.

    Attributes:
        patience: Rounds without a better loss after which to stop; None if nothing is watched.
        best: Round with the lowest loss so far, from 1; 0 before the first.
        lowest: That loss.
    """

    patience: int | None
    best: int = 0
    lowest: float = math.inf

    def is_over(self, done: int, loss: float) -> bool:
        """Take the loss of a round; whether patience has run out."""
        assert self.patience is not None
        if self.best == 0 or loss < self.lowest - LEAST_GAIN * abs(self.lowest):
            self.best, self.lowest = done, loss
        return done - self.best >= self.patience

    def replay(self, history: History, total: int) -> int | None:
        """Take all losses of a history up to a round; the round at which training ends, None if it goes on."""
        for done, loss in zip(history.rounds, history.watch, strict=True):
            if self.is_over(done, loss) or done >= total:
                return done
        return None


@dataclass(frozen=True)
class Boosting:
    """How to train.

    Attributes:
        params: XGBoost's parameters without ``seed``.
        total: Rounds to train, or at most.
        sampling: Whether rows or columns are sampled, so that random numbers matter.
        seed: Seed of the fit.
        patience: Rounds without a better watched loss after which to stop.
        report: Told after every round.
        keep: Given the booster and its losses every ``keep_seconds``, after a round from which training can go on.
        keep_seconds: Seconds between two of these calls, at least.
    """

    params: Mapping[str, Any]
    total: int
    sampling: bool
    seed: int
    patience: int | None = None
    report: Report | None = None
    keep: Callable[[Any, History], None] | None = None
    keep_seconds: float = KEEP_SECONDS

    def first_round(self, stored: int) -> int:
        """Rounds of a stored model that can be kept when continuing."""
        return stored - stored % BLOCK if self.sampling else stored

    def run(self, train: Any, watch: Any, start: bytes | None, history: History) -> Any:
        """Train from the start, or from a stored model at ``first_round``.

        Args:
            train: Training rows as a DMatrix.
            watch: Watched rows as a DMatrix; None without early stopping.
            start: The stored model; None for none.
            history: Losses of the stored model's rounds; grows in place.

        Returns:
            The booster with all rounds trained, those after the best included.
        """
        import xgboost

        booster = xgboost.Booster(dict(self.params), [train])
        if start is not None:
            booster = xgboost.Booster(self._continued_params(), [train], model_file=bytearray(start))
        begin = booster.num_boosted_rounds() if start is not None else 0
        booster.set_param({"seed": block_seed(self.seed, begin // BLOCK)})
        stopper = Stopper(self.patience)
        if watch is not None:
            stopper.replay(history, self.total)
        kept = time.monotonic()
        for index in range(begin, self.total):
            if self.sampling and index % BLOCK == 0 and index > begin:
                _start_block(booster, block_seed(self.seed, index // BLOCK))
            booster.update(train, index)
            if self._look(booster, train, watch, index + 1, history) and stopper.is_over(index + 1, history.watch[-1]):
                break
            if self.keep and self.first_round(index + 1) == index + 1 and time.monotonic() - kept > self.keep_seconds:
                self.keep(booster, history)
                kept = time.monotonic()
        return booster

    def _continued_params(self) -> dict[str, Any]:
        """Without the base score: a stored model has its own, which must not be transformed again."""
        return {name: value for name, value in self.params.items() if name != "base_score"}

    def _look(self, booster: Any, train: Any, watch: Any, done: int, history: History) -> bool:
        """Take the losses after a round; whether there is a watched one."""
        if watch is not None or done % EVERY == 0 or done == 1:
            rows = [(train, "train")] + ([] if watch is None else [(watch, "watch")])
            losses = _read_losses(booster.eval_set(rows, done - 1))
            if not all(map(math.isfinite, losses)):
                raise ModelError(
                    f"the loss is not finite after round {done}; lower learning_rate, or look at the target"
                )
            history.rounds.append(done)
            history.train.append(losses[0])
            history.watch.extend(losses[1:])
        if self.report is not None:
            newest = {"train": history.train[-1:], "watch": history.watch[-1:]}
            self.report(done, self.total, {name: values[0] for name, values in newest.items() if values})
        return watch is not None


def block_seed(seed: int, block: int) -> int:
    """Seed of a block; those of neighbouring blocks always differ, or XGBoost would not restart its generator."""
    return (seed + block * 0x9E3779B1) & 0x7FFFFFFF


def _start_block(booster: Any, seed: int) -> None:
    """Put a booster into the state of one freshly loaded from its own bytes, its predictions kept."""
    booster.set_param({"tree_method": "approx"})
    booster.num_boosted_rounds()  # settings take effect when they are next needed: now
    booster.set_param({"tree_method": "hist", "seed": seed})


def _read_losses(line: str) -> list[float]:
    """Losses from XGBoost's ``[3]<tab>train-rmse:0.5<tab>watch-rmse:0.7``; digits after the tenth depend on threads."""
    return [float(f"{float(part.rpartition(':')[2]):.10g}") for part in line.split("\t")[1:]]
