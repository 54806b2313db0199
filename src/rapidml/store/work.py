"""Work in progress: who computes a key, and the checkpoints that a new attempt starts from."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rapidml.errors import StoreError
from rapidml.store.durable import (
    files_match,
    load_json,
    load_manifest,
    make_folder,
    make_token,
    measure_folder,
    remove_folder,
    remove_tree,
    write_folder,
)
from rapidml.store.liveness import Beat, Liveness, Pulse, make_beat, read_beat
from rapidml.store.paths import check_key, is_key, join_inside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OWNER = "owner"
HEARTBEAT = "heartbeat"
_CHECKPOINT = "checkpoint-"


@dataclass(frozen=True)
class Rival:
    """The live attempt of another process at a key.

    Attributes:
        key: Key of the step.
        beat: The process; ``beat.note["run"]`` is its run.
    """

    key: str
    beat: Beat | None

    def describe(self) -> str:
        """For messages: ``run 20261122-0719-k3f9, process 4711 on login3``."""
        if self.beat is None:
            return "another process"
        return ", ".join(part for part in (f"run {self.beat.note.get('run', '')}", self.beat.describe()) if part)


class Claim:
    """This process computes a key. Release it.

    Attributes:
        key: Key of the step.
        folder: Folder of this attempt: checkpoints and log; workers may write there.
    """

    def __init__(self, key: str, folder: Path, pulse: Pulse) -> None:
        self.key = key
        self.folder = folder
        self._pulse = pulse

    def find_checkpoint(self) -> Path | None:
        """Folder of the newest valid checkpoint that any attempt at this key left."""
        return find_checkpoint(self.folder.parent)

    def release(self, *, is_finished: bool) -> None:
        """Let the key go.

        Args:
            is_finished: The fact is on disk: the checkpoints of all attempts are removed. Otherwise they stay.
        """
        self._pulse.remove(self.folder / HEARTBEAT)
        top = self.folder.parent
        owner = load_json(top / OWNER)
        mine = owner is not None and owner.get("folder") == self.folder.name
        if is_finished and mine:
            for folder in [path for path in top.iterdir() if path.is_dir() and not path.is_symlink()]:
                remove_tree(folder)
        with contextlib.suppress(OSError):
            (self.folder / HEARTBEAT).unlink()
        with contextlib.suppress(OSError):
            self.folder.rmdir()  # goes only when it holds no checkpoint
        if mine:
            with contextlib.suppress(OSError):
                (top / OWNER).unlink()
        with contextlib.suppress(OSError):
            top.rmdir()


class Work:
    """Folder ``work`` of a store.

    Args:
        root: The folder.
        liveness: Judges other attempts.
    """

    def __init__(self, root: Path, liveness: Liveness | None = None) -> None:
        self.root = root
        self._liveness = liveness or Liveness()

    def claim(self, key: str, pulse: Pulse, *, run: str = "") -> Claim | Rival:
        """Claim a key for this process, or learn who has it. A stale owner is replaced.

        Ask for the fact of the key once more after a claim: another run may have finished it just before.

        Args:
            key: Key of the step.
            pulse: Keeps the claim alive.
            run: Run that works.
        """
        top = join_inside(self.root, check_key(key))
        token = make_token()
        folder = top / token
        for _ in range(100):
            make_folder(self.root)
            try:
                folder.mkdir(parents=True, exist_ok=True)
                taken = self._take(top, folder, key, run)
            except FileNotFoundError:  # the former owner has just removed the folder
                continue
            if taken is not None:
                with contextlib.suppress(OSError):
                    folder.rmdir()
                return taken
            pulse.add(folder / HEARTBEAT, make_beat(run=run, key=key))
            return Claim(key, folder, pulse)
        raise StoreError(f"{top} cannot be claimed: it appears and disappears")

    def find_rival(self, key: str) -> Rival | None:
        """The live attempt at a key; None if nobody is at it."""
        top = join_inside(self.root, check_key(key))
        if not (top / OWNER).exists():
            return None
        name, beat = _read_owner(top)
        return Rival(key, beat) if self._liveness.is_alive(f"{key}/{name}", beat) else None

    @contextlib.contextmanager
    def scratch(self, key: str) -> Iterator[Path]:
        """An empty folder for the parts of a step, seen by all workers; removed in the end."""
        top = join_inside(self.root, check_key(key))
        folder = top / make_token()
        make_folder(self.root)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            remove_tree(folder)
            with contextlib.suppress(OSError):
                top.rmdir()

    def find_checkpoint(self, key: str) -> Path | None:
        """Folder of the furthest valid checkpoint of any attempt at a key; None if there is none."""
        return find_checkpoint(join_inside(self.root, check_key(key)))

    def list_attempts(self) -> Iterator[tuple[str, Path, int]]:
        """Key, folder and bytes of the work on every key."""
        try:
            folders = sorted(self.root.iterdir())
        except OSError:
            return
        for folder in folders:
            if is_key(folder.name) and folder.is_dir() and not folder.is_symlink():
                yield folder.name, folder, measure_folder(folder)

    def remove(self, key: str) -> int:
        """Remove all that was begun for a key; returns the bytes freed."""
        return remove_folder(join_inside(self.root, check_key(key)))

    def _take(self, top: Path, folder: Path, key: str, run: str) -> Rival | None:
        """Become the owner: None, or who is."""
        content = json.dumps({"folder": folder.name, "beat": make_beat(run=run, key=key).to_json()})
        while not _create(top / OWNER, content):
            former = _read_text(top / OWNER)
            rival = self.find_rival(key)
            if rival is not None:
                return rival
            if former is None:
                continue
            moved = folder / "former"
            try:
                (top / OWNER).rename(moved)
            except FileNotFoundError:
                if not folder.exists():
                    raise
                continue
            if _read_text(moved) != former:  # another process was faster: that owner is alive
                with contextlib.suppress(OSError):
                    os.link(moved, top / OWNER)
            moved.unlink()
        return None


def save_checkpoint(folder: Path, progress: int, write: Callable[[Path], object], *, keep: int = 2) -> Path:
    """Write a checkpoint, whole and on disk, into the folder of an attempt; older ones go.

    Args:
        folder: Folder of the attempt.
        progress: Rounds or epochs done; the larger the newer.
        write: Fills the empty folder it is given.
        keep: How many stay.
    """
    target = folder / f"{_CHECKPOINT}{progress:012d}"
    write_folder(target, write, {"format": 1, "progress": progress})
    for old in sorted(folder.glob(f"{_CHECKPOINT}*"))[:-keep]:
        remove_folder(old)
    return target


def find_checkpoint(top: Path) -> Path | None:
    """Folder of the furthest valid checkpoint of any attempt at a key; damaged ones are passed over.

    Args:
        top: Folder of the key below ``work``.
    """
    found = [path for path in top.glob(f"*/{_CHECKPOINT}*") if not path.is_symlink() and not path.parent.is_symlink()]
    for path in sorted(found, key=lambda path: path.name, reverse=True):
        manifest = load_manifest(path)
        if manifest is not None and files_match(path, manifest["files"], contents=True):
            return path
    return None


def _create(path: Path, text: str) -> bool:
    """Create a file that nobody has created; False if somebody has."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return True


def _read_text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None


def _read_owner(top: Path) -> tuple[str, Beat | None]:
    """Folder name and last beat of the owner of a key."""
    owner = load_json(top / OWNER) or {}
    name = str(owner.get("folder", ""))
    written = Beat.from_json(owner.get("beat"))
    if not name or "/" in name or name.startswith("."):
        return "", written
    return name, read_beat(top / name / HEARTBEAT) or written
