"""Files and folders that are on disk, whole, or not there at all, whenever the process or the machine stops."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidml.errors import StoreError
from rapidml.store.paths import MANIFEST, check_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

TEMPORARY = ".tmp-"
"""How the names of unfinished files and folders begin."""

TRASH = ".trash-"
"""How the names of folders that are being removed begin."""

_TAKEN = {errno.EEXIST, errno.ENOTEMPTY}


def make_token() -> str:
    """A name that no other process uses: host, process and 8 random digits, such as ``login3-4711-9f2c01ab``."""
    host = re.sub(r"[^A-Za-z0-9]+", "_", os.uname().nodename)[:40] or "host"
    return f"{host}-{os.getpid()}-{os.urandom(4).hex()}"


def sync_folder(path: Path) -> None:
    """Put the names in a folder on disk. File systems that cannot do it for folders are left in peace."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path, *, lasting: bool = True) -> None:
    """Make a folder and those above it, and put their names on disk (unless ``sync_all`` will)."""
    if path.is_dir():
        return
    make_folder(path.parent, lasting=lasting)
    with contextlib.suppress(FileExistsError):
        path.mkdir()
    if lasting:
        sync_folder(path.parent)


def write_file(path: Path, text: str, *, lasting: bool = True) -> None:
    """Write a file beside its place and rename it there: readers see the old text or the new, never a part.

    Args:
        path: File to create or replace.
        text: Its whole content.
        lasting: Wait until it is on disk. Heartbeats do not need it.
    """
    beside = path.with_name(f"{TEMPORARY}{make_token()}")
    try:
        with beside.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:  # Ctrl-C too must leave nothing half written
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
    if lasting:
        sync_folder(path.parent)


def write_folder(target: Path, write: Callable[[Path], object], note: Mapping[str, Any]) -> dict[str, Any] | None:
    """Write a folder with its manifest beside its place and rename it there, whole.

    Args:
        target: Folder to create; the one above it exists.
        write: Fills the empty folder it is given.
        note: What the manifest says beside the list of files; JSON-like.

    Returns:
        The manifest; None if the target was there before, and then nothing is changed.

    Raises:
        StoreError: What was written is not made of plain files and folders.
    """
    beside, manifest = stage_folder(target, write, note, lasting=True)
    if not place_folder(beside, target):
        return None
    sync_folder(target.parent)
    return manifest


def stage_folder(
    target: Path, write: Callable[[Path], object], note: Mapping[str, Any], *, lasting: bool
) -> tuple[Path, dict[str, Any]]:
    """Write a folder with its manifest beside its place.

    Args:
        target: Folder that it is to become; the one above it exists.
        write: Fills the empty folder it is given.
        note: What the manifest says beside the list of files; JSON-like.
        lasting: Wait until everything is on disk; otherwise call ``sync_all`` before it is placed.

    Returns:
        The folder, and its manifest.

    Raises:
        StoreError: What was written is not made of plain files and folders.
    """
    beside = target.with_name(f"{TEMPORARY}{make_token()}")
    beside.mkdir()
    try:
        write(beside)
        manifest = {**note, "files": {name: _seal(path, lasting=lasting) for name, path in list_files(beside)}}
        for _, path in _walk(beside, "") if lasting else ():
            if os.path.isdir(path):  # noqa: PTH112
                sync_folder(Path(path))
        write_file(beside / MANIFEST, json.dumps(manifest), lasting=lasting)
    except BaseException:  # Ctrl-C too must leave nothing half written
        remove_tree(beside)
        raise
    return beside, manifest


def place_folder(beside: Path, target: Path) -> bool:
    """Rename a staged folder to its place; False, and the folder is gone, if another one is there."""
    try:
        os.rename(beside, target)  # noqa: PTH104  Path.rename says nothing of what happens to a folder in the way
    except OSError as error:
        remove_tree(beside)
        if error.errno in _TAKEN and target.is_dir():
            return False
        raise
    return True


def sync_all(folder: Path) -> None:
    """Put everything written to the file system of a folder on disk: one call for many small files."""
    if sys.platform == "linux":
        import ctypes

        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) == 0:
                return
        finally:
            os.close(descriptor)
    os.sync()


def load_manifest(folder: Path) -> dict[str, Any] | None:
    """What :func:`write_folder` noted; None if there is no folder or no sound manifest."""
    manifest = load_json(folder / MANIFEST)
    files = manifest.get("files") if manifest else None
    if not isinstance(files, dict):
        return None
    try:
        for name, (size, digest) in files.items():
            check_file(name)
            if not isinstance(size, int) or not isinstance(digest, str):
                return None
    except (StoreError, TypeError, ValueError):
        return None
    return manifest


def load_json(path: Path) -> dict[str, Any] | None:
    """A JSON mapping from a file; None if the file is absent, not plain or holds anything else."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return None
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def list_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Relative name, in ``/`` form, and path of every file below a folder, by name, without the manifest.

    Raises:
        StoreError: Something is neither a plain file nor a folder, or has a name that no object may have.
    """
    for name, path in _walk(folder, ""):
        mode = os.lstat(path).st_mode
        if stat.S_ISDIR(mode):
            continue
        if not stat.S_ISREG(mode):
            raise StoreError(f"{path} is neither a file nor a folder: the store does not hold links")
        if name != MANIFEST:
            yield check_file(name), Path(path)


def _walk(folder: Path | str, above: str) -> Iterator[tuple[str, str]]:
    """Relative name and path of everything below a folder, by name."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        yield above + entry.name, entry.path
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, f"{above}{entry.name}/")


def files_match(folder: Path, files: Mapping[str, tuple[int, str]], *, contents: bool) -> bool:
    """Whether a folder holds exactly these files.

    Args:
        folder: Folder of an object or a checkpoint.
        files: Size in bytes and SHA-256 of every file.
        contents: Compare all checksums. Otherwise names and sizes, and checksums of files that were written to after
            the manifest: nobody does that, so something is wrong, or the object was copied without its times.
    """
    try:
        found = dict(list_files(folder))
        if found.keys() != files.keys():
            return False
        sealed = (folder / MANIFEST).stat().st_mtime_ns
        for name, path in found.items():
            status = path.stat()
            if status.st_size != files[name][0]:
                return False
            if (contents or status.st_mtime_ns > sealed) and hash_file(path) != files[name][1]:
                return False
    except (OSError, StoreError):
        return False
    return True


def hash_file(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_folder(folder: Path) -> int:
    """Remove a folder at one stroke: it is renamed first, so nobody sees half of it.

    Returns:
        Bytes that its files had; 0 if it was not there.
    """
    trash = folder.with_name(f"{TRASH}{make_token()}")
    try:
        folder.rename(trash)
    except FileNotFoundError:
        return 0
    size = measure_folder(trash)
    remove_tree(trash)
    return size


def remove_tree(folder: Path) -> None:
    """Remove a folder that nobody else looks at; what cannot be removed stays."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def measure_folder(folder: Path) -> int:
    """Bytes in the files below a folder; links count as nothing."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            status = path.lstat()
            total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total


def _seal(path: Path, *, lasting: bool) -> tuple[int, str]:
    """Forbid further writing to a file, put it on disk, and return its size and checksum."""
    digest = hash_file(path)
    with path.open("rb") as file:
        os.fchmod(file.fileno(), stat.S_IMODE(os.fstat(file.fileno()).st_mode) & ~0o222)
        if lasting:
            os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_size, digest
