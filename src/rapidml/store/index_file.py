"""The SQLite file behind the index: where it lies, how it is made, and what happens when it is damaged or gone."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

T = TypeVar("T")
NAME = "index.sqlite"
VERSION = 1
BUSY_SECONDS = 10.0
_NETWORK = ("nfs", "cifs", "smb", "afs", "lustre", "gpfs", "beegfs", "ceph", "fuse", "gluster", "9p", "panfs", "pvfs")
_SCHEMA = f"""
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, run TEXT NOT NULL, position INTEGER NOT NULL,
    ended INTEGER NOT NULL);
CREATE INDEX files_open ON files(id) WHERE ended = 0;
CREATE INDEX files_run ON files(run);
CREATE TABLE facts(key TEXT NOT NULL, family TEXT, finished INTEGER NOT NULL, time REAL NOT NULL, file INTEGER NOT NULL,
    position INTEGER NOT NULL, length INTEGER NOT NULL);
CREATE INDEX facts_key ON facts(key);
CREATE INDEX facts_file ON facts(file);
CREATE INDEX facts_family ON facts(family) WHERE family IS NOT NULL;
CREATE TABLE runs(id TEXT PRIMARY KEY, name TEXT NOT NULL, state TEXT NOT NULL, created REAL NOT NULL,
    seconds REAL, digest TEXT NOT NULL, dataset TEXT NOT NULL, tags TEXT NOT NULL, note TEXT NOT NULL,
    summary TEXT NOT NULL, stamp TEXT NOT NULL, marks TEXT NOT NULL, open INTEGER NOT NULL);
CREATE INDEX runs_created ON runs(created, id);
CREATE INDEX runs_name ON runs(name);
CREATE INDEX runs_digest ON runs(digest);
CREATE INDEX runs_dataset ON runs(dataset);
CREATE INDEX runs_open ON runs(id) WHERE open = 1;
CREATE TABLE hashes(path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 TEXT NOT NULL);
PRAGMA user_version = {VERSION};
"""


class IndexFile:
    """A SQLite database that may be deleted or damaged at any moment: it is then made anew, in memory at worst.

    Args:
        root: The store.
        writable: Whether the store may be written to.
    """

    def __init__(self, root: Path, *, writable: bool) -> None:
        self._root = root
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._connection: sqlite3.Connection | None = None
        self.path = find_place(root, writable=writable)

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something with the database; done again from an empty one if it turns out to be damaged.

        Args:
            work: May be called more than once; leaves no transaction open.
        """
        import sqlite3

        with self._lock:
            for may_remove in (True, False):
                try:
                    return work(self._open())
                except sqlite3.DatabaseError as error:
                    self._recover(remove=may_remove and not _is_busy(error))
            return work(self._open())

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None and self._process == os.getpid():
                connection.close()

    def __del__(self) -> None:
        connection = self.__dict__.get("_connection")
        if connection is not None and self._process == os.getpid():
            connection.close()

    def _open(self) -> sqlite3.Connection:
        if self._process != os.getpid():  # a connection must not cross a fork
            self._connection, self._process = None, os.getpid()
        if self._connection is None:
            try:
                self._connection = self._connect(self.path)
            except OSError:  # its folder went away, say
                self.path = None
                self._connection = self._connect(None)
        return self._connection

    def _connect(self, path: Path | None) -> sqlite3.Connection:
        if path is None:
            connection = _connect(":memory:")
            connection.executescript(_SCHEMA)
            return connection
        if not path.exists():
            self._make(path)
        connection = _connect(str(path))
        try:
            if self._belongs_here(connection):
                return connection
        except BaseException:  # Ctrl-C too: the connection has no owner yet
            connection.close()
            raise
        connection.close()
        self._make(path, instead=True)
        return _connect(str(path))

    def _belongs_here(self, connection: sqlite3.Connection) -> bool:
        """Whether it is of this version and of this store, not of one that was copied with its index."""
        if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            return False
        row = connection.execute("SELECT value FROM meta WHERE name = 'store'").fetchone()
        return row is not None and row[0] == identify_store(self._root)

    def _make(self, path: Path, *, instead: bool = False) -> None:
        """Make an empty database, unless another process has just done so.

        A journal left behind by a deleted database would be replayed into the new one; it is removed first.
        """
        with _locked(path):
            if path.exists():
                if not instead:
                    return
                connection = _connect(str(path))
                try:
                    if self._belongs_here(connection):
                        return
                except Exception:  # noqa: BLE001  whatever is wrong with it, it is replaced
                    instead = True
                finally:
                    connection.close()
            remove_index(path)
            beside = path.with_name(f".tmp-{path.name}-{os.getpid()}-{os.urandom(4).hex()}")
            connection = _connect(str(beside))
            connection.executescript("PRAGMA journal_mode = WAL;" + _SCHEMA)
            connection.execute("INSERT INTO meta VALUES ('store', ?)", (identify_store(self._root),))
            connection.close()
            beside.replace(path)

    def _recover(self, *, remove: bool) -> None:
        """After an error: forget the connection, and remove the file, or do without one from now on."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()
        if self.path is not None:
            try:
                if not remove:
                    raise OSError
                with _locked(self.path):
                    remove_index(self.path)
            except OSError:
                self.path = None


def find_place(root: Path, *, writable: bool) -> Path | None:
    """Where the index of a store may lie: in the store, the user's cache, a private temporary folder, or nowhere.

    SQLite's shared memory works only on file systems of one machine.
    """
    inside = root / NAME
    if writable and os.access(root, os.W_OK) and _is_usable(inside) and not is_network(root):
        return inside
    import hashlib

    name = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:32] + ".sqlite"
    for folder in (_cache_folder(), Path(os.environ.get("TMPDIR") or "/tmp") / f"rapidml-{os.getuid()}"):  # noqa: S108
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            status = folder.lstat()
        except OSError:
            continue
        is_mine = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and os.access(folder, os.W_OK)
        if is_mine and _is_usable(folder / name) and not is_network(folder):
            return folder / name
    return None


def remove_index(path: Path) -> None:
    """Remove an index with its journals."""
    for name in (f"{path.name}-wal", f"{path.name}-shm", path.name):
        path.with_name(name).unlink(missing_ok=True)


def identify_store(root: Path) -> str:
    """Path and folder number of a store: a copy has others, so that a copied index is not believed."""
    try:
        return f"{root.resolve()}:{(root / 'facts').stat().st_ino}"
    except OSError:
        return f"{root.resolve()}:"


def is_network(path: Path) -> bool:
    """Whether a path lies on a file system that other machines share, as far as the system tells."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    place = f"{path.resolve()}/"
    best = ("", "")
    for line in mounts:
        _, point, kind, *_ = [*line.split(" "), "", "", ""]
        point = point.replace("\\040", " ").rstrip("/") + "/"
        if place.startswith(point) and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1].startswith(_NETWORK)


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    if base and Path(base).is_absolute():
        return Path(base) / "rapidml" / "index"
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  Path.home raises where there is none
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "rapidml" / "index"


def _is_usable(path: Path) -> bool:
    names = (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm"))
    return all(os.access(name, os.R_OK | os.W_OK) for name in names if name.exists()) and not path.is_symlink()


def _connect(path: str) -> sqlite3.Connection:
    import sqlite3

    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
    except BaseException:  # Ctrl-C too: the connection has no owner yet
        connection.close()
        raise
    return connection


def _is_busy(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    import fcntl

    descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
