"""Finds columns that were meant as numbers but hold text: one 'abc' or '-' among them, or decimal commas.

A column of text was meant as numbers if at least half of its different values are numbers and the others are few: at
most a tenth of its rows, or at most ten different texts, as marks of missing values are (the target: a tenth of its
rows). Names, codes and ticket numbers with many different texts among them stay text. Text that is numbers throughout
(only formats with types have it) was meant as numbers if it has more than 100 different values and is not digits
alone, as identifiers are.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

MOST_SHARE = 0.1
"""Largest share of the rows that may hold other texts."""
MOST_MARKS = 10
"""Largest number of different other texts that may take any share."""
MOST_DIGITS = 100
SAMPLE_LABELS = 20_000
"""Columns with more labels are looked at whole only if numbers prevail among this many."""
_NUMBER = re.compile(r"\s*[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf(?:inity)?|nan)\s*", re.IGNORECASE)
_ALMOST = re.compile(r"\s*[+-]?(?:\d*,\d+|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.?\d*\s*%)\s*")


@dataclass(frozen=True)
class Texts:
    """What the text of a column is, in one file; of several files it adds up.

    Attributes:
        n_number_rows: Rows whose text is a number.
        n_other_rows: Rows whose text is none.
        n_numbers: Different numbers.
        n_others: Different other texts.
        n_almost: Different numbers in a form that is not read, such as ``1,5``.
        is_digits: Whether all numbers are digits alone.
        examples: The first other texts, at most 11.
        text: A text that is no number, or a number in another form, or the first number.
        file: File that has it.
        record: Its record number there, from 1; 0 if the row is not among those looked at.
    """

    n_number_rows: int
    n_other_rows: int
    n_numbers: int
    n_others: int
    n_almost: int
    is_digits: bool
    examples: tuple[str, ...]
    text: str
    file: str
    record: int

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Texts:
        """What ``to_json`` wrote."""
        return cls(**{**content, "examples": tuple(content["examples"])})

    def describe(self) -> str:
        """The text and where it stands."""
        if self.record == 0:
            return f"{self.file} has '{self.text}' in another row"
        return f"record {self.record:,} of {self.file} has '{self.text}'"

    def is_meant_as_numbers(self, *, is_target: bool = False) -> bool:
        """Whether the column was meant as numbers, by the rule above."""
        if self.n_others == 0:
            return self.n_almost > 0 or (self.n_numbers > MOST_DIGITS and not self.is_digits)
        is_rare = self.n_other_rows <= MOST_SHARE * (self.n_number_rows + self.n_other_rows)
        are_marks = self.n_others <= MOST_MARKS and not is_target
        return self.n_numbers >= self.n_others and (is_rare or are_marks)


def look_at_texts(
    codes: NDArray[np.int32], labels: Sequence[str], records: NDArray[np.int64], file: str
) -> Texts | None:
    """What the text of a column is.

    Args:
        codes: Place of each row's text in ``labels``, -1 where null. Shape ``(n_rows,)``.
        labels: The different texts, those of rows that are not looked at among them.
        records: Record number of each row, from 0. Shape ``(n_rows,)``.
        file: Name of the file.

    Returns:
        What it is, or None if numbers do not prevail.
    """
    import numpy as np

    sample = labels[:: max(1, len(labels) // SAMPLE_LABELS)]
    if 2 * sum(_is_number(label) for label in sample) < len(sample) or not labels:
        return None
    counts = np.bincount(codes + 1, minlength=len(labels) + 1)[1:]
    is_number = np.fromiter(map(_is_number, labels), np.bool_, len(labels))
    numbers = np.flatnonzero(is_number & (counts > 0))
    others = np.flatnonzero(~is_number & (counts > 0))
    if len(others) == 0:
        others = np.flatnonzero(~is_number)
    if len(numbers) == 0 or (len(others) > MOST_MARKS and counts[others[0]] == 0):
        return None
    almost = [code for code in numbers.tolist() if not _NUMBER.fullmatch(labels[code])]
    suspects = others if len(others) else np.array(almost or numbers[:1])
    is_suspect = np.isin(codes, suspects)
    first = int(is_suspect.argmax())
    is_here = bool(is_suspect.any())
    return Texts(
        n_number_rows=int(counts[numbers].sum()),
        n_other_rows=int(counts[others].sum()),
        n_numbers=len(numbers),
        n_others=len(others),
        n_almost=len(almost),
        is_digits=all(labels[code].isdigit() for code in numbers.tolist()),
        examples=tuple(labels[code] for code in others[: MOST_MARKS + 1].tolist()),
        text=labels[codes[first]] if is_here else labels[suspects[0]],
        file=file,
        record=int(records[first]) + 1 if is_here else 0,
    )


def join_texts(parts: Sequence[Texts | None]) -> Texts | None:
    """What the text of a column is over several files; None if numbers do not prevail in one of them."""
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(parts):
        return None
    first = next((part for part in known if part.n_others), next((part for part in known if part.n_almost), known[0]))
    examples = tuple(dict.fromkeys(text for part in known for text in part.examples))
    return Texts(
        n_number_rows=sum(part.n_number_rows for part in known),
        n_other_rows=sum(part.n_other_rows for part in known),
        n_numbers=max(part.n_numbers for part in known),
        n_others=max(len(examples), *(part.n_others for part in known)),
        n_almost=max(part.n_almost for part in known),
        is_digits=all(part.is_digits for part in known),
        examples=examples[: MOST_MARKS + 1],
        text=first.text,
        file=first.file,
        record=first.record,
    )


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None or _ALMOST.fullmatch(text) is not None
