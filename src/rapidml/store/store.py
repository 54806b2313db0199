"""A store: one directory with all that was ever computed, shared by any number of processes."""

from __future__ import annotations

import json
import os
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidml.errors import DISTRIBUTION, StoreError
from rapidml.store.attempts import Attempts
from rapidml.store.durable import load_json, make_folder, write_file
from rapidml.store.index import Index
from rapidml.store.liveness import Liveness
from rapidml.store.objects import Objects
from rapidml.store.runs import Runs
from rapidml.store.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from rapidml.store.attempts import Attempt, Driver
    from rapidml.store.collect import Collected
    from rapidml.store.doctor import Finding
    from rapidml.store.facts import Fact
    from rapidml.store.index import RunRecord

FORMAT = 1
"""Format that this version writes; it reads every one from 1 to this."""

_FOLDERS = ("facts", "objects", "runs", "work")


class Store:
    """Facts, objects and runs in one directory. Cheap to pickle: it travels as its path.

    Attributes:
        path: The directory.
        writable: Whether anything may be changed.
        objects: Tables, models, predictions.
        index: Quick answers; also the memory of file hashes.
        runs: Folders of runs.
        work: Work in progress.
        attempts: Who drives which run.
    """

    def __init__(self, path: Path, *, writable: bool) -> None:
        self.path = path
        self.writable = writable
        self.objects = Objects(path / "objects")

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.path, self.writable)

    @cached_property
    def index(self) -> Index:
        """The index; opened when it is first asked."""
        return Index(self.path, writable=self.writable)

    @cached_property
    def runs(self) -> Runs:
        """The runs."""
        return Runs(self.path / "runs", self.index)

    @cached_property
    def work(self) -> Work:
        """Work in progress."""
        return Work(self.path / "work")

    @cached_property
    def attempts(self) -> Attempts:
        """Attempts at the runs."""
        return Attempts(self.path / "facts", self.runs, self.work)

    def find_facts(self, keys: Iterable[str], *, verify: Iterable[str] = (), stored: bool = True) -> dict[str, Fact]:
        """The fact of every key that has one: the newest finished one, else the newest failed one.

        Args:
            keys: Keys of steps.
            verify: Kinds of objects whose checksums are compared; of the others names and sizes.
            stored: Pass over finished facts whose objects are absent or damaged.

        Returns:
            Facts by key; keys without any are left out.
        """
        kinds = set(verify)
        found = {}
        for key, facts in self.index.find_lines(keys).items():
            for fact in facts:
                refs = fact.objects if stored and fact.is_finished else ()
                if all(self.objects.is_stored(ref, verify=ref.kind in kinds) for ref in refs):
                    found[key] = fact
                    break
        return found

    def create_run(self, run_json: Mapping[str, Any], recipe_text: str, *, name: str | None = None) -> str:
        """Make a new run; see :meth:`Runs.create`."""
        self.refuse_read_only()
        return self.runs.create(run_json, recipe_text, name=name)

    def start_attempt(self, run: str, *, on_wait: Callable[[Driver], None] | None = None) -> Attempt:
        """Drive a run; see :meth:`Attempts.start`."""
        self.refuse_read_only()
        return self.attempts.start(run, on_wait=on_wait)

    def find_run(self, name: str) -> str:
        """Id of the run that a user means; see :meth:`Runs.find`."""
        return self.runs.find(name)

    def find_same(self, digest: str) -> str | None:
        """The newest run with this digest."""
        return self.runs.find_same(digest)

    def list_runs(
        self, limit: int | None = None, test: Callable[[Mapping[str, Any]], bool] | None = None
    ) -> list[RunRecord]:
        """Runs, the newest first; one whose driver is gone shows as ``interrupted``.

        Args:
            limit: How many at most; all if None.
            test: Keeps a run by its flat record (:meth:`RunRecord.to_record`).
        """
        if test is None:
            return self._judge(self.index.list_runs(limit))
        judged = self._judge(self.index.list_runs())
        found = [record for record in judged if test(record.to_record())]
        return found if limit is None else found[:limit]

    def get_run(self, run: str) -> RunRecord:
        """A run as listings show it.

        Raises:
            StoreError: There is no such run, or it is damaged.
        """
        found = self.index.find_runs("id", run)
        if not found:
            self.runs.load(run)
            raise StoreError(f"run {run} is damaged: run `rapidml doctor`")
        return self._judge(found)[0]

    def is_alive(self, run: str) -> bool:
        """Whether a process drives a run; in doubt (another host, first look) yes."""
        seen = self.index.load_seen()
        before = dict(seen)
        alive = self.attempts.is_alive(run, Liveness(seen, clock=time.time))
        if seen != before:
            self.index.save_seen(seen)
        return alive

    def remove_run(self, run: str) -> None:
        """Remove a run, but no facts and no objects.

        Raises:
            StoreError: A process drives it, or there is no such run.
        """
        from rapidml.store.collect import remove_run

        remove_run(self, run)

    def gc(self, *, dry_run: bool = False, now: float | None = None) -> Collected:
        """Remove what no run reaches; see :func:`rapidml.store.collect.collect_garbage`."""
        from rapidml.store.collect import collect_garbage

        return collect_garbage(self, dry_run=dry_run, now=now)

    def check(self, *, repair: bool = False, now: float | None = None) -> list[Finding]:
        """What is wrong with the store; see :func:`rapidml.store.doctor.check_store`."""
        from rapidml.store.doctor import check_store

        return check_store(self, repair=repair, now=now)

    def refuse_read_only(self) -> None:
        """Do nothing, unless the store may not be changed.

        Raises:
            StoreError: It may not.
        """
        if not self.writable:
            raise StoreError(f"{self.path} is read-only: use --store DIR for a store that can be written")

    def close(self) -> None:
        """Close the index, if it was opened."""
        if "index" in self.__dict__:
            self.index.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _judge(self, records: list[RunRecord]) -> list[RunRecord]:
        """The same runs, those without a living driver as interrupted."""
        if not any(record.state == "running" for record in records):
            return records
        seen = self.index.load_seen()
        before = dict(seen)
        liveness = Liveness(seen, clock=time.time)
        judged = [
            record.in_state("interrupted")
            if record.state == "running" and not self.attempts.is_alive(record.id, liveness)
            else record
            for record in records
        ]
        if seen != before:
            self.index.save_seen(seen)
        return judged


def open_store(path: str | os.PathLike[str], *, create: bool = True, read_only: bool = False) -> Store:
    """Open a store.

    Args:
        path: Its directory.
        create: Make it if it is not there.
        read_only: Change nothing in it.

    Raises:
        StoreError: It is not there, not a store, of a newer format, or cannot be made.
    """
    root = Path(os.path.abspath(path))  # noqa: PTH100  follows no link, removes `..`
    note = load_json(root / "format.json")
    if note is None and not (root / "format.json").exists():
        if not create or read_only:
            raise StoreError(f"there is no store at {root}: `rapidml run` makes one; or name another folder")
        _make_store(root)
        note = load_json(root / "format.json")
    version = note.get("format") if note else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise StoreError(f'{root / "format.json"} is damaged: it should read {{"format": {FORMAT}}}')
    if version > FORMAT:
        raise StoreError(
            f"{root} has store format {version}, and this version of rapidml reads formats up to {FORMAT}: "
            f"pip install -U {DISTRIBUTION}"
        )
    return Store(root, writable=not read_only and os.access(root, os.W_OK))


def _make_store(root: Path) -> None:
    try:
        names = sorted(os.listdir(root)) if root.exists() else []  # noqa: PTH208
        strangers = [name for name in names if name not in _FOLDERS and not name.startswith(".")]
        if strangers:
            raise StoreError(f"{root} is not a store: it holds {strangers[0]!r}; name a new or empty directory")
        for name in _FOLDERS:
            make_folder(root / name)
        write_file(root / "format.json", json.dumps({"format": FORMAT}) + "\n")
    except OSError as error:
        raise StoreError(f"no store can be made at {root}: {error.strerror}") from error


def _reopen(path: Path, writable: bool) -> Store:
    return Store(path, writable=writable)
