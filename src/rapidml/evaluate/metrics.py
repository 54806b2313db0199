"""The metrics: their names, which way is better, which tasks they fit.

The arithmetic is in linear.py, ranking.py and cuts.py; names of metrics with a number in them are read in cut_names.py.

Nothing here imports numpy, so that a recipe can be checked and a table drawn without it.

Conventions that hold for all metrics:

- A row of weight 2 counts as the row twice, a row of weight 0 as no row.
- Negative weights enter every sum with their sign. For roc_auc this is the closed form
  ``sum_ij w_i w_j ([s_i > s_j] + [s_i = s_j] / 2) / (sum_i w_i sum_j w_j)`` over pairs of a positive row i and a
  negative row j; average_precision is ``sum_g dT_g / T * T_g / (T_g + F_g)`` over groups of equal scores, where T and
  F are the sums of weights at or above the group and a group with ``T_g + F_g = 0`` adds nothing. Both may then leave
  [0, 1].
- A score is undefined where its denominator, a sum of weights, is not above zero: no rows, or for roc_auc a class that
  is absent or whose weights sum to zero or less (average_precision: the positive class alone). ``Metric.compute``
  then raises ``ValueError``; ``score_parts`` gives a ``Score`` of NaN that says why.
- Several classes: roc_auc and average_precision are one against rest, plain mean over classes; accuracy takes the
  first largest probability. Binary: class 1 above a probability of 0.5.
- r2 of a constant target is 1 for perfect predictions, else 0, as in scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from rapidml.evaluate.cut_names import EXAMPLES, correct_cut, explain_cut, format_cut, parse_cut
from rapidml.recipe.suggest import suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from rapidml.evaluate.cut_names import Cut

TaskKind = Literal["binary", "multiclass", "regression"]


@dataclass(frozen=True)
class Metric:
    """A score of predictions against the truth.

    Attributes:
        name: Its name in recipes and tables; scikit-learn's where scikit-learn has it.
        tasks: Kinds of task it fits.
        greater_is_better: Its direction.
        kind: ``linear``: a function of weighted means over rows; ``rank``: depends on the order of the predictions;
            ``cut``: read off the ROC curve at one cut.
        can_balance: Whether it is computed with class sums made equal when training was balanced.
        cut: Where on the ROC curve it is read; None for other kinds.
    """

    name: str
    tasks: frozenset[TaskKind]
    greater_is_better: bool
    kind: Literal["linear", "rank", "cut"]
    can_balance: bool = False
    cut: Cut | None = None

    def check_fits(self, task: TaskKind) -> None:
        """Check that it fits a task.

        Raises:
            ValueError: It is for others.
        """
        if task not in self.tasks:
            raise ValueError(f"{self.name} is for {' and '.join(sorted(self.tasks))}, not for {task}")

    def compute(
        self,
        truth: NDArray[Any],
        prediction: NDArray[Any],
        weight: NDArray[Any] | None = None,
        *,
        balanced: bool = False,
    ) -> float:
        """The score of some rows.

        Args:
            truth: Class index, or the value for regression. Shape ``(n_rows,)``.
            prediction: Probability of class 1, shape ``(n_rows,)``; of every class, shape ``(n_rows, n_classes)``; or
                the predicted value, shape ``(n_rows,)``.
            weight: Weight of each row, any scale and sign; all equal if None. Shape ``(n_rows,)``.
            balanced: Make the sums of weights of the classes equal first, where ``can_balance``.

        Returns:
            The score: nats for log_loss, units of the target for rmse and mae, otherwise without unit.

        Raises:
            ValueError: Shapes differ, a number is not finite, or the score is undefined (module docstring).
        """
        from rapidml.evaluate.replicas import compute_one

        return compute_one(self, truth, prediction, weight, balanced=balanced)


def _make_metrics() -> Mapping[str, Metric]:
    classification: frozenset[TaskKind] = frozenset({"binary", "multiclass"})
    regression: frozenset[TaskKind] = frozenset({"regression"})
    metrics = (
        Metric("roc_auc", classification, greater_is_better=True, kind="rank"),
        Metric("log_loss", classification, greater_is_better=False, kind="linear", can_balance=True),
        Metric("accuracy", classification, greater_is_better=True, kind="linear", can_balance=True),
        Metric("average_precision", classification, greater_is_better=True, kind="rank"),
        Metric("rmse", regression, greater_is_better=False, kind="linear"),
        Metric("mae", regression, greater_is_better=False, kind="linear"),
        Metric("r2", regression, greater_is_better=True, kind="linear"),
    )
    return MappingProxyType({metric.name: metric for metric in metrics})


METRICS: Mapping[str, Metric] = _make_metrics()
"""Every metric that takes no number, by its name."""


def find_metric(name: str) -> Metric | None:
    """The metric of this name, or None.

    Args:
        name: Its name. A number in it may be written in any way, ``0.010`` or ``1e-2``; the metric's own name is
            ``signal_efficiency@background=0.01``.
    """
    cut = parse_cut(name)
    if cut is None:
        return METRICS.get(name)
    return Metric(format_cut(cut), frozenset({"binary"}), greater_is_better=True, kind="cut", cut=cut)


def get_metric(name: str) -> Metric:
    """The metric of this name.

    Raises:
        ValueError: There is none; the text names the closest, or all.
    """
    metric = METRICS.get(name) or find_metric(name)
    if metric is None:
        close = suggest_metric(name)
        hint = f"did you mean {close!r}?" if close else f"there are {', '.join(list_metrics())}"
        raise ValueError(f"no metric is called {name!r}: {hint}")
    return metric


def get_fitting_metric(name: str, task: TaskKind) -> Metric:
    """The metric of this name, which must fit the task.

    Raises:
        ValueError: There is none, or it is for other tasks.
    """
    metric = get_metric(name)
    metric.check_fits(task)
    return metric


def suggest_metric(name: str, task: str | None = None) -> str | None:
    """The metric whose name is closest to a mistaken one, among those of the task; None if none is close."""
    aliases = {"auc": "roc_auc", "mse": "rmse", "ap": "average_precision"}
    names = [known for known, metric in METRICS.items() if task is None or task in metric.tasks]
    alias = aliases.get(name.lower())
    close = alias if alias in names else suggest(name, names)
    return correct_cut(name) if close is None and task in (None, "binary") else close


def list_metrics(task: str | None = None) -> tuple[str, ...]:
    """Names of the metrics that fit a task, all without one; those with a number in them stand with an example."""
    names = tuple(name for name, metric in METRICS.items() if task is None or task in metric.tasks)
    return (*names, *EXAMPLES) if task in (None, "binary") else names


def find_mistake(name: str, task: str | None) -> tuple[str, str] | None:
    """What is wrong with the name of a metric in a recipe: what was expected and how to write it. None if nothing is.

    Args:
        name: The name as written.
        task: Kind of task; None while unknown.
    """
    metric = find_metric(name)
    if metric is not None and (task is None or task in metric.tasks):
        return None
    close = suggest_metric(name, task) if metric is None else None
    fix = f"write '{close}'" if close else "choose one of these"
    expected = explain_cut(name) if task in (None, "binary") else None
    kind = "" if task is None else f" for a {task} task"
    return expected or f"a metric{kind}: {', '.join(list_metrics(task))}", fix


def default_rank_by(task: TaskKind) -> str:
    """The metric that ranks models when the recipe names none."""
    return {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}[task]


def heading(metric: str, balanced: bool) -> str:
    """What stands above a column of scores, which says when class sums were made equal."""
    return f"{metric} (classes balanced)" if balanced and get_metric(metric).can_balance else metric
