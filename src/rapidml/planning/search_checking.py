"""What can be wrong with ``search`` beyond its form: what its method needs, and ``forbid``. Light: no numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.dataset.expression import ExpressionError, parse_expression
from rapidml.errors import DISTRIBUTION, ExtraNotInstalled
from rapidml.planning.forbidding import list_meant, make_forbid
from rapidml.recipe.ranges import list_ranges
from rapidml.recipe.suggest import suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapidml.dataset.expression import Expression
    from rapidml.dataset.expression.nodes import Kind
    from rapidml.recipe.document import Document
    from rapidml.recipe.ranges import Range
    from rapidml.recipe.schema import Search

    Ranges = Mapping[str, tuple[Range, ...]]

MOST_LOOKED_AT = 100_000
"""Combinations of a grid among which one is looked for that is not forbidden."""


def check_search(document: Document) -> None:
    """Add every problem of the search of a recipe.

    Args:
        document: The recipe, which collects problems.
    """
    if document.search is not None:
        _check_method(document, document.search)
        _check_forbid(document, document.search)


def _check_method(document: Document, search: Search) -> None:
    from rapidml.search.proposing import require_optuna

    if search.method in ("grid", "random"):
        return
    try:
        require_optuna(search.method)
    except ExtraNotInstalled as error:
        expected = f"grid or random; {search.method} needs Optuna, which is not installed"
        document.add(("search", "method"), expected, f"run: pip install '{DISTRIBUTION}[{error.extra}]'")


def _check_forbid(document: Document, search: Search) -> None:
    """Add a problem for every expression that cannot be used, and if nothing is left of a model."""
    if len(document.models) < len(document.tree.get("models", ())):
        return
    ranges = {name: found for name, entry in document.models.items() if (found := list_ranges(entry))}
    before = len(document.problems)
    for index, text in enumerate(search.forbid):
        try:
            _check_expression(document, text, ranges)
        except ExpressionError as error:
            path = ("search", "forbid", index)
            document.add(path, error.message, error.fix, offset=error.offset, length=error.length)
    if search.forbid and len(document.problems) == before:
        _check_left(document, search, ranges)


def _check_expression(document: Document, text: str, ranges: Ranges) -> None:
    """Add what is wrong with one expression.

    Raises:
        ExpressionError: It is none, or none over ranges with values of these kinds.
    """
    expression = parse_expression(text)
    if not expression.names:
        fix = "compare a range with a value, as in 'max_depth > 6'"
        raise ExpressionError("a condition over ranges", fix, 0, len(text), text)
    for name in expression.names:
        _check_name(document, expression, name, ranges)
    about = [name for name, own in ranges.items() if all(list_meant(one, name, own) for one in expression.names)]
    if not about:
        fix = "write one expression for each model"
        raise ExpressionError("a condition over ranges of one model", fix, 0, len(text), text)
    for name in about:
        kinds = {one: _find_kind(list_meant(one, name, ranges[name])[0]) for one in expression.names}
        known = parse_expression(text, {one: kind for one, kind in kinds.items() if kind is not None})
        if known.kind not in (None, "boolean"):
            fix = f"compare it, as in '{text.strip()} > 0'"
            raise ExpressionError("a condition that is true or false", fix, 0, len(text), text)


def _check_name(document: Document, expression: Expression, name: str, ranges: Ranges) -> None:
    """Refuse a name that means no range, or several of one model.

    Raises:
        ExpressionError: Always then.
    """
    start, length = expression.find_name(name)
    text = expression.text
    meant = {model: list_meant(name, model, own) for model, own in ranges.items()}
    for found in meant.values():
        if len(found) > 1:
            message = f"a name that only one range has; {name} can be {' or '.join(one.name for one in found)}"
            raise ExpressionError(message, f"write {found[0].name!r} or another of these", start, length, text)
    if any(meant.values()):
        return
    last = name.rpartition(".")[2]
    if any(last in entry.params for entry in document.models.values()):
        message = f"the name of a range; {name} has one value"
        raise ExpressionError(
            message, "write a range in place of its value, or remove the expression", start, length, text
        )
    known = list(dict.fromkeys(str(one.path[-1]) for own in ranges.values() for one in own))
    close = suggest(last, known)
    fix = f"write {close!r}" if close else "use one of these names, or the whole path of a range"
    raise ExpressionError(f"the name of a range: {', '.join(known)}", fix, start, length, text)


def _find_kind(one: Range) -> Kind | None:
    """What the values of a range are; None if they differ in kind."""
    kinds = {_find_kind_of(value) for value in one.values if value is not None}
    return kinds.pop() if len(kinds) == 1 else None


def _find_kind_of(value: Any) -> Kind | None:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else None


def _check_left(document: Document, search: Search, ranges: Ranges) -> None:
    """Every model must have a candidate that is not forbidden."""
    from rapidml.search.space import Space

    for name, own in ranges.items():
        forbid = make_forbid(search, name, own)
        space = Space(own, forbid)
        size = space.size
        if not forbid:
            continue
        if size is not None and search.method == "grid":
            is_left = size > MOST_LOOKED_AT or bool(space.list_grid(1))
        else:
            is_left = space.draw(0, 0) is not None
        if not is_left:
            expected = f"expressions that leave something; together they forbid every combination of {name}"
            document.add(("search", "forbid"), expected, "remove one of them, or let it forbid less")
