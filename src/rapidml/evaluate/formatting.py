"""Scores and differences as text: as many digits as the interval supports. Pure; no colour, no tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rapidml.evaluate.comparison import Difference
    from rapidml.evaluate.scores import Score

_DEFAULT_DECIMALS = 3
_MOST_DECIMALS = 9


def find_decimals(uncertainty: float, value: float = 0.0) -> int:
    """Decimals to show: the first significant digit of the uncertainty is the last shown.

    Left of the decimal point two digits of it are shown (negative: tens, hundreds, ...). Without uncertainty (zero or
    NaN) three decimals, or fewer for large values: five digits in all.

    Args:
        uncertainty: Half the width of an interval, or a standard deviation.
        value: What it belongs to.

    Example:
        >>> find_decimals(0.002), find_decimals(0.4), find_decimals(3.0), find_decimals(600.0)
        (3, 1, 0, -1)
    """
    if not uncertainty > 0 or math.isinf(uncertainty):
        size = math.floor(math.log10(abs(value))) if math.isfinite(value) and value else 0
        return max(0, min(_DEFAULT_DECIMALS, 4 - size))
    exponent = int(f"{uncertainty:.0e}".split("e")[1])
    return min(_MOST_DECIMALS, -exponent) if exponent <= 0 else 1 - exponent


def format_number(value: float, decimals: int, *, sign: bool = False) -> str:
    """A number with a given number of decimals (negative: rounded to tens, hundreds, ...), thousands in groups.

    Example:
        >>> format_number(47731.8, -1), format_number(0.0004, 3, sign=True), format_number(-0.0004, 3)
        ('47,730', '+0.000', '0.000')
    """
    if not math.isfinite(value):
        return "undefined" if math.isnan(value) else f"{value:+}"
    rounded = round(value, decimals) + 0.0  # no minus before a zero
    return f"{rounded:{'+' if sign else ''},.{max(0, decimals)}f}"


def format_score(value: float, low: float, high: float, decimals: int | None = None) -> str:
    """A score with its interval.

    Args:
        value: The score; ``undefined`` if NaN.
        low: Lower end; no interval is shown if NaN.
        high: Upper end.
        decimals: Decimals to show, as ``align_decimals`` finds them for a column; from the interval if None.

    Example:
        >>> format_score(0.9951, 0.9932, 0.9968), format_score(47731.8, 47104.0, 48296.0)
        ('0.995 [0.993, 0.997]', '47,730 [47,100, 48,300]')
    """
    if decimals is None:
        decimals = find_decimals((high - low) / 2, value)
    text = format_number(value, decimals)
    if math.isnan(value) or math.isnan(low) or math.isnan(high):
        return text
    return f"{text} [{format_number(low, decimals)}, {format_number(high, decimals)}]"


def align_decimals(scores: Iterable[Score]) -> int:
    """Decimals for all scores of one column: those that the narrowest interval supports."""
    defined = [score for score in scores if not math.isnan(score.value)]
    halves = [(score.high - score.low) / 2 for score in defined]
    uncertain = [half for half in halves if half > 0]
    if uncertain:
        return find_decimals(min(uncertain))
    return min((find_decimals(0.0, score.value) for score in defined), default=_DEFAULT_DECIMALS)


def format_difference(value: float, std: float) -> str:
    """A difference with its standard deviation.

    Example:
        >>> format_difference(0.0012, 0.0011)
        '+0.001 +- 0.001'
    """
    if math.isnan(value):
        return "undefined"
    decimals = find_decimals(std, value)
    text = format_number(value, decimals, sign=True)
    return text if math.isnan(std) else f"{text} +- {format_number(std, decimals)}"


def format_change(difference: Difference, other: str) -> str:
    """One clause for how a score stands against another one.

    Args:
        difference: Score minus the other score.
        other: What the other one is called, such as ``the run before``.

    Example:
        ``tied with the run before (+0.001 +- 0.001)``, ``better than bdt (97%, +0.004 +- 0.001)``
    """
    from rapidml.evaluate.comparison import describe_difference

    if math.isnan(difference.value):
        return f"not comparable with {other}"
    amount = format_difference(difference.value, difference.std)
    standing = describe_difference(difference)
    if difference.tied:
        return f"tied with {other} ({amount})"
    word, share = standing.split(" ")
    return f"{word} than {other} ({share.strip('()')}, {amount})"
