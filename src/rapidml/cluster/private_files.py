"""The user's runtime folder and the files in it, which nobody else may read or write: checked before they are used."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidml.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LARGEST = 1_000_000
_PATIENCE = 0.5
"""Seconds to wait for a lock: whoever only looks shares it for a moment."""


def runtime_folder() -> Path:
    """Where the user's clusters are written down: below ``$XDG_RUNTIME_DIR``, else below the temporary folder.

    A runtime folder of somebody else, as ``su`` and ``sudo`` leave it in the environment, is passed over.
    """
    given = os.environ.get("XDG_RUNTIME_DIR")
    if given and Path(given).is_absolute():
        with contextlib.suppress(OSError):
            found = Path(given).stat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
                return Path(given) / "rapidml"
    return Path(tempfile.gettempdir()) / f"rapidml-run-{os.geteuid()}"


def make_runtime_folder() -> Path:
    """The runtime folder, made if it is not there.

    Raises:
        ClusterError: It cannot be made, or somebody else could read or replace what is in it.
    """
    folder = runtime_folder()
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
    except OSError as error:
        raise ClusterError(f"the folder {folder} cannot be made: {error.strerror}") from error
    check_folder(folder)
    return folder


def check_folder(folder: Path) -> None:
    """Refuse a folder that is a link, belongs to another user, or is open to others.

    Raises:
        ClusterError: It is one of these, or absent.
    """
    try:
        found = os.lstat(folder)
    except OSError as error:
        raise ClusterError(f"{folder} cannot be read: {error.strerror}") from error
    _refuse_others(folder, found, is_right=stat.S_ISDIR(found.st_mode), kind="folder", mode="700")


def _refuse_others(path: Path, found: os.stat_result, *, is_right: bool, kind: str, mode: str) -> None:
    if not is_right:
        raise ClusterError(f"{path} is not a {kind} (links are refused); remove it")
    if found.st_uid != os.geteuid():
        raise ClusterError(f"{path} belongs to user {found.st_uid}, not to you; remove it, or set XDG_RUNTIME_DIR")
    if found.st_mode & 0o077:
        raise ClusterError(f"{path} is open to other users; expected mode {mode}: chmod {mode} {path}")


def load_private(path: Path) -> Any:
    """JSON of a file that only its owner, this user, can read; None if it is not there.

    Raises:
        ClusterError: It is a link, belongs to another user, is open to others, or holds no JSON.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ClusterError(f"{path} cannot be read ({error.strerror}; links are refused); remove it") from error
    try:
        found = os.fstat(descriptor)
        _refuse_others(path, found, is_right=stat.S_ISREG(found.st_mode), kind="file", mode="600")
        return json.loads(os.read(descriptor, _LARGEST))
    except ValueError as error:
        raise ClusterError(f"{path} is damaged; remove it") from error
    finally:
        os.close(descriptor)


def write_private(path: Path, tree: Any) -> None:
    """Write JSON whole to a file that only this user can read."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    with open_private(beside) as file:
        json.dump(tree, file)
    beside.replace(path)


def open_private(path: Path) -> Any:
    """An empty file that only this user can read, opened for writing text; an old one is removed."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "w", encoding="utf-8")


def take_lock(path: Path, *, patience: float = _PATIENCE) -> int | None:
    """Lock a file for as long as the returned descriptor is open somewhere; the system frees it when a process dies.

    Args:
        path: File to lock; made if it is not there, never removed.
        patience: Seconds to try.

    Returns:
        An open descriptor; None if another process has the lock.
    """
    return _lock(path, fcntl.LOCK_EX, patience)


@contextlib.contextmanager
def look_at_lock(path: Path) -> Iterator[bool]:
    """Whether nobody has a lock; if so nobody takes it inside. Others can look at the same time."""
    descriptor = _lock(path, fcntl.LOCK_SH, 0.0)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock(path: Path, kind: int, patience: float) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() >= end:
                os.close(descriptor)
                return None
            time.sleep(0.02)  # flock has no time-out of its own
