"""Keys of steps: SHA-256 over canonical JSON. Pure; knows nothing of recipes, files or stores."""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def make_key(content: Mapping[str, Any]) -> str:
    """Key of a step from what can change its outcome.

    Args:
        content: JSON-like tree: mappings with text keys, lists or tuples, text, int, float, bool, None.

    Returns:
        64 hexadecimal digits.

    Raises:
        ValueError: A value is NaN or infinite.
        TypeError: A value has no place in JSON, or a mapping has a key that is not text.

    Example:
        >>> make_key({"a": 1}) == make_key({"a": 1.0})
        False
    """
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def canonical_json(content: Any) -> str:
    """The one JSON text of a tree: sorted keys, no spaces, floats by ``repr``, ints and floats distinct."""
    return json.dumps(_checked(content), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _checked(value: Any) -> Any:
    if value is None or isinstance(value, bool | str) or type(value) is int:
        return value
    if type(value) is float:
        if not math.isfinite(value):
            raise ValueError(f"{value} cannot be part of a key")
        return value
    if isinstance(value, list | tuple):
        return [_checked(item) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise TypeError("mapping keys in a key must be text")
        return {name: _checked(item) for name, item in value.items()}
    raise TypeError(f"{type(value).__name__} cannot be part of a key")


def make_seed(seed: int, purpose: str, repetition: int = 0, fold: int | None = None) -> int:
    """Seed of a fit, from the recipe's seed and its place, never from parameters, names, worker or time.

    Returns:
        An integer in [0, 2**31): the largest range that every library here accepts.
    """
    digest = hashlib.sha256(canonical_json([seed, purpose, repetition, fold]).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
