"""Checking a recipe before anything starts: its text, the header of its data, its models and metrics, all at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rapidml.errors import DatasetError

if TYPE_CHECKING:
    from rapidml.dataset.files import HashMemory, Identity
    from rapidml.dataset.header import Header
    from rapidml.recipe.document import Document
    from rapidml.recipe.schema import Recipe


@dataclass(frozen=True)
class Checked:
    """A recipe without a known mistake, and what was learned of its data on the way.

    Attributes:
        document: The recipe as written.
        recipe: The recipe as objects.
        identity: Which files (or builtin set, or arrays) the dataset is.
        header: Columns and their kinds, from the first rows.
    """

    document: Document
    recipe: Recipe
    identity: Identity
    header: Header


class NoMemory:
    """Remembers no hashes: for checking a recipe where there is no store."""

    def get(self, path: str, size: int, mtime_ns: int) -> str | None:  # noqa: ARG002
        """Nothing."""
        return None

    def put(self, path: str, size: int, mtime_ns: int, sha256: str) -> None:
        """Forget."""


def check_document(document: Document, memory: HashMemory) -> Checked:
    """Find every mistake that can be seen without reading the whole dataset.

    Args:
        document: The recipe as written.
        memory: Remembers the hashes of files.

    Raises:
        RecipeError: With all problems, in file order.
    """
    from rapidml.models.checking import check_model

    found = _check_dataset(document, memory)
    task_kind = None if found is None else guess_task_kind(document, found[1])
    for name, entry in document.models.items():
        check_model(document, name, entry, task_kind)
    check_metrics(document, task_kind)
    recipe = document.finish()
    assert found is not None
    return Checked(document, recipe, *found)


def _check_dataset(document: Document, memory: HashMemory) -> tuple[Identity, Header] | None:
    """Identity and header; None after adding problems."""
    from rapidml.dataset.checks import add_data_error, check_dataset, check_dataset_text
    from rapidml.dataset.files import identify
    from rapidml.dataset.header import read_header

    if document.dataset is None:
        return None
    before = len(document.problems)
    check_dataset_text(document)
    if len(document.problems) > before or document.dataset is None:
        return None
    try:
        identity = identify(document.dataset, document.base, memory)
        header = read_header(document.dataset, identity)
    except DatasetError as error:
        add_data_error(document, error)
        return None
    check_dataset(document, header)
    return identity, header


def guess_task_kind(document: Document, header: Header) -> str | None:
    """Kind of task as far as the recipe and the header tell it; None if the values must be seen."""
    dataset = document.dataset
    if dataset is None:
        return None
    if dataset.task == "regression":
        return "regression"
    if dataset.classes is not None:
        return "binary" if len(dataset.classes) == 2 else "multiclass"
    if header.task is not None:
        return header.task
    return None


def check_metrics(document: Document, task_kind: str | None) -> None:
    """Add a problem for every metric that does not exist or does not fit the task.

    Args:
        document: The recipe, which collects problems.
        task_kind: ``binary``, ``multiclass`` or ``regression``; None while unknown.
    """
    from rapidml.evaluate.metrics import METRICS, suggest_metric

    evaluate = document.evaluate
    if evaluate is None:
        return
    written: list[tuple[list[str | int], str]] = [
        (["evaluate", "also", i], name) for i, name in enumerate(evaluate.also)
    ]
    written += [] if evaluate.rank_by is None else [(["evaluate", "rank_by"], evaluate.rank_by)]
    fitting = [name for name, metric in METRICS.items() if task_kind is None or task_kind in metric.tasks]
    for path, name in written:
        if name not in fitting:
            guess = suggest_metric(name)
            guess = guess if guess in fitting else None
            kind = "" if task_kind is None else f" for a {task_kind} task"
            fix = f"write '{guess}'" if guess else "choose one of these"
            document.add(path, f"a metric{kind}: {', '.join(fitting)}", fix)
