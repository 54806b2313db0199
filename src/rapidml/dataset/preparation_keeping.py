"""Fitted preparation steps, kept while their rows are open: candidates of a search fit what they have in common once.

Candidates that differ in ``n_components`` of their last ``pca`` alone share all steps up to it: it finds all components
at once, and each candidate cuts its own. The steps after it see other columns, so each candidate fits these itself.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapidml.dataset.preparation_pca import AllComponents
    from rapidml.dataset.preparation_steps import Step
    from rapidml.recipe.schema import Choice


MOST = 32
"""Preparations that are kept."""
MOST_BYTES = 256 * 2**20
"""Size of their components; the newest are kept even if they are larger."""


class KeptSteps:
    """The steps of some preparations, those used last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], tuple[Step | AllComponents, ...]] = OrderedDict()

    def find(self, which: str, steps: Sequence[Choice]) -> tuple[Step | AllComponents, ...]:
        """The first of some steps as they were fitted before; none if they were not.

        Args:
            which: Tells the rows.
            steps: Steps as written.
        """
        key = (which, _describe(steps))
        found = self._kept.get(key, ())
        if found:
            self._kept.move_to_end(key)
        return found

    def put(self, which: str, steps: Sequence[Choice], fitted: Sequence[Step | AllComponents]) -> None:
        """Keep those of some steps that ``find`` may give to others.

        Args:
            which: Tells the rows.
            steps: Steps as written.
            fitted: What each found.
        """
        self._kept[which, _describe(steps)] = tuple(fitted[: _count_shared(steps)])
        while len(self._kept) > MOST or (
            len(self._kept) > 1 and sum(map(_count_bytes, self._kept.values())) > MOST_BYTES
        ):
            self._kept.popitem(last=False)


def _count_shared(steps: Sequence[Choice]) -> int:
    """Number of steps up to the last ``pca``; all if there is none."""
    return max((index for index, step in enumerate(steps, 1) if step.name == "pca"), default=len(steps))


def _describe(steps: Sequence[Choice]) -> str:
    """All that decides the steps up to the last ``pca``, whatever its number of components."""
    shared = [[step.name, dict(step.options)] for step in steps[: _count_shared(steps)]]
    if shared and shared[-1][0] == "pca":
        shared[-1] = ["pca"]
    return json.dumps(shared, sort_keys=True)


def _count_bytes(fitted: Sequence[Step | AllComponents]) -> int:
    from rapidml.dataset.preparation_pca import AllComponents

    return sum(step.components.nbytes for step in fitted if isinstance(step, AllComponents))
