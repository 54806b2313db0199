"""Candidates that ``search.forbid`` leaves out: expressions over the names of a model's ranges. Light: no numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rapidml.dataset.expression import parse_expression

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rapidml.dataset.expression import Expression
    from rapidml.recipe.ranges import Range
    from rapidml.recipe.schema import Search


@dataclass(frozen=True)
class Forbidden:
    """One expression of ``forbid``, for one model: called with a candidate's values, it says whether to leave it out.

    Attributes:
        expression: As written.
        meanings: Name of the range that each name of the expression means.
    """

    expression: Expression
    meanings: Mapping[str, str]

    def __call__(self, values: Mapping[str, Any]) -> bool:
        """Whether the candidate is forbidden; what cannot be compared forbids nothing.

        Args:
            values: A value for the name of every range.

        Raises:
            ExpressionError: The expression is no condition.
        """
        return self.expression.test({name: values.get(meant) for name, meant in self.meanings.items()})


def make_forbid(search: Search, model_name: str, ranges: Sequence[Range]) -> tuple[Forbidden, ...]:
    """The expressions of ``search.forbid`` that are about a model.

    Args:
        search: The recipe's search.
        model_name: The model's name in the recipe.
        ranges: Its ranges. An expression with a name that is none of them is about another model.

    Raises:
        ExpressionError: A text is no expression.
    """
    made = (make_forbidden(text, model_name, ranges) for text in search.forbid)
    return tuple(forbidden for forbidden in made if forbidden is not None)


def make_forbidden(text: str, model_name: str, ranges: Sequence[Range]) -> Forbidden | None:
    """One expression for one model; None if it is about another.

    Args:
        text: The expression.
        model_name: The model's name in the recipe.
        ranges: Its ranges.

    Raises:
        ExpressionError: The text is no expression.
    """
    expression = parse_expression(text)
    meanings: dict[str, str] = {}
    for name in expression.names:
        meant = list_meant(name, model_name, ranges)
        if len(meant) != 1:
            return None
        meanings[name] = meant[0].name
    return Forbidden(expression, meanings) if meanings else None


def list_meant(name: str, model_name: str, ranges: Sequence[Range]) -> tuple[Range, ...]:
    """Ranges of a model that a name can mean; more than one if the name is too short.

    Args:
        name: The end of a range's path, from any dot (``max_depth``, ``pca.n_components``), or the whole of it
            (``params.max_depth``); the model may stand before it (``bdt.max_depth``, ``models.bdt.params.max_depth``).
        model_name: The model's name in the recipe.
        ranges: Its ranges.
    """
    inner = name.removeprefix(f"models.{model_name}.").removeprefix(f"{model_name}.")
    whole = tuple(found for found in ranges if found.name in (name, inner))
    return whole or tuple(found for found in ranges if found.name.endswith((f".{name}", f".{inner}")))
