"""Which files a dataset is made of, and what tells them apart: paths, globs, hashes. Their content is read elsewhere.

Two datasets are the same if their files have the same names below the fixed folder of their glob and the same bytes,
wherever they lie and whenever they were touched.
"""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, Protocol

from rapidml.dataset.hashes import hash_local, hash_remote
from rapidml.dataset.problems import FieldError
from rapidml.errors import DatasetError
from rapidml.recipe.schema import ArrayFiles, Sample
from rapidml.recipe.variables import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.recipe.schema import Dataset

_WILD = re.compile(r"[*?\[]")
_START = "paths are relative to the recipe's file"


class HashMemory(Protocol):
    """Remembers hashes of files that have not changed since."""

    def get(self, path: str, size: int, mtime_ns: int) -> str | None:
        """The hash of this path at this size and time; None if it is not known."""
        ...

    def put(self, path: str, size: int, mtime_ns: int, sha256: str) -> None:
        """Remember a hash."""
        ...


@dataclass(frozen=True)
class SampleFiles:
    """One sample of the dataset section.

    Attributes:
        position: Number of the sample, counted over all classes; the test sample comes last.
        class_name: Class it belongs to; None where a target column says so.
        role: ``test`` for the rows of ``dataset.test``.
        sample: The sample as written.
        path: Where it stands in the recipe.
    """

    position: int
    class_name: str | None
    role: Literal["data", "test"]
    sample: Sample
    path: tuple[str | int, ...]


@dataclass(frozen=True)
class SourceFile:
    """One file of the dataset.

    Attributes:
        sample: Position of its sample.
        class_name: Class of its rows; None where a target column says so.
        role: ``test`` for files of ``dataset.test``.
        url: What to open: an absolute path, or anything with ``://``.
        name: Path below the fixed folder of its glob.
        size: Bytes.
        sha256: Hash of the content; above 1 GiB of its size and of sampled blocks.
        tree: Tree within the file.
        target_url: Second file of a pair of array files.
        first: Number of its first record, where several files are parts of one set.
    """

    sample: int
    class_name: str | None
    role: Literal["data", "test"]
    url: str
    name: str
    size: int
    sha256: str
    tree: str | None = None
    target_url: str | None = None
    first: int = 0


@dataclass(frozen=True)
class Identity:
    """What a dataset is, whatever it is called and wherever it lies.

    Attributes:
        files: Files in reading order: samples as written, files of a sample by name, the test sample last. Of a
            builtin set its parts, which are read apart and change no key.
        builtin: Name and options of a builtin set.
        builtin_hash: Hash of what it is made from.
        arrays: Hash of arrays that were handed over in memory.
    """

    files: tuple[SourceFile, ...]
    builtin: tuple[str, dict[str, Any]] | None = None
    arrays: str | None = None
    builtin_hash: str = ""

    def to_json(self) -> dict[str, Any]:
        """What enters keys: no absolute path, no time, no class name."""
        if self.arrays is not None:
            return {"arrays": self.arrays}
        if self.builtin is not None:
            name, options = self.builtin
            return {"builtin": name, "options": options, "sha256": self.builtin_hash}
        return {"files": [[f.sample, f.role, f.name, f.size, f.sha256] for f in self.files]}

    def row_path(self, index: int) -> str:
        """What a row id has of its file: the name, with the sample's position before it where there are several."""
        file = self.files[index]
        if self.builtin is not None or self.arrays is not None:
            return ""
        if file.role == "test":
            return f"test/{file.name}"
        has_many = any(other.sample > 0 and other.role == "data" for other in self.files)
        return f"{file.sample}/{file.name}" if has_many else file.name


def expand(path: str, where: Sequence[str | int] = ("dataset", "path")) -> str:
    """A path with the environment variables of ``${NAME}`` put in.

    Raises:
        FieldError: A variable is not set.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in os.environ:
            raise FieldError(where, f"a variable that is set; {name} is not", f"export {name}=... before you start")
        return os.environ[name]

    return VARIABLE.sub(value, path)


def list_samples(dataset: Dataset) -> tuple[SampleFiles, ...]:
    """The samples of a dataset in reading order; none for builtin sets and arrays."""
    found: list[SampleFiles] = []
    if dataset.path is not None:
        found.append(SampleFiles(0, None, "data", Sample(path=dataset.path), ("dataset",)))
    for name, samples in (dataset.classes or {}).items():
        for number, sample in enumerate(samples):
            found.append(SampleFiles(len(found), name, "data", sample, ("dataset", "classes", name, number)))
    if dataset.test is not None:
        found.append(SampleFiles(len(found), None, "test", dataset.test, ("dataset", "test")))
    return tuple(found)


def identify(dataset: Dataset, base: Path, memory: HashMemory) -> Identity:
    """Find the files of a dataset and hash what is not remembered.

    Args:
        dataset: The dataset section.
        base: Folder that relative paths start from.
        memory: Known hashes.

    Returns:
        The files with their hashes.

    Raises:
        DatasetError: A file is missing, a glob matches nothing, a variable is not set, a builtin set is unknown.
    """
    if dataset.builtin is not None:
        return _identify_builtin(dataset.builtin.name, dict(dataset.builtin.options))
    if dataset.arrays is not None:
        path, digest = str(dataset.arrays["path"]), str(dataset.arrays["sha256"])
        return Identity((SourceFile(0, None, "data", path, "arrays.npz", 0, digest),), arrays=digest)
    files: list[SourceFile] = []
    for sample in list_samples(dataset):
        tree = sample.sample.tree or dataset.tree
        files += _identify_sample(sample, tree, base, memory)
    return Identity(tuple(files))


def hash_arrays(arrays: Mapping[str, NDArray[np.generic]]) -> str:
    """Identity of arrays in memory: names, types, shapes and bytes; 64 hexadecimal digits.

    Raises:
        DatasetError: An array holds Python objects.
    """
    import hashlib

    import numpy as np

    total = hashlib.sha256()
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise DatasetError(f"array {name} holds Python objects; make it numbers or text (array.astype(str))")
        total.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        total.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data if array.size else b"")
    return total.hexdigest()


def _identify_builtin(name: str, options: dict[str, Any]) -> Identity:
    from rapidml.dataset.readers.builtin_sets import find_set, hash_set, list_parts

    changed = find_set(name, options).list_changed(options)
    digest = hash_set(name)
    files = [
        SourceFile(0, None, "data", part.url, name, part.size, digest, first=part.first)
        for part in list_parts(name, options)
    ]
    return Identity(tuple(files), builtin=(name, changed), builtin_hash=digest)


def _identify_sample(sample: SampleFiles, tree: str | None, base: Path, memory: HashMemory) -> list[SourceFile]:
    written = sample.sample.path
    where = (*sample.path, "path")
    if isinstance(written, ArrayFiles):
        return [_identify_pair(sample, written, base, memory)]
    files = []
    for url, name in find_files(written, base, where):
        size, digest = _hash(url, memory, where)
        files.append(SourceFile(sample.position, sample.class_name, sample.role, url, name, size, digest, tree))
    return files


def _identify_pair(sample: SampleFiles, pair: ArrayFiles, base: Path, memory: HashMemory) -> SourceFile:
    import hashlib

    found = []
    for part in ("features", "target"):
        where = (*sample.path, "path", part)
        files = find_files(getattr(pair, part), base, where)
        if len(files) > 1:
            raise FieldError(where, f"one file, not the {len(files)} that match", "write the name of one file")
        found.append(files[0])
    (url, name), (target_url, target_name) = found
    size, digest = _hash(url, memory, (*sample.path, "path", "features"))
    target_size, target_digest = _hash(target_url, memory, (*sample.path, "path", "target"))
    both = hashlib.sha256(f"{digest} {target_name} {target_digest}".encode()).hexdigest()
    return SourceFile(
        sample.position, sample.class_name, sample.role, url, name, size + target_size, both, None, target_url
    )


def _hash(url: str, memory: HashMemory, where: Sequence[str | int]) -> tuple[int, str]:
    try:
        return hash_remote(url, memory) if "://" in url else hash_local(Path(url), memory)
    except OSError as error:
        raise FieldError(where, f"a file that can be read at {url} ({error})", "check its permissions") from error


def find_files(written: str, base: Path, where: Sequence[str | int] = ("dataset", "path")) -> list[tuple[str, str]]:
    """Files that a path or glob means, sorted by name.

    Args:
        written: Path, glob or URL as in the recipe.
        base: Folder that relative paths start from; one that begins with a variable starts from the working folder, as
            who sets a variable in a shell means it.
        where: Field of the recipe, for messages.

    Returns:
        What to open, and the path below the fixed folder of the glob.

    Raises:
        DatasetError: Nothing is there.
    """
    pattern = expand(written, where)
    if "://" in pattern:
        return _find_remote(pattern, written, where)
    start = Path.cwd() if VARIABLE.match(written) else base
    absolute = os.path.abspath(start / Path(pattern).expanduser())  # noqa: PTH100  (no symlink is resolved)
    if not _WILD.search(pattern) or Path(absolute).is_file():
        return [_find_one(Path(absolute), written, where)]
    fixed = _fixed_folder(absolute)
    found = [Path(path) for path in glob.glob(absolute, recursive=True)]  # noqa: PTH207  (an absolute pattern)
    files = sorted((path.relative_to(fixed).as_posix(), str(path)) for path in found if path.is_file())
    if not files:
        raise FieldError(where, f"files that match {written} (searched {fixed})", _what_is_there(Path(fixed), written))
    return [(path, name) for name, path in files]


def _find_one(path: Path, written: str, where: Sequence[str | int]) -> tuple[str, str]:
    if path.is_file():
        return str(path), path.name
    if path.is_dir():
        raise FieldError(where, f"a file, but {written} is a folder", f"name its files, such as {written}/*.parquet")
    raise FieldError(where, f"a file at {path}", _what_is_there(path.parent, written, path.name))


def _what_is_there(folder: Path, written: str, wanted: str = "") -> str:
    import difflib

    start = "the value of a variable is relative to the working folder" if VARIABLE.match(written) else _START
    if not folder.is_dir():
        return f"the folder {folder} does not exist; {start}"
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    close = difflib.get_close_matches(wanted, names, 3, 0.6) if wanted else names[:3]
    return f"did you mean {' or '.join(close)}" if close else start


def _fixed_folder(pattern: str) -> str:
    parts = PurePosixPath(pattern).parts
    first = next(number for number, part in enumerate(parts) if _WILD.search(part))
    return str(PurePosixPath(*parts[:first]))


def _find_remote(pattern: str, written: str, where: Sequence[str | int]) -> list[tuple[str, str]]:
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(pattern)
        is_glob = bool(_WILD.search(path))
        found = sorted(system.glob(path)) if is_glob else [path]
        files = [one for one in found if system.isfile(one)]
    except ImportError as error:
        raise FieldError(where, f"a kind of URL that can be read, not {written}", str(error)) from error
    except (OSError, ValueError) as error:
        raise FieldError(where, f"{written} to answer", f"{type(error).__name__}: {error}") from error
    if not files:
        raise FieldError(where, f"files at {written}", "check the address; nothing is there")
    fixed = _fixed_folder(path) if is_glob else str(PurePosixPath(path).parent)
    return [(system.unstrip_protocol(one), PurePosixPath(one).relative_to(fixed).as_posix()) for one in files]
