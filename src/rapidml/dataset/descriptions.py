"""Words for what a dataset has, in lines that people read: features and classes after their counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def describe_features(shapes: Sequence[tuple[int, ...]]) -> str:
    """``30 features``, ``1 feature of 28x28 numbers`` or ``3 features (one of 28x28 numbers)``.

    Args:
        shapes: Shape of each feature's value in one row; empty for a number or category.
    """
    count = "1 feature" if len(shapes) == 1 else f"{len(shapes):,} features"
    arrays = ["x".join(map(str, shape)) for shape in shapes if shape]
    if not arrays:
        return count
    if len(shapes) == 1:
        return f"{count} of {arrays[0]} numbers"
    more = ", ..." if len(arrays) > 3 else ""
    return f"{count} ({', '.join(f'one of {shape} numbers' for shape in arrays[:3])}{more})"


def describe_class(label: str) -> str:
    """A class after a count: ``malignant``; numbers and truth values are no words: ``of class 1``."""
    is_word = label not in ("true", "false") and not label.lstrip("-").replace(".", "", 1).isdigit()
    return label if is_word else f"of class {label}"
