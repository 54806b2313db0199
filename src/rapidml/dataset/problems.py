"""An error of the data that belongs to one field of the recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapidml.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence


class FieldError(DatasetError):
    """The data do not fit what a field of the recipe says; callers that know the recipe can show where it stands.

    Args:
        path: The field, such as ``("dataset", "task")``.
        expected: What would have been right; one phrase without a full stop.
        fix: What to do; one phrase without a full stop.
    """

    def __init__(self, path: Sequence[str | int], expected: str, fix: str) -> None:
        self.path = tuple(path)
        self.expected = expected
        self.fix = fix
        super().__init__(f"{'.'.join(map(str, path))}: expected {expected}; to fix: {fix}")

    def __reduce__(self) -> tuple[type[FieldError], tuple[tuple[str | int, ...], str, str]]:
        return type(self), (self.path, self.expected, self.fix)
