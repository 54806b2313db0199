"""What a search is made of: candidates, the fits that score them, and what is known of each. Frozen data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapidml.models.fitting import ModelSpec


@dataclass(frozen=True, slots=True)
class ScoreStep:
    """One fit of a candidate, to be scored on the rows that it was not trained on.

    Attributes:
        key: Key of the score.
        fit: Key of the fit.
        prediction: Key of its prediction.
        part: Rows it trains on: ``fold:3`` or ``fit``.
        held: Rows it is scored on: ``held:3`` or ``valid``.
        family: Key of all that differ from it in the number of rounds alone.
        repetition: Which drawing of the folds; 0 is the split itself.
    """

    key: str
    fit: str
    prediction: str
    part: str
    held: str
    family: str
    repetition: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """One point of a model's ranges.

    Attributes:
        number: Its number in the search, from 0.
        values: Value of every range, by the range's name.
        spec: The model with these values.
        steps: A fit for each fold, or the one with a validation part.
    """

    number: int
    values: Mapping[str, Any]
    spec: ModelSpec
    steps: tuple[ScoreStep, ...]


@dataclass(frozen=True, slots=True)
class Scored:
    """What is known of a step.

    Attributes:
        metrics: Scores by metric; None where undefined.
        seconds: What the fit cost, or would have cost if it had not been the first rounds of a longer one.
        run: Run that computed it.
        error: Why it failed; None if it did not.
    """

    metrics: Mapping[str, float | None] = field(default_factory=dict)
    seconds: float = 0.0
    run: str = ""
    error: str | None = None

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any], run: str, error: str | None) -> Scored:
        """From the fact of a score."""
        return cls(payload.get("metrics", {}), payload.get("seconds") or 0.0, run, error)


@dataclass(frozen=True)
class OpenSteps:
    """What of a search is to be done.

    Attributes:
        fits: Fits to train.
        collapsed: Fits that are saved because longer ones contain them.
        scores: Stored predictions to score.
    """

    fits: int
    collapsed: int
    scores: int
