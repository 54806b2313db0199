"""The searches of one run as a page looks at them again and again, while it works and after."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rapidml.errors import StoreError
from rapidml.execution.candidate_table import FILE, CandidateTable, read_candidates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapidml.execution.overview import Overview


@dataclass(frozen=True)
class SearchState:
    """The searches of a run at one moment.

    Attributes:
        run: Run id.
        name: Name of the run; may be empty.
        state: State of the run.
        tables: Candidates by model.
        result: Result of the run; None before it has one.
        problem: Why something could not be read; empty if nothing went wrong.
    """

    run: str
    name: str
    state: str
    tables: Mapping[str, CandidateTable] = field(default_factory=dict)
    result: Mapping[str, Any] | None = None
    problem: str = ""

    def heading(self, model: str) -> str:
        """What the scores of a model's candidates are: rows and metric, as far as it is known."""
        from rapidml.evaluate.metrics import heading

        metric = self.tables[model].metric
        if self.result is None:
            return metric
        return f"{self.result['selection']} {heading(metric, self.result['balanced'])}"


class SearchLook:
    """Looks at the searches of a run; reads again only what changed. One thread at a time.

    Args:
        overview: The stores of the page.
        key: Key of the run on the page.
    """

    def __init__(self, overview: Overview, key: str) -> None:
        self._overview = overview
        self._key = key
        self._stamp: Any = None
        self._known: SearchState | None = None

    def look(self) -> SearchState:
        """What there is now; the very same object as before where nothing changed.

        Raises:
            RunNotFound: The run is gone.
        """
        store, run = self._overview.find(self._key)
        path = store.runs.folder(run) / FILE
        record = store.get_run(run)
        try:
            found = path.stat()
            written: Any = (found.st_mtime_ns, found.st_size, found.st_ino)
        except OSError:
            written = None
        stamp = (written, record.state, record.seconds, record.name)
        if self._known is None or stamp != self._stamp:
            tables, problem = self._read(path)
            result = store.runs.load(run).get("result")
            self._known = SearchState(run, record.name or "", record.state, tables, result, problem)
            self._stamp = stamp
        return self._known

    def _read(self, path: Any) -> tuple[Mapping[str, CandidateTable], str]:
        """The tables; those of before where the file is damaged."""
        try:
            return read_candidates(path), ""
        except StoreError as error:
            return ({} if self._known is None else self._known.tables), str(error)
