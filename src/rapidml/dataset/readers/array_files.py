"""Readers of NumPy archives, and of pairs of array files (IDX, as MNIST has them, or NumPy), plain or gzipped.

Arrays of one dimension are columns; an array of more is one array feature. Nothing is ever unpickled.

Reference:
    The IDX format: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import gzip
import math
import struct
from typing import TYPE_CHECKING, Any

from rapidml.dataset.readers.source import RawColumn, list_names, open_binary
from rapidml.errors import DatasetError

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
                raise DatasetError(f"{file.name}: expected an archive of NumPy arrays ({error})") from error
            if not hasattr(archive, "files"):
                raise DatasetError(f"{file.name}: expected an archive of arrays (np.savez), found a single array")
            _check_wanted(file, archive.files, columns)
            names = [name for name in archive.files if columns is None or name in columns]
            arrays = {name: _load_member(file, archive, name) for name in names}
        return ArraySource(file, arrays, limit)


class PairReader:
    """Opens a pair of array files: columns ``features`` and ``target``."""

    def open(self, file: SourceFile, columns: Collection[str] | None, limit: int | None) -> ArraySource:
        """Read both files; see ``Reader.open``."""
        assert file.target_url is not None
        _check_wanted(file, ("features", "target"), columns)
        names = {"features": file.url, "target": file.target_url}
        arrays = {name: _load_array(url) for name, url in names.items() if columns is None or name in columns}
        return ArraySource(file, arrays, limit)


class ArraySource:
    """Arrays with one first dimension."""

    def __init__(self, file: SourceFile, arrays: Mapping[str, NDArray[Any]], limit: int | None) -> None:
        lengths = {name: len(array) if array.ndim else -1 for name, array in arrays.items()}
        if -1 in lengths.values():
            single = next(name for name, length in lengths.items() if length == -1)
            raise DatasetError(f"{file.name}: array {single} is a single value; expected one value a row")
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
            raise DatasetError(f"{file.name}: expected arrays of one length, found {shown} rows")
        total = next(iter(lengths.values()), 0)
        self.n_rows = total if limit is None else min(limit, total)
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


def _check_wanted(file: SourceFile, names: Collection[str], columns: Collection[str] | None) -> None:
    lacking = [name for name in columns or () if name not in names]
    if lacking:
        raise DatasetError(f"{file.name}: has no array {list_names(lacking)}; its arrays are {list_names(names, 40)}")


def _load_member(file: SourceFile, archive: Any, name: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = archive[name]
    except ValueError as error:
        raise DatasetError(
            f"{file.name}: array {name} holds Python objects, which are never unpickled; "
            f"save it as numbers or text (array.astype(str))"
        ) from error
    return array


def _load_array(url: str) -> NDArray[Any]:
    import io

    import numpy as np

    name = url.rpartition("/")[2]
    with open_binary(url) as stream:
        content = stream.read()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError) as error:
            raise DatasetError(f"{name}: cannot be decompressed ({error}); is the file complete?") from error
    if content[:6] != b"\x93NUMPY":
        return _parse_idx(content, name)
    try:
        array: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    except ValueError as error:
        raise DatasetError(f"{name}: {error}; save it as numbers, which need no pickle") from error
    return array


def _parse_idx(content: bytes, name: str) -> NDArray[Any]:
    """Array of an IDX file: two zero bytes, type, number of dimensions, their sizes (big-endian), values."""
    import numpy as np

    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in IDX_TYPES or not content[3]:
        found = content[:4].hex(" ") or "nothing"
        raise DatasetError(
            f"{name}: expected an IDX file (its first bytes 00 00, a type, the number of dimensions) "
            f"or a NumPy array (.npy); found {found}"
        )
    dtype, rank = np.dtype(IDX_TYPES[content[2]]), content[3]
    start = 4 + 4 * rank
    sizes = content[4:start]
    shape = struct.unpack(f">{len(sizes) // 4}I", sizes[: len(sizes) // 4 * 4])
    expected = start + math.prod(shape) * dtype.itemsize
    if len(shape) != rank or len(content) != expected:
        raise DatasetError(f"{name}: expected {expected:,} bytes from its IDX header, found {len(content):,}")
    return np.frombuffer(content, dtype, offset=start).reshape(shape)
