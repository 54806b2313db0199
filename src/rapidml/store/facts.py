"""Facts: finished and failed steps, one JSON line each, in files that only grow and have one writer each."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from rapidml.errors import StoreError
from rapidml.store.durable import sync_folder
from rapidml.store.objects import ObjectRef
from rapidml.store.paths import check_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

GROUP_SECONDS = 0.3
"""Longest wait for company before lines are put on disk; with the flush itself it stays below half a second."""


@dataclass(frozen=True)
class Fact:
    """A step that is over.

    Attributes:
        key: Key of the step.
        kind: Kind of step: ``read``, ``fit``, ``predict``, ``evaluate``.
        state: ``finished`` or ``failed``.
        payload: Its outcome, JSON-like: scores, decimated history, counts, ...
        seconds: Wall time it took.
        peak_memory: Largest resident memory of its process, bytes; None if not measured.
        versions: Versions of the libraries that made it.
        objects: What it stored.
        error: Type, message and traceback of a failed step.
        family: What it has in common with steps it may be made from, such as fits with other numbers of rounds.
        run: Run that made it; the writer fills it in.
        attempt: Attempt of that run; the writer fills it in.
        time: When it ended, seconds since 1970, UTC.
    """

    key: str
    kind: str
    state: Literal["finished", "failed"] = "finished"
    payload: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    peak_memory: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    objects: tuple[ObjectRef, ...] = ()
    error: str | None = None
    family: str | None = None
    run: str = ""
    attempt: int = 0
    time: float = field(default_factory=time.time)

    @property
    def is_finished(self) -> bool:
        """Whether the step succeeded."""
        return self.state == "finished"

    def to_json(self) -> str:
        """One line of a facts file, without its end.

        Raises:
            ValueError: A number in it is NaN or infinite.
        """
        tree = {name: getattr(self, name) for name in self.__dataclass_fields__}
        tree["payload"] = dict(self.payload)
        tree["versions"] = dict(self.versions)
        tree["objects"] = [ref.to_json() for ref in self.objects]
        return json.dumps(tree, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, line: str | bytes) -> Fact:
        """The fact that ``to_json`` wrote; fields of later versions are ignored.

        Raises:
            ValueError: The line is not a fact.
            StoreError: A name in it could lead out of the store.
        """
        tree = json.loads(line)
        try:
            known = {name: tree[name] for name in cls.__dataclass_fields__ if name in tree}
            check_key(known["key"])
            known["objects"] = tuple(ObjectRef.from_json(ref) for ref in known.get("objects", ()))
            return cls(**known)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a fact: {error}") from error


class FactWriter:
    """The one writer of a facts file. Lines reach the disk in groups, at most half a second after :meth:`append`.

    Args:
        path: File to create.
        run: Run that the facts belong to.
        attempt: Attempt of the run.
        header: First line: who writes; JSON-like.

    Raises:
        FileExistsError: Another process has this attempt.
    """

    def __init__(self, path: Path, run: str, attempt: int, header: Mapping[str, Any]) -> None:
        self.path = path
        self.run = run
        self.attempt = attempt
        self._waiting: list[bytes] = []
        self._news = threading.Condition()
        self._writing = threading.Lock()
        self._error: OSError | None = None
        self._is_closed = False
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o644)
        self._size = 0
        self._write([_line({"run": run, "attempt": attempt, **header})])
        sync_folder(path.parent)
        self._thread = threading.Thread(target=self._flush_often, name=f"facts {run}", daemon=True)
        self._thread.start()

    def append(self, fact: Fact) -> None:
        """Hand over a fact; its objects are on disk already. It counts from when its line is flushed.

        Raises:
            StoreError: An earlier line could not be written.
        """
        line = replace(fact, run=self.run, attempt=self.attempt).to_json().encode() + b"\n"
        with self._news:
            self._refuse_broken()
            if self._is_closed:
                raise ValueError("the facts of this attempt are closed")
            self._waiting.append(line)
            self._news.notify()

    def flush(self) -> None:
        """Wait until every line handed over is on disk.

        Raises:
            StoreError: The disk refuses.
        """
        with self._writing:
            with self._news:
                lines, self._waiting = self._waiting, []
            try:
                self._write(lines)
                self._error = None
            except OSError as error:
                with self._news:
                    self._waiting[:0] = lines
                    self._error = error
        self._refuse_broken()

    def close(self) -> None:
        """Write what is left, and that nothing will follow: readers then never look at the file again.

        Raises:
            StoreError: The disk refuses.
        """
        with self._news:
            if self._is_closed:
                return
            self._waiting.append(_line({"end": True, "time": time.time()}))
            self._is_closed = True
            self._news.notify()
        try:
            self.flush()
        finally:
            self._thread.join()
            os.close(self._descriptor)

    def __enter__(self) -> FactWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, lines: list[bytes]) -> None:
        """All lines, or none: what a full disk took half of is cut off again."""
        rest = memoryview(b"".join(lines))
        total = len(rest)
        if not total:
            return
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            os.fsync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise
        self._size += total

    def _flush_often(self) -> None:
        while True:
            with self._news:
                while not self._waiting and not self._is_closed:
                    self._news.wait()
                self._news.wait_for(lambda: self._is_closed, timeout=GROUP_SECONDS)
                if self._is_closed:
                    return
            with contextlib.suppress(StoreError):  # kept in self._error, raised where somebody can act
                self.flush()

    def _refuse_broken(self) -> None:
        if self._error is not None:
            raise StoreError(f"{self.path} cannot be written: {self._error.strerror}") from self._error


def read_lines(path: Path, start: int = 0, limit: int = 1 << 20) -> tuple[list[tuple[int, bytes]], int]:
    """Whole lines of a file that may be growing; a torn last line is not one.

    Args:
        path: File to read.
        start: Byte to begin at: the begin of a line.
        limit: Bytes to read at most, unless one line is longer.

    Returns:
        Position and text of every line, without its end; and where to go on.
    """
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(limit)
        if len(data) == limit and b"\n" not in data:
            data += file.readline()
    end = data.rfind(b"\n") + 1
    lines = []
    position = start
    for text in data[:end].splitlines(keepends=True):
        lines.append((position, text.rstrip(b"\r\n")))
        position += len(text)
    return lines, start + end


def read_facts(path: Path) -> Iterator[Fact]:
    """Every fact of a file, in order; damaged lines and the torn last one are skipped."""
    position = 0
    while True:
        lines, following = read_lines(path, position)
        for _, text in lines:
            with contextlib.suppress(ValueError, StoreError):
                yield Fact.from_json(text)
        if following == position:
            return
        position = following


def _line(tree: Mapping[str, Any]) -> bytes:
    return json.dumps(tree, separators=(",", ":")).encode() + b"\n"
