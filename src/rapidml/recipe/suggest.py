"""The closest of some known words to one that is not known: "did you mean"."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LEAST_LIKENESS = 0.68
LONGEST_WORD = 80


def suggest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that was most likely meant.

    Args:
        word: What was written.
        choices: What could have been written, the more likely first.

    Returns:
        The closest choice, the first of equals, or None if none is close.

    Example:
        >>> suggest("xgbost", ["xgboost", "mlp"])
        'xgboost'
    """
    if len(word) > LONGEST_WORD:
        return None
    best, best_likeness = None, LEAST_LIKENESS
    wanted = _simplify(word)
    for choice in choices:
        likeness = _likeness(wanted, _simplify(choice))
        if likeness > best_likeness:
            best, best_likeness = choice, likeness
    return best


def _simplify(word: str) -> str:
    return word.lower().replace("-", "_").replace(" ", "_")


def _likeness(wanted: str, choice: str) -> float:
    matcher = SequenceMatcher(None, wanted, choice)
    if matcher.real_quick_ratio() < LEAST_LIKENESS:
        return 0.0
    return matcher.ratio()
