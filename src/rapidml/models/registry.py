"""Which adapter belongs to a ``type`` of a recipe. Imports no library; entry points are imported when named."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from rapidml.errors import ModelError
from rapidml.recipe.suggest import suggest

if TYPE_CHECKING:
    from rapidml.models.adapter import Adapter

GROUP = "rapidml.models"
"""Entry point group in which other distributions offer adapters."""

OWN = ("xgboost", "mlp", "keras")
"""Types that stand alone and are ours."""
EXAMPLE = "sklearn.linear_model.LogisticRegression"


class UnknownType(ModelError):
    """No adapter has this name.

    Attributes:
        expected: What would have been right.
        fix: What to write instead.
    """

    def __init__(self, type_name: str, expected: str, fix: str) -> None:
        self.type_name = type_name
        self.expected = expected
        self.fix = fix
        super().__init__(f"there is no model type '{type_name}'; expected {expected}; to fix: {fix}")

    def __reduce__(self) -> tuple[type[UnknownType], tuple[str, str, str]]:
        return type(self), (self.type_name, self.expected, self.fix)


def find_adapter(type_name: str) -> Adapter:
    """The adapter of a model type.

    Args:
        type_name: ``xgboost``, ``mlp``, ``keras``, the dotted name of a reviewed scikit-learn class, or the name of an
            entry point.

    Raises:
        UnknownType: There is none.
        ModelError: An entry point of that name cannot be imported, or is not an adapter.
    """
    if type_name == "xgboost":
        from rapidml.models.boosted_trees import BoostedTrees

        return BoostedTrees()
    if type_name == "mlp":
        from rapidml.models.mlp import Mlp

        return Mlp()
    if type_name == "keras":
        from rapidml.models.keras_network import KerasNetwork

        return KerasNetwork()
    if type_name.startswith("sklearn."):
        from rapidml.models.scikit_learn import ScikitLearn, list_classes

        if type_name in list_classes():
            return ScikitLearn(type_name)
    found = _offered().get(type_name)
    if found is None:
        raise _unknown(type_name)
    return _load(found)


def list_types() -> list[str]:
    """Every type that a recipe can name, those that stand alone first."""
    from rapidml.models.scikit_learn import list_classes

    return [*OWN, *sorted(_offered()), *list_classes()]


def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


@cache
def _load(point: EntryPoint) -> Adapter:
    from rapidml.models.adapter import Adapter

    try:
        target = point.load()
    except Exception as error:
        raise ModelError(f"model type '{point.name}' cannot be loaded from '{point.value}': {error}") from error
    adapter = target() if isinstance(target, type) else target
    if not isinstance(adapter, Adapter):
        raise ModelError(f"'{point.value}', offered as model type '{point.name}', does not satisfy rapidml's Adapter")
    return adapter


def _unknown(type_name: str) -> UnknownType:
    from rapidml.models.scikit_learn import list_classes

    short = [*OWN, *sorted(_offered())]
    expected = f"{', '.join(short)}, or a scikit-learn class such as {EXAMPLE}"
    by_class = {name.rpartition(".")[2]: name for name in list_classes()}
    wanted = type_name.rpartition(".")[2]
    close = by_class.get(wanted) or suggest(type_name, [*short, *list_classes()])
    if close is None and (nearest := suggest(wanted, by_class)) is not None:
        close = by_class[nearest]
    if close is not None:
        return UnknownType(type_name, expected, f"write '{close}'")
    if type_name.startswith("sklearn."):
        expected = f"one of the {len(by_class)} reviewed scikit-learn classes, such as {EXAMPLE}"
    return UnknownType(type_name, expected, "write one of these")
