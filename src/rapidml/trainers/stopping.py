"""When a training with a centre ends before its last epoch: nothing better for long, or a loss that is no number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rapidml.models.trainer_plan import TrainerPlan

WATCHED = "watch"
"""Name of the score that early stopping looks at; lower is better."""


@dataclass
class EarlyStopping:
    """Finds the best epoch.

    Attributes:
        patience: Epochs without a better one after which training ends; None never ends it and seeks no best.
        best_epoch: The best one so far.
        best_loss: Its watched loss.
        last_epoch: The newest one that was looked at.
    """

    patience: int | None = None
    best_epoch: int | None = None
    best_loss: float | None = None
    last_epoch: int = 0

    def look(self, epoch: int, loss: float) -> bool:
        """Take an epoch's watched loss into account; epochs come in order.

        Returns:
            Whether it is the best so far: of equal ones, the first is.
        """
        self.last_epoch = epoch
        if self.best_loss is not None and loss >= self.best_loss:
            return False
        self.best_epoch, self.best_loss = epoch, loss
        return True

    @property
    def is_over(self) -> bool:
        """Whether there was nothing better for long enough."""
        if self.patience is None or self.best_epoch is None:
            return False
        return self.last_epoch - self.best_epoch >= self.patience


def explain_divergence(plan: TrainerPlan, epoch: int, who: str, *, is_first: bool, staleness: float) -> str:
    """Why a loss is no longer a number, as far as one can tell, and what to do.

    Args:
        plan: How it was trained.
        epoch: In which epoch it was found.
        who: Where: a replica, or the centre.
        is_first: Whether no window before had a loss that is one.
        staleness: Mean staleness of the commits so far.
    """
    head = f"the loss is not a number in epoch {epoch} ({who}, trainer {plan.name}): "
    if is_first:
        return head + (
            "no window had one, so most often features are not on a scale near 1, or params.learning_rate is far too "
            "high; add 'prepare: [standardize]', or lower it"
        )
    if plan.name == "downpour" and plan.replicas > 1:
        return head + (
            f"downpour adds up the whole changes of {plan.replicas} replicas, {staleness:.1f} updates late in the "
            f"mean, and diverges where replicas or windows are many; take the trainer adag, a window below "
            f"{plan.window}, or a lower params.learning_rate"
        )
    if plan.name == "eamsgd":
        return head + (
            f"most often steps of {plan.options['learning_rate']:g} with momentum {plan.options['momentum']:g} are too "
            "long; lower learning_rate of the trainer, and raise its rho as much"
        )
    return head + "most often params.learning_rate is too high; lower it"
