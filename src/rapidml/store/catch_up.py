"""Brings the index up to what the files of a store say, looking only at what can have changed.

What can have changed: the names in ``facts`` and ``runs`` if the time of the folder did; facts files without an end
line; runs that are open: not in a final state, or with such a file; marks if ``runs/.marked`` was touched. A driver
writes the final state of its run before the end line of its facts, so a closed run never changes. A time within the
last two seconds is not believed: another change may follow within one tick of the file system's clock.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import TYPE_CHECKING, Any

from rapidml.store.durable import load_json
from rapidml.store.facts import read_lines
from rapidml.store.paths import is_key, is_run_id, parse_fact_file

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FINAL_STATES = ("finished", "failed", "interrupted")
MARKED = ".marked"
"""File in ``runs`` that is touched when marks change."""

_BATCH = 500
_UNSURE_NS = 2_000_000_000


def catch_up(db: sqlite3.Connection, root: Path) -> None:
    """Read what is new in a store into its index.

    Args:
        db: The index.
        root: The store.
    """
    _list_fact_files(db, root / "facts")
    _read_fact_files(db, root / "facts")
    _list_runs(db, root / "runs")
    _read_open_runs(db, root / "runs")
    _read_marks(db, root / "runs")


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """A short transaction that writes; rolled back if anything goes wrong."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:  # Ctrl-C too: an open transaction would lock the index
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def load_run_row(folder: Path) -> dict[str, Any] | None:
    """What the index holds of a run, read from its files; None if it is not whole."""
    stamp = _stamp(folder / "run.json")
    run = load_json(folder / "run.json")
    if run is None:
        return None
    marks, content = load_marks(folder)
    return {
        "id": folder.name,
        "name": str(content.get("name") or run.get("name") or ""),
        "state": str(run.get("state") or "running"),
        "created": _number(run.get("created")) or 0.0,
        "seconds": _number(run.get("seconds")),
        "digest": str(run.get("digest") or ""),
        "dataset": str(run.get("dataset") or ""),
        "tags": json.dumps(content.get("tags") or []),
        "note": str(content.get("note") or ""),
        "summary": json.dumps(run.get("summary") or {}),
        "stamp": stamp,
        "marks": marks,
    }


def load_marks(folder: Path) -> tuple[str, dict[str, Any]]:
    """State of the file of marks of a run, and its content."""
    path = folder / "marks.json"
    stamp = _stamp(path)
    return stamp, (load_json(path) or {}) if stamp else {}


def _list_fact_files(db: sqlite3.Connection, folder: Path) -> None:
    stamp = _folder_stamp(folder)
    if stamp and stamp == _get(db, "facts"):
        return
    known = {name for (name,) in db.execute("SELECT name FROM files")}  # before the scan: others may add meanwhile
    there = {name for name in _scan(folder) if parse_fact_file(name)}
    with transaction(db):
        for name in known - there:
            _forget_file(db, name)
        for name in sorted(there - known):
            run = name.partition(".")[0]
            db.execute("INSERT OR IGNORE INTO files(name, run, position, ended) VALUES (?, ?, 0, 0)", (name, run))
            db.execute("UPDATE runs SET open = 1 WHERE id = ?", (run,))
        _set(db, "facts", stamp)


def _read_fact_files(db: sqlite3.Connection, folder: Path) -> None:
    """Read on in every file without an end line; each batch is one transaction."""
    batch: list[tuple[int, int, int, list[tuple[Any, ...]], bool]] = []
    count = 0
    rows = db.execute("SELECT id, name, position FROM files WHERE ended = 0").fetchall()
    for number, name, start in rows:
        for entry in _read_on(folder / name, number, start):
            batch.append(entry)
            count += 1 + len(entry[3])
            if count >= _BATCH:
                _store_lines(db, batch)
                batch, count = [], 0
    _store_lines(db, batch)


def _read_on(path: Path, number: int, start: int) -> Iterator[tuple[int, int, int, list[tuple[Any, ...]], bool]]:
    try:
        size = path.stat().st_size
    except OSError:
        return
    if size < start:  # another file of that name: a copy that was cut short
        yield number, start, 0, [], False
        start = 0
    while size > start:
        try:
            lines, end = read_lines(path, start)
        except OSError:
            return
        if end == start:
            return
        facts, is_ended = _parse(lines, number)
        yield number, start, end, facts, is_ended
        start = end


def _parse(lines: Iterable[tuple[int, bytes]], number: int) -> tuple[list[tuple[Any, ...]], bool]:
    """Rows of the index for the facts among some lines, and whether the end line is among them."""
    facts = []
    is_ended = False
    for position, text in lines:
        try:
            tree = json.loads(text)
            if is_key(tree.get("key")):
                family, done = tree.get("family"), int(tree.get("state") == "finished")
                time_ended = float(tree.get("time", 0.0))
                facts.append((tree["key"], family, done, time_ended, number, position, len(text)))
            is_ended = is_ended or tree.get("end") is True
        except (ValueError, TypeError, AttributeError, RecursionError):
            continue
    return facts, is_ended


def _store_lines(db: sqlite3.Connection, batch: list[tuple[int, int, int, list[tuple[Any, ...]], bool]]) -> None:
    if not batch:
        return
    with transaction(db):
        for number, start, end, facts, is_ended in batch:
            moved = db.execute(
                "UPDATE files SET position = ?, ended = ? WHERE id = ? AND position = ?", (end, is_ended, number, start)
            )
            if not moved.rowcount:  # another process has read these lines
                continue
            if end < start:
                db.execute("DELETE FROM facts WHERE file = ?", (number,))
            db.executemany("INSERT INTO facts VALUES (?, ?, ?, ?, ?, ?, ?)", facts)


def _list_runs(db: sqlite3.Connection, folder: Path) -> None:
    stamp = _folder_stamp(folder)
    if stamp and stamp == _get(db, "runs"):
        return
    known = {name for (name,) in db.execute("SELECT id FROM runs")}
    there = {name for name in _scan(folder) if is_run_id(name)}
    new = sorted(there - known)
    for first in range(0, len(new), _BATCH):
        rows = [row for name in new[first : first + _BATCH] if (row := load_run_row(folder / name))]
        with transaction(db):
            for row in rows:
                write_run_row(db, row)
    with transaction(db):
        db.executemany("DELETE FROM runs WHERE id = ?", [(name,) for name in known - there])
        _set(db, "runs", stamp)


def write_run_row(db: sqlite3.Connection, row: dict[str, Any]) -> None:
    """Put a run into the index; it stays open while it can change."""
    unended = db.execute("SELECT 1 FROM files WHERE run = ? AND ended = 0 LIMIT 1", (row["id"],)).fetchone()
    full = {**row, "open": int(row["state"] not in FINAL_STATES or unended is not None)}
    names = ", ".join(full)
    marks = ", ".join("?" for _ in full)
    db.execute(f"INSERT OR REPLACE INTO runs({names}) VALUES ({marks})", list(full.values()))  # noqa: S608  own names


def _read_open_runs(db: sqlite3.Connection, folder: Path) -> None:
    changed = []
    query = "SELECT id, stamp, state, EXISTS (SELECT 1 FROM files WHERE run = runs.id AND ended = 0) FROM runs"
    for name, stamp, state, is_unended in db.execute(f"{query} WHERE open = 1").fetchall():
        is_over = state in FINAL_STATES and not is_unended
        if is_over or _stamp(folder / name / "run.json") != stamp:
            row = load_run_row(folder / name)
            if row is not None:
                changed.append(row)
    if changed:
        with transaction(db):
            for row in changed:
                write_run_row(db, row)


def _read_marks(db: sqlite3.Connection, folder: Path) -> None:
    stamp = _folder_stamp(folder / MARKED)
    if not _stamp(folder / MARKED) or (stamp and stamp == _get(db, "marks")):
        return
    changed = []
    for name, marks in db.execute("SELECT id, marks FROM runs").fetchall():
        if _stamp(folder / name / "marks.json") != marks:
            row = load_run_row(folder / name)
            if row is not None:
                changed.append(row)
    with transaction(db):
        for row in changed:
            write_run_row(db, row)
        _set(db, "marks", stamp)


def _forget_file(db: sqlite3.Connection, name: str) -> None:
    db.execute("DELETE FROM facts WHERE file = (SELECT id FROM files WHERE name = ?)", (name,))
    db.execute("DELETE FROM files WHERE name = ?", (name,))


def _get(db: sqlite3.Connection, name: str) -> str:
    row = db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return str(row[0]) if row else ""


def _set(db: sqlite3.Connection, name: str, value: str) -> None:
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def _stamp(path: Path) -> str:
    """Changes whenever a file is replaced; empty if it is absent."""
    try:
        status = path.lstat()
    except OSError:
        return ""
    return f"{status.st_mtime_ns}:{status.st_size}:{status.st_ino}"


def _folder_stamp(path: Path) -> str:
    """Time of a folder; empty if it is too new to be believed."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return "" if time.time_ns() - status.st_mtime_ns < _UNSURE_NS else f"{status.st_mtime_ns}:{status.st_ino}"


def _scan(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  a path for each of 10,000 names costs more than the listing
    except OSError:
        return []


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
