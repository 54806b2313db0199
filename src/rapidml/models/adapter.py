"""What a model library must offer: the contract between fits and adapters, in prose and as protocols.

An adapter is a stateless object that turns checked parameters and rows into a fitted model. The rules, each held by
the conformance suite of the tests:

- **Exact.** The same rows, parameters and seed give the same predictions to the bit, for any number of threads, and
  saving a model twice gives the same bytes. Random numbers come from ``seed`` alone.
- **Weighted.** Where ``takes_weights`` is true, a row of weight 2 counts as the row twice and a row of weight 0 as no
  row at all (up to the library's own binning of values).
- **Continued is undisturbed.** ``start`` is only ever a way to save time: ``fit(start=...)`` equals ``fit()`` without
  it, to the byte. An adapter that cannot promise that ignores ``start``. The caller promises in turn that ``start``
  was fitted on the same rows with the same seed and parameters, but for the number of rounds and the patience.
- **A prefix is the fit.** Where ``prefix`` names a parameter, a fit with a lower value of it is the first part of one
  with a higher value: ``fit(n).cut(m)`` saves the files of ``fit(m)``, to the byte, and predicts the same. So it names
  rounds or trees that are added one after the other, never a limit such as ``max_iter``. ``prefix_rounds`` is None for
  parameters with which that does not hold.
- **Stopped early is cut.** With ``watch`` and ``early_stopping`` the library's own loss of the objective is watched,
  with the weights of ``watch``; the model that comes back ends with the best round.
- **Checked without the library.** ``check`` and ``resolve`` run in every command, so they read lists that were made
  from the library and are bundled; importing the library there costs seconds.
- **Plain files.** ``save`` writes the library's own format or plain arrays, never a pickle.

Features come as a ``Frame`` in feature order. Categorical columns hold codes into the categories seen in training
(-1 = missing or unseen) and reach only adapters with ``takes_categories``; NaN reaches only those with
``takes_missing``. An adapter is added by an entry point in the group ``rapidml.models``: its name is the ``type`` of
recipes, its value a class without arguments, or an object, that satisfies ``Adapter``.

Fits on the same rows can share them in the library's own form, so that they are binned or copied once. An adapter that
offers this satisfies ``HoldingAdapter`` too; nobody has to. The rule is the same: what comes of held rows is equal to
the byte to what comes of the rows themselves, and a fit leaves held rows as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from rapidml.dataset.frame import Frame, Task, TrainingRows

Report = Callable[[int, int, dict[str, float]], None]
"""Called during a fit with (rounds done, rounds in all, newest losses); may be called often and must be quick."""
Keep = Callable[["Fitted"], None]
"""Called during a long fit with the model as trained so far, which is then safe from a kill."""


@dataclass(frozen=True)
class Complaint:
    """One wrong parameter.

    Attributes:
        path: Where, within the parameters: ``("max_depth",)``, ``("hidden_layer_sizes", 1)``.
        expected: What would have been right; one sentence without a full stop.
        fix: What to do; one sentence without a full stop.
        on_key: Whether the name is wrong rather than the value.
    """

    path: tuple[str | int, ...]
    expected: str
    fix: str
    on_key: bool = False


@runtime_checkable
class Fitted(Protocol):
    """A fitted model of one library.

    Attributes:
        rounds: Rounds in the model; None for models without rounds.
        best_round: Round with the lowest watched loss, from 1; None if nothing was watched.
        history: Losses by name (``train``, ``watch``), each as long as ``round``, the rounds they belong to. Empty for
            models without rounds.
    """

    @property
    def rounds(self) -> int | None:
        """See the class."""
        ...

    @property
    def best_round(self) -> int | None:
        """See the class."""
        ...

    @property
    def history(self) -> dict[str, list[float]]:
        """See the class."""
        ...

    def predict(self, features: Frame, *, threads: int) -> NDArray[Any]:
        """Chance of class 1 (binary, shape ``(n_rows,)``), of every class (``(n_rows, n_classes)``), or the value."""
        ...

    def save(self, folder: Path) -> None:
        """Write the model's files into an existing folder."""
        ...

    def cut(self, rounds: int) -> Fitted:
        """The model after its first rounds (of ``iterations`` or of ``prefix``), equal to a fit of that many.

        Raises:
            ValueError: The model has no rounds, or fewer.
        """
        ...


@runtime_checkable
class Adapter(Protocol):
    """A kind of model that recipes can name.

    Attributes:
        name: ``type`` of recipes.
        library: Module that must be importable to fit, such as ``xgboost``.
        extra: Extra of the distribution that brings the library; None if it is always there or not ours to bring.
        tasks: Task kinds it can learn.
        takes_weights: Whether fits use weights.
        takes_negative_weights: Whether weights may be negative.
        takes_categories: Whether it reads categorical columns as such.
        takes_missing: Whether numbers may be NaN.
        takes_negative_features: Whether numbers may be below zero.
        iterations: Name of the parameter that counts rounds; None for models without rounds, which cannot stop early.
        prefix: Name of the parameter along which shorter fits are exact prefixes of longer ones; None if there is none.
        uses_threads: Whether more than one thread makes its fits faster.
        devices: Where it can train: ``cpu``, ``cuda``.
        takes_shards: Whether several ranks, each with a share of the rows, can train one model together.
    """

    name: str
    library: str
    extra: str | None
    tasks: frozenset[str]
    takes_weights: bool
    takes_negative_weights: bool
    takes_categories: bool
    takes_missing: bool
    takes_negative_features: bool
    iterations: str | None
    prefix: str | None
    uses_threads: bool
    devices: frozenset[str]
    takes_shards: bool

    def check(self, params: Mapping[str, Any], task_kind: str | None) -> Iterator[Complaint]:
        """Every mistake in the parameters, without importing the library; ``task_kind`` is None while unknown."""
        ...

    def resolve(self, params: Mapping[str, Any], task: Task, early_stopping: int | None) -> dict[str, Any]:
        """Checked parameters as they enter the key: aliases and dependent defaults resolved, nothing else added."""
        ...

    def prefix_rounds(self, params: Mapping[str, Any]) -> int | None:
        """Value of ``prefix`` in resolved parameters, the library's default where it is not given.

        Returns:
            The number of rounds; None where a shorter fit with these parameters is no exact prefix of a longer one.
        """
        ...

    def versions(self) -> dict[str, str]:
        """Versions of the library's distributions, without importing it; empty if it is not installed."""
        ...

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
        """Train one model on prepared rows.

        Args:
            rows: What to train on.
            params: Resolved parameters.
            task: What is learned.
            seed: Seed of all random numbers, in [0, 2**31).
            threads: Number of threads to use; changes nothing but the time.
            watch: Rows whose loss decides when to stop; only together with ``early_stopping``.
            early_stopping: Rounds without a better watched loss after which training ends.
            start: The same fit with other rounds, to continue or cut.
            device: ``cpu`` or ``cuda``.
            report: Told about progress.
            keep: Given the model as trained so far, now and then, where ``start`` can take it up again.

        Raises:
            ModelError: The library refuses the rows or the parameters.
        """
        ...

    def load(self, folder: Path, task: Task) -> Fitted:
        """The model that ``save`` wrote.

        Raises:
            ModelError: The files are absent, damaged or hold something that is not allowed.
        """
        ...


class HeldRows(Protocol):
    """Training rows, and the watched ones, in a library's own form: what a fit needs to know of them."""

    @property
    def n_bytes(self) -> int:
        """Memory that they take, about."""
        ...


@runtime_checkable
class HoldingAdapter(Adapter, Protocol):
    """An adapter whose fits can share rows in the library's own form; see the module."""

    def form(self, params: Mapping[str, Any]) -> tuple[Any, ...]:
        """What of the library and of the parameters decides the form: fits for which it is equal can share rows.

        Returns:
            Plain values, such as the name of the form and the number of bins.
        """
        ...

    def hold_rows(
        self, rows: TrainingRows, params: Mapping[str, Any], task: Task, *, threads: int, watch: TrainingRows | None
    ) -> HeldRows:
        """Rows in the library's form; nothing of the frame is kept beside it.

        Raises:
            ModelError: The library refuses the rows.
        """
        ...

    def hold_shown(self, features: Frame) -> NDArray[Any]:
        """Rows to predict as the library reads them."""
        ...

    def fit_held(
        self,
        rows: Any,
        params: Mapping[str, Any],
        task: Task,
        *,
        seed: int,
        threads: int,
        early_stopping: int | None = None,
        start: Fitted | None = None,
        device: str = "cpu",
        report: Report | None = None,
        keep: Keep | None = None,
    ) -> Fitted:
        """The very model of ``fit``; ``rows`` is what ``hold_rows`` gave for parameters of the same form."""
        ...

    def predict_held(
        self, fitted: Any, shown: NDArray[Any], rounds: Sequence[int], *, threads: int
    ) -> list[NDArray[Any]]:
        """Predictions of a fit cut to each of some numbers of rounds, the very ones of ``Fitted.predict``.

        Args:
            fitted: What a fit gave.
            shown: What ``hold_shown`` gave, at least one row.
            rounds: Numbers of rounds, each at most those of the fit; empty for one prediction of the whole.
            threads: Threads to use; changes nothing but the time.
        """
        ...
