"""Numbers, times and scores as the pages write them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.layout import score_text, seconds_text

if TYPE_CHECKING:
    from collections.abc import Mapping

_STEPS = ((60.0, 1.0, "s"), (3600.0, 60.0, "min"), (86400.0, 3600.0, "h"), (30 * 86400.0, 86400.0, "days"))


def age_text(seconds: float) -> str:
    """How long ago something was: ``just now``, ``3 min ago``, ``2 days ago``, ``5 months ago``.

    Seconds are not counted, so that a table of ages changes once a minute.
    """
    if seconds < 60:
        return "just now"
    for limit, unit, name in _STEPS:
        if seconds < limit:
            number = int(seconds // unit)
            return f"{number} {'day' if name == 'days' and number == 1 else name} ago"
    months = int(seconds // (30 * 86400.0))
    return "1 month ago" if months == 1 else f"{months} months ago"


def number_text(value: float) -> str:
    """Four significant digits: ``0.9923``, ``12.34``, ``47,730``."""
    if value == 0 or value != value:
        return "0" if value == 0 else "undefined"
    rounded = float(f"{value:.4g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 1000 else f"{rounded:#.4g}".rstrip(".")


def score_cell(score: Mapping[str, Any] | None, **more: Any) -> dict[str, Any]:
    """A score with its interval beside it as a cell that sorts by its value."""
    if score is None:
        return {"text": "", "sort": None, **more}
    value, _, interval = score_text(score).partition(" ")
    return {"text": value, "beside": interval, "sort": score["value"], **more}


def seconds_cell(seconds: float | None) -> dict[str, Any]:
    """A duration as a cell that sorts by it."""
    return {"text": seconds_text(seconds), "sort": seconds}
