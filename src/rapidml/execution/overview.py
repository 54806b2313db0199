"""The newest runs of one or more stores as rows for a table that is looked at again and again, live ones included.

Looking is cheap: the index reads only files that changed, ``run.json`` is read once for each state of a run, event
files from where they were read to. Nothing here draws.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rapidml.errors import RapidmlError, RunNotFound, StoreError
from rapidml.execution.candidate_table import FILE
from rapidml.execution.listing import list_entries
from rapidml.store.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from rapidml.events import Event
    from rapidml.execution.curves import ModelCurve
    from rapidml.execution.selected import Selected
    from rapidml.store.store import Store

_MOST_CURVES = 32
"""Runs whose curves are remembered."""


@dataclass(frozen=True)
class Progress:
    """How far a running run is.

    Attributes:
        stage: What it does, in a few words.
        done: Fits that ended, stored ones included.
        total: Fits of the run; 0 while it is not known.
        started: Seconds since 1970; None before the first event.
        best_model: Model with the best selection score so far; None before the first.
        best_score: Its score: ``value``, ``low``, ``high``.
    """

    stage: str = "starting"
    done: int = 0
    total: int = 0
    started: float | None = None
    best_model: str | None = None
    best_score: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class RunRow:
    """A run as the table of runs shows it.

    Attributes:
        key: Number of the store and id; unique on the page.
        store: Path of the store.
        id: Run id.
        name: Its name; may be empty.
        state: ``finished``, ``failed``, ``interrupted``, ``running`` or ``damaged``.
        created: Seconds since 1970; None if it is not known.
        seconds: Wall time of the last attempt; None while it is not known.
        chosen: The chosen model.
        metric: What ``score`` is a score in; says when class sums were made equal.
        score: Selection score of the chosen model: ``value``, ``low``, ``high``.
        rows: Rows of the dataset.
        fits: Fits of the run, trained and stored.
        tags: Tags, separated by blanks.
        note: Note of the user.
        message: What has to be said of it: why it failed, what is damaged.
        progress: How far it is, while it runs.
        is_searched: Whether there are candidates of a search to be looked at.
    """

    key: str
    store: str
    id: str
    name: str
    state: str
    created: float | None = None
    seconds: float | None = None
    chosen: str | None = None
    metric: str = ""
    score: Mapping[str, Any] | None = None
    rows: int | None = None
    fits: int | None = None
    tags: str = ""
    note: str = ""
    message: str = ""
    progress: Progress | None = None
    is_searched: bool = False


@dataclass
class _Followed:
    """What was read of the events of a running run."""

    positions: dict[str, int] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)


class Overview:
    """Looks at stores, and remembers what need not be read twice. One thread at a time. Close it.

    Args:
        paths: Folders of stores; one that is not there yet counts as empty.
        read_only: Change nothing in them.
    """

    def __init__(self, paths: Sequence[Path], *, read_only: bool = False) -> None:
        self.paths = tuple(paths)
        self.read_only = read_only
        self._stores: dict[int, Store] = {}
        self._known: dict[tuple[Any, ...], tuple[int | None, str]] = {}
        self._followed: dict[str, _Followed] = {}
        self._curves: dict[tuple[Any, ...], list[ModelCurve]] = {}

    def close(self) -> None:
        """Close the stores."""
        for store in self._stores.values():
            store.close()
        self._stores.clear()

    def find(self, key: str) -> tuple[Store, str]:
        """Store and id of the run that a row is of.

        Raises:
            RunNotFound: Its store is gone.
        """
        number, _, run = key.partition(":")
        is_known = number.isdecimal() and number.isascii() and int(number) < len(self.paths)
        store = self._open(int(number)) if is_known else None
        if store is None:
            raise RunNotFound(f"the store of run {run} is gone")
        return store, run

    def look(self, filter_text: str | None = None, limit: int = 100) -> list[RunRow]:
        """The newest runs of all stores, newest first.

        Args:
            filter_text: Expression as for ``rapidml ls``.
            limit: Number of runs at most.

        Raises:
            FilterError: The expression is wrong.
        """
        rows: list[RunRow] = []
        for number in range(len(self.paths)):
            store = self._open(number)
            if store is None:
                continue
            entries = list_entries(store, filter_text, limit)
            rows += [self._row(number, store, entry) for entry in entries]
            if filter_text is None:
                rows += _damaged_rows(number, store, limit)
        running = {row.key for row in rows if row.progress is not None}
        self._followed = {key: known for key, known in self._followed.items() if key in running}
        return sorted(rows, key=lambda row: (row.created or 0.0, row.id), reverse=True)[:limit]

    def load(self, keys: Sequence[str]) -> Selected:
        """Scores and curves of some rows; what is gone is said in the notes.

        Args:
            keys: Keys of the rows.
        """
        from rapidml.execution.selected import load_selected

        runs, notes = [], []
        for key in keys:
            try:
                runs.append((key, *self.find(key)))
            except RunNotFound as error:
                notes.append(str(error))
        selected = load_selected(runs, self._load_curves)
        return replace(selected, notes=(*notes, *selected.notes))

    def mark(self, key: str, tags: Sequence[str], note: str) -> None:
        """Give a run these tags and this note, in place of those that it has.

        Raises:
            StoreError: The store is read-only, or the run is gone.
        """
        store, run = self.find(key)
        store.refuse_read_only()
        had = store.runs.load_marks(run).get("tags", [])
        store.runs.mark(run, add=tags, remove=[tag for tag in had if tag not in tags], note=note)

    def _load_curves(self, store: Store, run: str) -> list[ModelCurve]:
        """Curves of a run; they can only change with its result."""
        seconds = store.get_run(run).seconds
        known = (str(store.path), run, seconds)
        if known not in self._curves:
            from rapidml.execution.curves import load_curves

            self._curves[known] = load_curves(store, run)
            while len(self._curves) > _MOST_CURVES:
                self._curves.pop(next(iter(self._curves)))
        return self._curves[known]

    def _open(self, number: int) -> Store | None:
        """A store; None while it is not there. One that was removed and made anew is opened anew."""
        if not (self.paths[number] / "format.json").exists():
            gone = self._stores.pop(number, None)
            if gone is not None:
                gone.close()
            return None
        if number not in self._stores:
            self._stores[number] = open_store(self.paths[number], create=False, read_only=self.read_only)
        return self._stores[number]

    def _row(self, number: int, store: Store, entry: Mapping[str, Any]) -> RunRow:
        from rapidml.evaluate.metrics import heading

        key = f"{number}:{entry['id']}"
        fits, message = self._content(key, store, entry)
        score = entry.get("score")
        progress = self._progress(key, store, entry["id"]) if entry["state"] == "running" else None
        return RunRow(
            key=key,
            store=str(store.path),
            id=entry["id"],
            name=entry["name"],
            state=entry["state"],
            created=entry["created"],
            seconds=entry["seconds"],
            chosen=entry.get("chosen"),
            metric=heading(entry["rank_by"], entry["balanced"]) if score else "",
            score=score,
            rows=entry.get("rows"),
            fits=fits,
            tags=entry["tags"],
            note=entry["note"],
            message=message,
            progress=progress,
            is_searched=(store.runs.root / entry["id"] / FILE).exists(),
        )

    def _content(self, key: str, store: Store, entry: Mapping[str, Any]) -> tuple[int | None, str]:
        """Number of fits and message, from ``run.json``; read again when the state changed."""
        known = (key, entry["state"], entry["seconds"])
        if known not in self._known:
            try:
                self._known[known] = _read_content(store.runs.load(entry["id"]), entry["state"])
            except (RapidmlError, OSError) as error:
                return None, _shorten(error, store)
        return self._known[known]

    def _progress(self, key: str, store: Store, run: str) -> Progress:
        from rapidml.store.events_file import read_events

        followed = self._followed.setdefault(key, _Followed())
        with contextlib.suppress(RapidmlError, OSError):
            followed.events += read_events(store.runs.folder(run), followed.positions)
        return follow(followed.events)


class _Watcher:
    """Takes the events of a run, one after the other."""

    def __init__(self) -> None:
        self.stage, self.metric = "starting", ""
        self.started: float | None = None
        self.done = self.total = 0
        self.scores: dict[str, Mapping[str, Any]] = {}
        self.working: dict[str, str] = {}  # what each fit under way is called and how far it is, by its key
        self.searching: dict[str, str] = {}  # how far each search is, by its model

    def take(self, event: Event) -> None:
        """Take the next event."""
        self.started = event.time if self.started is None else self.started
        if event.kind == "run_started":
            self._begin(event)
        elif event.step == "read":
            self.stage = "reading" if event.kind == "step_started" else "starting"
        elif event.step == "search":
            self._take_search(event)
        elif event.step == "fit":
            self._take_fit(event)
        elif event.step == "evaluate" and event.data.get("score", {}).get("value") is not None:
            self.scores[event.name] = event.data["score"]

    def _begin(self, event: Event) -> None:
        """What an earlier attempt did is stored by now, and counted as such."""
        fits = event.data["fits"]
        self.scores, self.working, self.searching = {}, {}, {}
        self.stage, self.started, self.metric = "fitting", event.time, event.data["rank_by"]
        self.done, self.total = fits["stored"], fits["to_train"] + fits["stored"]

    def _take_search(self, event: Event) -> None:
        """How far a search is, and its best so far."""
        data = event.data
        if (data.get("best") or {}).get("value") is not None:
            self.scores[event.name] = data["best"]
        total = f" of {data['total']:,}" if data.get("total") else ""
        self.searching[event.name] = f"searching {event.name}: {data['done']:,}{total} candidates"
        if not data.get("running"):
            del self.searching[event.name]
            self.working.clear()  # fits of a search end without a word

    def _take_fit(self, event: Event) -> None:
        if event.kind == "progress" and event.data["done"] >= event.data["total"]:
            self.working.pop(event.key, None)
        elif event.kind == "progress":
            rounds = f"{event.data['done']:,} of {event.data['total']:,} {event.data.get('unit', 'round')}s"
            self.working[event.key] = f"{event.name}: {rounds}"
        elif event.kind == "step_started":
            self.working.setdefault(event.key, event.name)
        else:
            self.done += 1
            self.working.pop(event.key, None)


def follow(events: Iterable[Event]) -> Progress:
    """How far a run is, from its events.

    Args:
        events: Events of all attempts, in order.
    """
    from rapidml.evaluate.metrics import get_metric
    from rapidml.planning.planner import BASELINE

    watcher = _Watcher()
    for event in events:
        watcher.take(event)
    under_way = next(iter([*watcher.searching.values(), *watcher.working.values()]), None)
    total = max(watcher.total, watcher.done) if watcher.total else 0  # fits of chosen candidates come later
    stage = under_way or ("scoring" if 0 < total <= watcher.done else watcher.stage)
    scores = {name: score for name, score in watcher.scores.items() if name != BASELINE}
    best = None
    if scores:
        pick = max if get_metric(watcher.metric).greater_is_better else min
        best = pick(scores, key=lambda name: scores[name]["value"])
    return Progress(stage, watcher.done, total, watcher.started, best, None if best is None else scores[best])


def _read_content(content: Mapping[str, Any], state: str) -> tuple[int | None, str]:
    result = content.get("result")
    fits = None if result is None else sum(result["fits"][name] for name in ("trained", "stored", "failed"))
    if state == "running":
        return fits, ""
    if state == "interrupted":
        return fits, "stopped before its end; run its recipe again to go on"
    failed = 0 if result is None else len(result["errors"])
    if failed:
        first = result["errors"][0] if result is not None else {}
        return fits, f"{first['model']}: {_first_line(first['error'])}"
    return fits, _first_line(content.get("error")) if state == "failed" else ""


def _shorten(error: Exception, store: Store) -> str:
    """The text of an error, with paths as seen from the store."""
    return str(error).replace(f"{store.path}/", "")


def _first_line(text: str | None) -> str:
    lines = (text or "").strip().splitlines()
    return lines[0] if lines else "failed"


def _damaged_rows(number: int, store: Store, limit: int) -> list[RunRow]:
    """Folders of runs that cannot be read, and so are in no listing."""
    lost = set(store.runs.list_ids()) - {record.id for record in store.index.list_runs()}
    rows = []
    for run in sorted(lost, reverse=True)[:limit]:
        try:
            store.runs.load(run)
        except RunNotFound:  # removed meanwhile
            continue
        except StoreError as error:
            rows.append(RunRow(f"{number}:{run}", str(store.path), run, "", "damaged", message=_shorten(error, store)))
    return rows
