"""Checking a recipe before anything starts: its text, the header of its data, its models and metrics, all at once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rapidml.dataset.files import HashMemory
from rapidml.errors import DatasetError
from rapidml.keys import make_key
from rapidml.planning.step_keys import profile_key
from rapidml.recipe.affects import key_fields

if TYPE_CHECKING:
    from rapidml.dataset.columns import TableRequest
    from rapidml.dataset.files import Identity
    from rapidml.dataset.header import Header
    from rapidml.dataset.profile import Profile
    from rapidml.recipe.document import Document
    from rapidml.recipe.schema import Dataset, Recipe


@dataclass(frozen=True)
class Checked:
    """A recipe without a known mistake, and what was learned of its data on the way.

    Attributes:
        document: The recipe as written.
        recipe: The recipe as objects.
        identity: Which files (or builtin set, or arrays) the dataset is.
        header: Columns and their kinds, from the first rows.
        profile: What the first rows look like, if they were looked at.
    """

    document: Document
    recipe: Recipe
    identity: Identity
    header: Header
    profile: Profile | None = None


class Memory(HashMemory, Protocol):
    """What checking asks of a store: hashes of files, and headers that were read before."""

    def recall(self, name: str) -> str | None:
        """A text that was remembered, or None."""
        ...

    def remember(self, name: str, text: str) -> None:
        """Remember a text."""
        ...


class NoMemory:
    """Remembers nothing: for checking a recipe where there is no store."""

    def get(self, path: str, size: int, mtime_ns: int) -> str | None:  # noqa: ARG002
        """Nothing."""
        return None

    def put(self, path: str, size: int, mtime_ns: int, sha256: str) -> None:
        """Forget."""

    def recall(self, name: str) -> str | None:  # noqa: ARG002
        """Nothing."""
        return None

    def remember(self, name: str, text: str) -> None:
        """Forget."""


def check_document(document: Document, memory: Memory, *, look: bool = False) -> Checked:
    """Find every mistake that can be seen without reading the whole dataset.

    Args:
        document: The recipe as written.
        memory: Remembers the hashes of files.
        look: Also look at the first rows of each sample, for leaks and what only values tell.

    Raises:
        RecipeError: With all problems, in file order.
    """
    from rapidml.models.checking import check_model
    from rapidml.planning.search_checking import check_search

    found = _check_dataset(document, memory)
    profile = _look(document, *found, memory) if look and found is not None else None
    if profile is not None and found is not None:
        check_against(document, profile, is_whole=_is_whole(profile, found[0]))
    else:
        task_kind = None if found is None else guess_task_kind(document, found[1])
        for name, entry in document.models.items():
            check_model(document, name, entry, task_kind)
        check_metrics(document, task_kind)
    check_search(document)
    recipe = document.finish()
    assert found is not None
    return Checked(document, recipe, *found, profile)


def _look(document: Document, identity: Identity, header: Header, memory: Memory) -> Profile | None:
    """Profile of the first rows; None if they do not show it, or after adding problems."""
    from rapidml.dataset.checks import add_data_error
    from rapidml.dataset.columns import request_columns

    dataset, split, recipe = document.dataset, document.split, document.recipe
    if dataset is None or split is None or recipe is None or document.problems:
        return None
    try:
        request = request_columns(dataset, header, identity, split)
        return _find_preview(recipe, request, identity, memory)
    except DatasetError as error:
        add_data_error(document, error)
        return None


def _find_preview(recipe: Recipe, request: TableRequest, identity: Identity, memory: Memory) -> Profile | None:
    """The first look as remembered, or taken now: whoever edits a model has the same data as before."""
    from rapidml.dataset.profile import Profile

    name = make_key({"preview": 1, "identity": identity.to_json(), "profile": profile_key(request, recipe)})
    known = memory.recall(name)
    if known is not None:
        content = json.loads(known)
        return None if content is None else Profile.from_json(content)
    from rapidml.dataset.preview import make_preview

    seed = recipe.seed if recipe.split.seed is None else recipe.split.seed
    profile = make_preview(recipe.dataset, request, identity, recipe.split, seed)
    memory.remember(name, json.dumps(None if profile is None else profile.to_json()))
    return profile


def _is_whole(profile: Profile, identity: Identity) -> bool:
    """Whether a first look has seen all rows."""
    from rapidml.dataset.preview import PREVIEW_ROWS

    n_samples = len({file.sample for file in identity.files})
    return len(identity.files) == n_samples and profile.n_rows + profile.n_dropped < PREVIEW_ROWS


def check_against(document: Document, profile: Profile, *, is_whole: bool = True) -> None:
    """Add every problem that the data show: leaks, weights, models and metrics that do not fit the task.

    Args:
        document: The recipe, which collects problems.
        profile: What the training rows look like.
        is_whole: Whether it has seen all rows, so that what is rare in it is rare.
    """
    from rapidml.models.checking import check_model

    for name, entry in document.models.items():
        check_model(document, name, entry, profile.task.kind, profile)
    check_metrics(document, profile.task.kind)
    if is_whole:
        _check_folds(document, profile)
    _check_weights(document, profile)
    _check_leaks(document, profile)


def _check_dataset(document: Document, memory: Memory) -> tuple[Identity, Header] | None:
    """Identity and header; None after adding problems."""
    from rapidml.dataset.checks import add_data_error, check_dataset, check_dataset_text
    from rapidml.dataset.files import identify

    if document.dataset is None:
        return None
    before = len(document.problems)
    arrays = document.dataset.arrays
    if arrays is not None and not {"path", "sha256"} <= arrays.keys():
        document.add(
            ["dataset", "arrays"], "arrays handed to rapidml.run() in Python", "write path, classes or builtin"
        )
        return None
    check_dataset_text(document)
    if len(document.problems) > before or document.dataset is None:
        return None
    try:
        identity = identify(document.dataset, document.base, memory)
        header = _find_header(document.dataset, identity, memory)
    except DatasetError as error:
        add_data_error(document, error)
        return None
    check_dataset(document, header)
    return identity, header


def _find_header(dataset: Dataset, identity: Identity, memory: Memory) -> Header:
    """The header as remembered, or read now: opening a file again costs more than all other checks."""
    from rapidml.dataset.header import Header, read_header

    name = make_key({"header": 1, "identity": identity.to_json(), "dataset": key_fields(dataset, "rows", "columns")})
    known = memory.recall(name)
    if known is not None:
        return Header.from_json(json.loads(known))
    header = read_header(dataset, identity)
    memory.remember(name, json.dumps(header.to_json()))
    return header


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
    from rapidml.evaluate.metrics import find_mistake

    evaluate = document.evaluate
    if evaluate is None:
        return
    written: list[tuple[list[str | int], str]] = [
        (["evaluate", "also", i], name) for i, name in enumerate(evaluate.also)
    ]
    written += [] if evaluate.rank_by is None else [(["evaluate", "rank_by"], evaluate.rank_by)]
    for path, name in written:
        mistake = find_mistake(name, task_kind)
        if mistake is not None:
            document.add(path, *mistake)


def _check_folds(document: Document, profile: Profile) -> None:
    """Every class must be able to stand in every fold, or its score there is undefined."""
    split = document.split
    if split is None or not isinstance(split.folds, int) or not profile.classes:
        return
    rarest = min(profile.classes, key=lambda count: count.n_training)
    if rarest.n_training < split.folds:
        document.add(
            ["split", "folds"],
            f"a row of every class in each of {split.folds} folds; class {rarest.label} has "
            f"{rarest.n_training:,} training rows",
            f"write folds: {rarest.n_training}" if rarest.n_training > 1 else "add rows of this class, or leave it out",
        )


def _check_leaks(document: Document, profile: Profile) -> None:
    for leak in profile.leaks:
        what = "the target" if leak.kind == "target" else "the weight within a class"
        document.add(
            ["dataset", "features"],
            f"features that do not give the answer away: '{leak.feature}' alone follows {what} ({leak.describe()})",
            f"leave it out with features: {{exclude: [{leak.feature}]}}, or list it by its full name if it is honest",
        )


def _check_weights(document: Document, profile: Profile) -> None:
    training = document.training
    if training is None:
        return
    if training.balance == "classes" and profile.task.kind == "regression":
        document.add(["training", "balance"], "none for regression: there are no classes to balance", "write 'none'")
    if profile.n_negative_weights and training.negative_weights == "error":
        share = profile.n_negative_weights / max(1, profile.n_training)
        document.add(
            ["training", "negative_weights"],
            f"what to do with {profile.n_negative_weights:,} negative weights ({share:.1%} of the training rows)",
            "write negative_weights: drop, absolute or use; scores always use the weights as they are",
        )
