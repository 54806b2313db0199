"""Fast answers about facts and runs, from a cache that every process brings up to date from the files."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from rapidml.errors import StoreError
from rapidml.store.catch_up import catch_up, transaction
from rapidml.store.facts import Fact
from rapidml.store.index_file import IndexFile

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
    from pathlib import Path

T = TypeVar("T")
_CHUNK = 500
_COLUMNS = "id, name, state, created, seconds, digest, tags, note, summary"


@dataclass(frozen=True)
class RunRecord:
    """A run as listings show it.

    Attributes:
        id: Such as ``20261122-0719-k3f9``.
        name: Name of the recipe, or the one given; may be empty.
        state: ``finished``, ``failed``, ``interrupted`` or ``running``.
        created: Seconds since 1970, UTC.
        seconds: Wall time; None while it is not known.
        digest: Of the resolved recipe and the dataset identity.
        tags: Marks of the user.
        note: Text of the user.
        summary: What the driver noted for listings: flat, JSON-like.
    """

    id: str
    name: str
    state: str
    created: float
    seconds: float | None
    digest: str
    tags: tuple[str, ...]
    note: str
    summary: Mapping[str, Any]

    def to_record(self) -> dict[str, Any]:
        """One flat mapping, as the filter of ``ls`` sees it; own fields win over the summary."""
        own = {name: getattr(self, name) for name in ("id", "name", "state", "created", "seconds", "note")}
        return {**self.summary, **own, "tags": " ".join(self.tags)}

    def in_state(self, state: str) -> RunRecord:
        """The same run in another state."""
        return replace(self, state=state)


class Index:
    """The index of a store. Every question is answered from what the files say at that moment.

    Args:
        root: The store.
        writable: Whether the store may be written to.
    """

    def __init__(self, root: Path, *, writable: bool = True) -> None:
        self._root = root
        self._file = IndexFile(root, writable=writable)

    @property
    def path(self) -> Path | None:
        """The SQLite file; None if it had to be made in memory."""
        return self._file.path

    def close(self) -> None:
        """Close the file; it is opened again when needed."""
        self._file.close()

    def find_lines(self, keys: Iterable[str]) -> dict[str, list[Fact]]:
        """Every fact of some keys, the best first: finished before failed, new before old."""
        wanted = list(dict.fromkeys(keys))
        rows = self._ask(lambda db: list(_select_facts(db, wanted)))
        found: dict[str, list[Fact]] = {}
        for key, fact in _read_rows(self._root / "facts", rows):
            found.setdefault(key, []).append(fact)
        for facts in found.values():
            facts.sort(key=lambda fact: (fact.is_finished, fact.time), reverse=True)
        return found

    def find_facts(self, keys: Iterable[str]) -> dict[str, Fact]:
        """The best fact of every key that has one; whether its objects are there is not looked at."""
        return {key: facts[0] for key, facts in self.find_lines(keys).items()}

    def find_family(self, families: Iterable[str]) -> list[Fact]:
        """The best fact of every key whose finished facts belong to one of these families, the newest first."""
        wanted = list(dict.fromkeys(families))
        rows = self._ask(lambda db: list(_select_facts(db, wanted, "family")))
        keys = {key for _, key, _, _ in rows}
        found = [fact for fact in self.find_facts(keys).values() if fact.is_finished and fact.family in wanted]
        return sorted(found, key=lambda fact: fact.time, reverse=True)

    def list_keys(self, file: str) -> list[str]:
        """Keys of the facts in a facts file."""
        query = "SELECT DISTINCT key FROM facts WHERE file = (SELECT id FROM files WHERE name = ?)"
        return [key for (key,) in self._ask(lambda db: db.execute(query, (file,)).fetchall())]

    def list_runs(
        self, limit: int | None = None, test: Callable[[Mapping[str, Any]], bool] | None = None, skip: int = 0
    ) -> list[RunRecord]:
        """Runs, the newest first, as their files say: one whose driver was killed is still ``running``.

        Args:
            limit: How many at most; all if None.
            test: Keeps a run by its flat record.
            skip: How many of the newest to pass over.
        """
        query = f"SELECT {_COLUMNS} FROM runs ORDER BY created DESC, id DESC LIMIT ? OFFSET ?"  # noqa: S608
        if test is None:
            bounds = (-1 if limit is None else limit, skip)
            return [_make_record(row) for row in self._ask(lambda db: db.execute(query, bounds).fetchall())]
        found = []
        for row in self._ask(lambda db: db.execute(query, (-1, 0)).fetchall()):
            record = _make_record(row)
            if test(record.to_record()):
                found.append(record)
        return found[skip:] if limit is None else found[skip : skip + limit]

    def find_runs(self, column: str, value: str) -> list[RunRecord]:
        """Runs by ``id``, ``name``, ``digest``, ``dataset``, ``state`` or ``prefix`` of the id, the newest first.

        Raises:
            ValueError: There is no such column.
        """
        if column not in {"id", "name", "digest", "dataset", "state", "prefix"}:
            raise ValueError(f"runs are not found by {column}")
        condition = "id >= ? AND id < ? || 'zzzzzzzz'" if column == "prefix" else f"{column} = ?"
        values = (value, value) if column == "prefix" else (value,)
        query = f"SELECT {_COLUMNS} FROM runs WHERE {condition} ORDER BY created DESC, id DESC"  # noqa: S608
        rows = self._ask(lambda db: db.execute(query, values).fetchall())
        return [record for record in map(_make_record, rows) if column != "prefix" or record.id.startswith(value)]

    def get(self, path: str, size: int, mtime_ns: int) -> str | None:
        """SHA-256 remembered for a file that has not changed since; None if there is none."""
        query = "SELECT sha256 FROM hashes WHERE path = ? AND size = ? AND mtime_ns = ?"
        row = self._file.run(lambda db: db.execute(query, (path, size, mtime_ns)).fetchone())
        return None if row is None else str(row[0])

    def put(self, path: str, size: int, mtime_ns: int, sha256: str) -> None:
        """Remember the SHA-256 of a file."""
        values = (path, size, mtime_ns, sha256)
        self._file.run(lambda db: db.execute("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)", values))

    def recall(self, name: str) -> str | None:
        """A text that was remembered; None if there is none."""
        query = "SELECT value FROM meta WHERE name = ?"
        row = self._file.run(lambda db: db.execute(query, (f"recall:{name}",)).fetchone())
        return None if row is None else str(row[0])

    def remember(self, name: str, text: str) -> None:
        """Remember a text that can be found out again; like everything here it may be forgotten at any time."""
        values = (f"recall:{name}", text)
        self._file.run(lambda db: db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", values))

    def load_seen(self) -> MutableMapping[str, tuple[str, float]]:
        """Heartbeats that earlier processes saw: counter and time, by name."""
        row = self._file.run(lambda db: db.execute("SELECT value FROM meta WHERE name = 'seen'").fetchone())
        return {name: (token, at) for name, (token, at) in json.loads(row[0]).items()} if row else {}

    def save_seen(self, seen: Mapping[str, tuple[str, float]]) -> None:
        """Remember the heartbeats seen."""
        text = json.dumps(seen)
        self._file.run(lambda db: db.execute("INSERT OR REPLACE INTO meta VALUES ('seen', ?)", (text,)))

    def rebuild(self) -> None:
        """Read all files again; the remembered hashes stay."""

        def forget(db: sqlite3.Connection) -> None:
            with transaction(db):
                for table in ("facts", "files", "runs"):
                    db.execute(f"DELETE FROM {table}")  # noqa: S608  own names
                db.execute("DELETE FROM meta WHERE name <> 'store'")

        self._file.run(forget)
        self._ask(lambda _: None)

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        def answer(db: sqlite3.Connection) -> T:
            catch_up(db, self._root)
            return question(db)

        return self._file.run(answer)


def _select_facts(
    db: sqlite3.Connection, values: Sequence[str], column: Literal["key", "family"] = "key"
) -> Iterator[tuple[str, str, int, int]]:
    for first in range(0, len(values), _CHUNK):
        chunk = values[first : first + _CHUNK]
        marks = ",".join("?" * len(chunk))
        query = "SELECT f.name, key, facts.position, length FROM facts JOIN files f ON f.id = file WHERE"
        yield from db.execute(f"{query} {column} IN ({marks})", chunk)


def _read_rows(folder: Path, rows: Iterable[tuple[str, str, int, int]]) -> Iterator[tuple[str, Fact]]:
    """Read lines of facts, file by file; what is no longer there is left out."""
    by_file: dict[str, list[tuple[str, int, int]]] = {}
    for name, key, position, length in rows:
        by_file.setdefault(name, []).append((key, position, length))
    for name, places in by_file.items():
        try:
            file = (folder / name).open("rb")
        except OSError:
            continue
        with file:
            for key, position, length in sorted(places, key=lambda place: place[1]):
                file.seek(position)
                try:
                    fact = Fact.from_json(file.read(length))
                except (ValueError, StoreError):
                    continue
                if fact.key == key:
                    yield key, fact


def _make_record(row: tuple[Any, ...]) -> RunRecord:
    identity, name, state, created, seconds, digest, tags, note, summary = row
    return RunRecord(
        identity, name, state, created, seconds, digest, tuple(json.loads(tags)), note, json.loads(summary)
    )
