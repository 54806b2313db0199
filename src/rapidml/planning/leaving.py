"""Changes of a recipe that leave some of its models, and of the search what is about these."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rapidml.planning.forbidding import make_forbid
from rapidml.recipe.ranges import list_ranges

if TYPE_CHECKING:
    from collections.abc import Collection

    from rapidml.recipe.document import Document


def list_removals(document: Document, only: Collection[str]) -> list[str]:
    """Overrides that remove all models but some.

    Without their models the search, or expressions of ``forbid``, would be mistakes: they are removed too.

    Args:
        document: A recipe without problems.
        only: Names of the models that stay.
    """
    removals = [f"models.{name}=null" for name in document.models if name not in only]
    search = document.search
    ranges = {name: list_ranges(entry) for name, entry in document.models.items() if name in only}
    if search is None or document.problems:
        return removals
    if not any(ranges.values()):
        return [*removals, "search=null"]
    applied = {one.expression.text for name, own in ranges.items() for one in make_forbid(search, name, own)}
    kept = [text for text in search.forbid if text in applied]
    return removals if len(kept) == len(search.forbid) else [*removals, f"search.forbid={json.dumps(kept)}"]
