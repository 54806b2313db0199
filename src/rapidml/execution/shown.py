"""What ``show`` shows: a run, one of its models with its candidates, or one candidate; while it runs, what there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rapidml.errors import RapidmlError, RunNotFound
from rapidml.execution.candidate_table import load_candidates
from rapidml.execution.listing import load_result
from rapidml.store.runs import parse_run_name

if TYPE_CHECKING:
    from rapidml.execution.candidate_table import Candidate, CandidateTable
    from rapidml.store.runs import RunName
    from rapidml.store.store import Store


@dataclass(frozen=True)
class Shown:
    """What a name stands for.

    Attributes:
        run: Run id.
        state: State of the run.
        result: Its result; None if it has none yet, and then there are candidates.
        model: The model named, if one was.
        candidate: The candidate named, if one was.
        tables: Candidates by model: of the model named; of all if there is no result yet; else none.
    """

    run: str
    state: str
    result: dict[str, Any] | None
    model: str | None
    candidate: Candidate | None
    tables: dict[str, CandidateTable]

    def heading(self, model: str) -> str:
        """What the scores of the candidates of a model are: rows and metric."""
        from rapidml.evaluate.metrics import heading

        metric, result = self.tables[model].metric, self.result
        return metric if result is None else f"{result['selection']} {heading(metric, result['balanced'])}"

    def to_json(self) -> dict[str, Any]:
        """The result, with ``candidates`` where a model was named; of a candidate, its row alone."""
        if self.candidate is not None:
            return {"run": self.run, "model": self.model, **self.candidate.to_json()}
        tree: dict[str, Any] = {"run": self.run, "state": self.state} if self.result is None else dict(self.result)
        if self.tables:
            tree["candidates"] = {name: table.to_json() for name, table in self.tables.items()}
        return tree


def load_shown(store: Store, name: str) -> Shown:
    """What ``RUN``, ``RUN/MODEL`` or ``RUN/MODEL#CANDIDATE`` stands for.

    Raises:
        RunNotFound: No run, model or candidate fits.
        RapidmlError: The run has neither a result nor candidates yet.
    """
    parsed = parse_run_name(name)
    run = store.runs.find(parsed.run)
    tables = load_candidates(store, run)
    plain = parsed.run if parsed.model is None else f"{parsed.run}/{parsed.model}"
    try:
        result, _ = load_result(store, plain)
    except RunNotFound:
        raise
    except RapidmlError:
        if not tables or (parsed.model is not None and parsed.model not in tables):
            raise
        result = None
    if parsed.model is None:
        tables = tables if result is None else {}
    else:
        tables = {parsed.model: tables[parsed.model]} if parsed.model in tables else {}
    return Shown(run, store.get_run(run).state, result, parsed.model, _find_candidate(run, parsed, tables), tables)


def _find_candidate(run: str, parsed: RunName, tables: dict[str, CandidateTable]) -> Candidate | None:
    if parsed.candidate is None or parsed.model is None:
        return None
    if parsed.fold is not None:
        raise RunNotFound(f"folds are shown with their candidate: write {parsed.run}/{parsed.model}#{parsed.candidate}")
    if parsed.model not in tables:
        raise RunNotFound(f"model {parsed.model} of run {run} has no candidates: none of its values is a range")
    found = tables[parsed.model].find(parsed.candidate)
    if found is None:
        numbers = [row.number for row in tables[parsed.model].rows]
        there = f"its candidates are #{min(numbers)} to #{max(numbers)}" if numbers else "it has no candidates yet"
        raise RunNotFound(f"{run}/{parsed.model} has no candidate #{parsed.candidate}; {there}")
    return found
