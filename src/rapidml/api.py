"""What ``rapidml.*`` exports: run a recipe, open stored runs, compare them. Handles only; the work is done below."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidml.errors import RapidmlError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike

    from rapidml.events import Event
    from rapidml.recipe.document import Document
    from rapidml.store.store import Store


@dataclass(frozen=True)
class Model:
    """A model of a stored run.

    Attributes:
        run: Run id.
        name: Its name in the recipe.
        result: Its part of the run's result: type, parameters, scores, cost.
    """

    run: str
    name: str
    result: dict[str, Any]

    @property
    def is_chosen(self) -> bool:
        """Whether it has the best selection score of its run."""
        return bool(self.result["chosen"])


@dataclass(frozen=True)
class Run:
    """A stored run.

    Attributes:
        id: Run id.
        result: Its result: the object that ``rapidml show --json`` prints.
    """

    id: str
    result: dict[str, Any]

    def model(self, name: str) -> Model:
        """A model by its name in the recipe.

        Raises:
            KeyError: The run has no such model.
        """
        return Model(self.id, name, self.result["models"][name])

    @property
    def best(self) -> Model:
        """The chosen model: the best selection score.

        Raises:
            RapidmlError: No model has a score.
        """
        for name, entry in self.result["models"].items():
            if entry["chosen"]:
                return self.model(name)
        raise RapidmlError(f"run {self.id} has no model with a score")

    @property
    def scores(self) -> list[dict[str, Any]]:
        """One record a model, metric and part: ``model, metric, part, value, low, high``."""
        rows = []
        for name, entry in {**self.result["models"], "dummy": self.result["baseline"]}.items():
            for part in ("selection", "train", "test"):
                for metric, score in (entry[part] or {}).items():
                    bounds = {key: score[key] for key in ("value", "low", "high")}
                    rows.append({"model": name, "metric": metric, "part": part, **bounds})
        return rows

    def __str__(self) -> str:
        from rapidml.terminal import show_lines

        return "\n".join(show_lines(self.result))


@dataclass(frozen=True)
class Comparison:
    """Models of stored runs compared with the best of them.

    Attributes:
        result: The object that ``rapidml compare --json`` prints.
    """

    result: dict[str, Any]

    def __str__(self) -> str:
        from rapidml.terminal import comparison_lines

        return "\n".join(comparison_lines(self.result))


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Document:
    """Read a recipe file.

    Args:
        path: The file.
        overrides: ``path.to.field=value``, as on the command line.

    Raises:
        RecipeError: The file cannot be read at all; other mistakes are raised by ``run``, all at once.
    """
    from rapidml.recipe.document import load_document

    return load_document(Path(path), list(overrides))


def run(
    recipe: str | Path | Document,
    *,
    X: ArrayLike | Mapping[str, ArrayLike] | None = None,
    y: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    store: str | Path | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    watch: Callable[[Event], None] | None = None,
) -> Run:
    """Run a recipe; what is stored is not computed again.

    Args:
        recipe: File, or what ``load_recipe`` returned; it needs no ``dataset`` when arrays are given.
        X: Features. Shape ``(n_rows, n_features)``, a table with ``columns``, or arrays by name.
        y: Target. Shape ``(n_rows,)``.
        weight: Physics weight. Shape ``(n_rows,)``.
        store: Folder of the store; default ``$RAPIDML_STORE``, else ``./rapidml-store``.
        workers: Number of worker processes on this host; None chooses.
        cluster: Address of a running Dask scheduler to use instead.
        watch: Called with every progress event, possibly from other threads.

    Raises:
        RecipeError: The recipe or its data are wrong; nothing was started.
        ValueError: Only one of ``X`` and ``y`` is given, or they differ in their number of rows.
    """
    from rapidml.execution.arrays import add_arrays
    from rapidml.execution.options import RunOptions
    from rapidml.execution.running import run_recipe

    if (X is None) != (y is None):
        raise ValueError("give both X and y, or neither")
    document = load_recipe(recipe) if isinstance(recipe, str | Path) else recipe
    opened = _open(store, create=True)
    if X is not None and y is not None:
        document = add_arrays(document, opened, X, y, weight)
    result = run_recipe(document, opened, RunOptions(workers, cluster), watch or _ignore)
    return Run(result["run"], result)


def open_run(name: str = "@last", *, store: str | Path | None = None) -> Run:
    """A stored run by id, unique prefix, name, ``@last`` or ``@last~n``.

    Raises:
        RunNotFound: No run, or more than one, answers to the name.
    """
    from rapidml.execution.listing import load_result

    result, _ = load_result(_open(store), name)
    return Run(result["run"], result)


def compare(
    runs: Sequence[Run | Model | str], *, metric: str | None = None, store: str | Path | None = None
) -> Comparison:
    """Compare models of stored runs on the same rows, with paired uncertainties.

    Args:
        runs: Runs (their chosen models), models, or names as on the command line.
        metric: Metric to compare in; default: the first run's ranking metric.
        store: Folder of the store.
    """
    from rapidml.execution.comparing import compare_runs

    names = [
        item if isinstance(item, str) else item.id if isinstance(item, Run) else f"{item.run}/{item.name}"
        for item in runs
    ]
    return Comparison(compare_runs(_open(store), names, metric))


def _open(store: str | Path | None, *, create: bool = False) -> Store:
    from rapidml.store.store import open_store

    return open_store(Path(store or os.environ.get("RAPIDML_STORE", "rapidml-store")), create=create)


def _ignore(event: Event) -> None:
    """Show nothing."""
