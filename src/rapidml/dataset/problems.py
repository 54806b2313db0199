"""Errors of the data that know where they belong: to a field of the recipe, or to a file of the dataset."""

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


class TooLittleError(FieldError):
    """The rows seen so far do not show what is needed; if they are not all the rows, the others may."""


class FileError(DatasetError):
    """A file of the dataset cannot be used; it belongs to the field that names it.

    Args:
        sample: Position of its sample; None if unknown.
        expected: What would have been right, with the name of the file; one phrase without a full stop.
        fix: What to do; one phrase without a full stop.
    """

    def __init__(self, sample: int | None, expected: str, fix: str) -> None:
        self.sample = sample
        self.expected = expected
        self.fix = fix
        super().__init__(f"expected {expected}; to fix: {fix}")

    def __reduce__(self) -> tuple[type[FileError], tuple[int | None, str, str]]:
        return type(self), (self.sample, self.expected, self.fix)


class TreeError(FileError):
    """A file does not tell which of its trees is meant, or lacks it; it belongs to the field that names the tree."""
