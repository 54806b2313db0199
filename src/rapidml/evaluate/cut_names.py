"""Names of metrics that hold a number: signal_efficiency@background=0.01, background_rejection@signal=0.5.

The number is the efficiency of one class at the cut; the metric says what the cut does to the other. Which metrics
there are in all is in metrics.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from rapidml.recipe.suggest import suggest

Side = Literal["background", "signal"]

_FORMS: tuple[tuple[str, Side, float], ...] = (
    ("signal_efficiency@background", "background", 0.01),
    ("background_rejection@signal", "signal", 0.5),
)
"""What stands before the number, whose efficiency that is, and an example of it."""
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Cut:
    """A point of the ROC curve.

    Attributes:
        fixed: The class whose efficiency is given; the signal is class 1.
        at: That efficiency, above 0 and below 1.
    """

    fixed: Side
    at: float


def parse_cut(name: str) -> Cut | None:
    """The cut in the name of a metric; None if it is no such name, or its number is none between 0 and 1.

    Example:
        >>> parse_cut("signal_efficiency@background=0.010")
        Cut(fixed='background', at=0.01)
    """
    stem, equals, text = name.partition("=")
    if not equals:
        return None
    at = _parse_efficiency(text)
    sides = {form: side for form, side, _ in _FORMS}
    return None if at is None or stem not in sides else Cut(sides[stem], at)


def _parse_efficiency(text: str) -> float | None:
    value = float(text) if _NUMBER.fullmatch(text) else 0.0
    return value if 0 < value < 1 else None


def format_cut(cut: Cut) -> str:
    """The one name of the metric at this cut."""
    stem = next(form for form, side, _ in _FORMS if side == cut.fixed)
    return f"{stem}={cut.at!r}"


EXAMPLES: tuple[str, ...] = tuple(format_cut(Cut(side, example)) for _, side, example in _FORMS)
"""One name of each kind."""


def correct_cut(name: str) -> str | None:
    """What a mistaken name was most likely meant to be; None if it resembles no metric of this kind.

    Example:
        >>> correct_cut("signal_eficiency@background=1%")
        'signal_efficiency@background=0.01'
    """
    stem, _, text = name.replace(" ", "").partition("=")
    head = stem.partition("@")[0]
    close = suggest(stem, [form for form, _, _ in _FORMS]) or suggest(head, [_head(form) for form, _, _ in _FORMS])
    for form, side, example in _FORMS:
        if close in (form, _head(form)):
            return format_cut(Cut(side, _guess_efficiency(text) or example))
    return None


def _head(form: str) -> str:
    return form.partition("@")[0]


def _guess_efficiency(text: str) -> float | None:
    """The number as written, or read as a percentage."""
    value = _parse_efficiency(text)
    number = text.removesuffix("%")
    if value is not None or not _NUMBER.fullmatch(number):
        return value
    percent = float(f"{float(number) / 100:.12g}")
    return percent if 0 < percent < 1 else None


def explain_cut(name: str) -> str | None:
    """What is expected of the number, if the name is one of this kind up to it; None if it is not."""
    stem = name.partition("=")[0]
    for form, side, example in _FORMS:
        if stem in (form, _head(form)):
            return (
                f"a {side} efficiency above 0 and below 1 in the metric's name, as in {format_cut(Cut(side, example))}"
            )
    return None
