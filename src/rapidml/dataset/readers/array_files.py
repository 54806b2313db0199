"""Readers of NumPy archives, and of pairs of array files (IDX, as MNIST has them, or NumPy), plain or gzipped.

Arrays of one dimension are columns; an array of more is one array feature. Nothing is ever unpickled.

Reference:
    The IDX format: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from typing import TYPE_CHECKING, Any

from rapidml.dataset.problems import FileError
from rapidml.dataset.readers.source import RawColumn, check_wanted, open_binary

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from rapidml.dataset.files import SourceFile
    from rapidml.dataset.readers.source import Kind

IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""Third byte of an IDX file -> type of its values."""
_KINDS: dict[str, Kind] = {"b": "boolean", "i": "integer", "u": "integer", "f": "number", "U": "text", "T": "text"}


class NpzReader:
    """Opens ``.npz`` archives."""

    def open(self, file: SourceFile, columns: Collection[str] | None, limit: int | None) -> ArraySource:
        """Open an archive; see ``Reader.open``."""
        from zipfile import BadZipFile

        import numpy as np

        with open_binary(file.url) as stream:
            try:
                archive = np.load(stream, allow_pickle=False)
            except (ValueError, OSError, EOFError, BadZipFile) as error:
                text = f"an archive of NumPy arrays; {file.name} is damaged or of another kind"
                raise FileError(file.sample, text, "write it with numpy.savez") from error
            if not hasattr(archive, "files"):
                text = f"an archive of arrays; {file.name} is a single array"
                raise FileError(file.sample, text, "write it with numpy.savez")
            check_wanted(file, archive.files, columns)
            names = [name for name in archive.files if limit != 0 and (columns is None or name in columns)]
            arrays = {name: _load_member(file, archive, name) for name in names}
        return ArraySource(file, arrays, limit, archive.files)


class PairReader:
    """Opens a pair of array files: columns ``features`` and ``target``."""

    def open(self, file: SourceFile, columns: Collection[str] | None, limit: int | None) -> ArraySource:
        """Read both files; see ``Reader.open``."""
        assert file.target_url is not None
        check_wanted(file, ("features", "target"), columns)
        names = {"features": file.url, "target": file.target_url}
        wanted = [name for name in names if limit != 0 and (columns is None or name in columns)]
        arrays = {name: _load_array(file, names[name]) for name in wanted}
        return ArraySource(file, arrays, limit, names)


class ArraySource:
    """Arrays with one first dimension."""

    def __init__(
        self, file: SourceFile, arrays: Mapping[str, NDArray[Any]], limit: int | None, names: Collection[str]
    ) -> None:
        lengths = {name: len(array) if array.ndim else -1 for name, array in arrays.items()}
        if -1 in lengths.values():
            single = next(name for name, length in lengths.items() if length == -1)
            text = f"one value a row; array {single} of {file.name} is a single value"
            raise FileError(file.sample, text, "save it with one value a row")
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
            text = f"arrays of one length in {file.name}; their rows: {shown}"
            raise FileError(file.sample, text, "save arrays with one entry a row each")
        total = next(iter(lengths.values()), 0)
        self.n_rows = total if limit is None else min(limit, total)
        self.names = tuple(names)
        self.kinds: dict[str, Kind] = {}
        self.left_out: dict[str, str] = {}
        self._arrays = dict(arrays)
        for name, array in arrays.items():
            self._add(name, array)

    def _add(self, name: str, array: NDArray[Any]) -> None:
        kind = _KINDS.get(array.dtype.kind)
        if kind is None or (array.ndim > 1 and kind == "text"):
            if array.dtype.kind in "mM":
                self.kinds[name] = "date"
            else:
                self.left_out[name] = f"holds {array.dtype}, which is not a number or text"
        else:
            self.kinds[name] = kind if array.ndim == 1 else "array"

    def load(self, name: str) -> RawColumn:
        """The values of an array."""
        import numpy as np

        array = self._arrays.pop(name)[: self.n_rows]
        if self.kinds[name] != "text":
            return RawColumn(np.ascontiguousarray(array, _native(array.dtype)))
        categories, codes = np.unique(array, return_inverse=True)
        shift = int(len(categories) > 0 and not categories[0])  # empty text is null, and sorts first
        return RawColumn(codes.astype(np.int32) - np.int32(shift), tuple(map(str, categories[shift:].tolist())))


def _native(dtype: Any) -> Any:
    import numpy as np

    if dtype.kind == "f" and dtype.itemsize == 2:
        return np.dtype(np.float32)
    if dtype.kind == "f" and dtype.itemsize > 8:
        return np.dtype(np.float64)
    return dtype.newbyteorder("=")


def _load_member(file: SourceFile, archive: Any, name: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = archive[name]
    except ValueError as error:
        raise _object_error(file, f"array {name} of {file.name}") from error
    return array


def _object_error(file: SourceFile, what: str) -> FileError:
    text = f"numbers or text; {what} holds Python objects, which are never unpickled"
    return FileError(file.sample, text, "save it as numbers, or as text with array.astype(str)")


def _load_array(file: SourceFile, url: str) -> NDArray[Any]:
    import io

    import numpy as np

    name = url.rpartition("/")[2]
    with open_binary(url) as stream:
        content = stream.read()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            text = f"{name} to be complete; it cannot be decompressed ({error})"
            raise FileError(file.sample, text, "fetch or write it again") from error
    if content[:6] != b"\x93NUMPY":
        return _parse_idx(file, content, name)
    try:
        array: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise _object_error(file, name) from error
        raise FileError(file.sample, f"{name} to be complete ({error})", "fetch or write it again") from error
    return array


def _parse_idx(file: SourceFile, content: bytes, name: str) -> NDArray[Any]:
    """Array of an IDX file: two zero bytes, type, number of dimensions, their sizes (big-endian), values."""
    import numpy as np

    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in IDX_TYPES or not content[3]:
        found = f"begins with {content[:4].hex(' ')}" if content else "is empty"
        text = f"an IDX file (it begins with 00 00) or a NumPy array (.npy); {name} {found}"
        raise FileError(file.sample, text, "name a file of these kinds, plain or gzipped")
    dtype, rank = np.dtype(IDX_TYPES[content[2]]), content[3]
    start = 4 + 4 * rank
    sizes = content[4:start]
    shape = struct.unpack(f">{len(sizes) // 4}I", sizes[: len(sizes) // 4 * 4])
    expected = start + math.prod(shape) * dtype.itemsize
    if len(shape) != rank or len(content) != expected:
        text = f"{expected:,} bytes in {name} by its IDX header; it has {len(content):,}"
        raise FileError(file.sample, text, "fetch or write it again")
    return np.frombuffer(content, dtype, offset=start).reshape(shape)
