"""Tables, models and predictions: folders that are written whole, never changed, and found by kind and key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from rapidml.errors import StoreError
from rapidml.store.durable import (
    files_match,
    load_manifest,
    make_folder,
    place_folder,
    remove_folder,
    remove_tree,
    stage_folder,
    sync_all,
    write_folder,
)
from rapidml.store.paths import check_file, check_key, check_kind, is_key, is_kind, join_inside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType


@dataclass(frozen=True)
class ObjectRef:
    """An object as a fact names it.

    Attributes:
        kind: ``table``, ``model``, ``predictions``, ...
        key: Key of the object.
        files: Size in bytes and SHA-256 of every file, by its name within the object.
    """

    kind: str
    key: str
    files: Mapping[str, tuple[int, str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON-like form, as in a line of facts."""
        return {"kind": self.kind, "key": self.key, "files": {name: list(entry) for name, entry in self.files.items()}}

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> ObjectRef:
        """The reference that ``to_json`` wrote.

        Raises:
            StoreError: A name in it could lead out of the store.
        """
        files = {check_file(name): (int(size), str(digest)) for name, (size, digest) in tree["files"].items()}
        return cls(check_kind(tree["kind"]), check_key(tree["key"]), files)

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(size for size, _ in self.files.values())


@dataclass(frozen=True)
class Manifest:
    """What an object says of itself.

    Attributes:
        ref: Kind, key and files.
        payload: What the writer noted, so that a lost line of facts can be written again.
    """

    ref: ObjectRef
    payload: Mapping[str, Any]


class Objects:
    """The objects of a store. Cheap to pickle: workers write their results with it.

    Args:
        root: Folder ``objects`` of the store.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(
        self, kind: str, key: str, write: Callable[[Path], object], payload: Mapping[str, Any] | None = None
    ) -> ObjectRef:
        """Store an object, unless a sound one is there already; a damaged one is replaced.

        Args:
            kind: Kind of object.
            key: Its key.
            write: Fills the empty folder it is given; not called when the object is there.
            payload: Noted in the object's manifest; JSON-like.

        Returns:
            What is in the store now, on disk.

        Raises:
            StoreError: A name is not valid, or what was written is not made of plain files.
        """
        folder = self._folder(kind, key)
        note = {"format": 1, "kind": kind, "key": key, "payload": dict(payload or {})}
        for _ in range(10):
            there = _identify(folder)
            manifest = None if there is None else self.find_manifest(kind, key)
            if manifest is not None:
                return manifest.ref
            if there is not None and there == _identify(folder):  # not one that another process put there meanwhile
                remove_folder(folder)
            make_folder(folder.parent)
            written = write_folder(folder, write, note)
            if written is not None:
                return ObjectRef(kind, key, {name: (size, sha) for name, (size, sha) in written["files"].items()})
        raise StoreError(f"{folder} is damaged again and again while it is written")

    def stage(self) -> Staging:
        """Collect small objects, to put them on disk together; leave the ``with`` block before anybody is told."""
        return Staging(self)

    def find(self, kind: str, key: str) -> Path | None:
        """Folder of an object that is there, by its manifest; contents are not compared."""
        folder = self._folder(kind, key)
        return None if load_manifest(folder) is None else folder

    def find_manifest(self, kind: str, key: str, *, verify: bool = True) -> Manifest | None:
        """What an object says of itself; None if it is absent or damaged.

        Args:
            kind: Kind of object.
            key: Its key.
            verify: Compare checksums; otherwise names and sizes only.
        """
        folder = self._folder(kind, key)
        content = load_manifest(folder)
        if content is None or (content.get("kind"), content.get("key")) != (kind, key):
            return None
        ref = ObjectRef(kind, key, {name: (size, digest) for name, (size, digest) in content["files"].items()})
        if not files_match(folder, ref.files, contents=verify):
            return None
        payload = content.get("payload")
        return Manifest(ref, payload if isinstance(payload, dict) else {})

    def open(self, ref: ObjectRef, *, verify: bool = True) -> Path:
        """Folder of an object whose files are what the fact says.

        Args:
            ref: The object as its fact names it.
            verify: Compare checksums: always for models; names and sizes only for tables.

        Raises:
            StoreError: It is absent or damaged, or a link stands in its path.
        """
        folder = self._folder(ref.kind, ref.key)
        if not files_match(folder, ref.files, contents=verify):
            raise StoreError(f"{folder} is absent or not what was stored; the same `rapidml run` makes it again")
        return folder

    def is_stored(self, ref: ObjectRef, *, verify: bool = False) -> bool:
        """Whether an object is there: by names and sizes, with ``verify`` by checksums."""
        try:
            folder = self._folder(ref.kind, ref.key)
        except StoreError:
            return False
        return files_match(folder, ref.files, contents=verify)

    def verify(self, ref: ObjectRef) -> bool:
        """Whether an object is there with the checksums that its fact names."""
        return self.is_stored(ref, verify=True)

    def remove(self, kind: str, key: str) -> int:
        """Remove an object; its facts then count as not stored.

        Returns:
            Bytes freed.
        """
        return remove_folder(self._folder(kind, key))

    def list_all(self) -> Iterator[tuple[str, str, Path]]:
        """Kind, key and folder of every object, damaged ones too; unfinished ones are left out."""
        for kind in _list_folders(self.root):
            if not is_kind(kind.name):
                continue
            for group in _list_folders(kind):
                for folder in _list_folders(group):
                    if is_key(folder.name):
                        yield kind.name, folder.name, folder

    def _folder(self, kind: str, key: str) -> Path:
        return join_inside(self.root, check_kind(kind), check_key(key)[:2], key)


class Staging(Objects):
    """Objects that appear together when the ``with`` block ends: two waits for the disk in all.

    Until then they are not found. Nothing appears if the block raises.

    Args:
        objects: The objects of the store.
    """

    def __init__(self, objects: Objects) -> None:
        super().__init__(objects.root)
        self._staged: list[tuple[Path, Path]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        staged, self._staged = self._staged, []
        if kind is not None:
            for beside, _ in staged:
                remove_tree(beside)
        elif staged:
            sync_all(self.root)
            for beside, target in staged:
                place_folder(beside, target)
            sync_all(self.root)

    def put(
        self, kind: str, key: str, write: Callable[[Path], object], payload: Mapping[str, Any] | None = None
    ) -> ObjectRef:
        """Stage an object, unless a sound one is stored already; see :meth:`Objects.put`."""
        folder = self._folder(kind, key)
        there = _identify(folder)
        manifest = None if there is None else self.find_manifest(kind, key)
        if manifest is not None:
            return manifest.ref
        if there is not None:
            remove_folder(folder)
        make_folder(folder.parent, lasting=False)
        note = {"format": 1, "kind": kind, "key": key, "payload": dict(payload or {})}
        beside, written = stage_folder(folder, write, note, lasting=False)
        self._staged.append((beside, folder))
        return ObjectRef(kind, key, {name: (size, sha) for name, (size, sha) in written["files"].items()})


def _identify(folder: Path) -> int | None:
    try:
        return folder.lstat().st_ino
    except OSError:
        return None


def _list_folders(path: Path) -> list[Path]:
    try:
        return sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.is_symlink())
    except OSError:
        return []
