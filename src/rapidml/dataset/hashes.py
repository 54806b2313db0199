"""Hashes of data files: whole up to 1 GiB, sampled above, remembered by path, size and time."""

from __future__ import annotations

import hashlib
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from rapidml.dataset.files import HashMemory

WHOLE_UP_TO = 1 << 30
"""Largest file that is hashed whole, in bytes."""
BLOCK = 1 << 20
N_BLOCKS = 64


def hash_local(path: Path, memory: HashMemory) -> tuple[int, str]:
    """Size and hash of a file, from memory if it has not changed."""
    status = path.stat()
    known = memory.get(str(path), status.st_size, status.st_mtime_ns)
    if known is None:
        with path.open("rb") as stream:
            known = hash_stream(stream, status.st_size)
        memory.put(str(path), status.st_size, status.st_mtime_ns, known)
    return status.st_size, known


def hash_remote(url: str, memory: HashMemory) -> tuple[int, str]:
    """Size and hash of what a URL names; remembered if its server tells when it changed."""
    import fsspec

    system, path = fsspec.core.url_to_fs(url)
    about = system.info(path)
    size = about.get("size")
    stamp = _stamp(about)
    known = memory.get(url, size, stamp) if size is not None and stamp is not None else None
    if known is None:
        with system.open(path, "rb") as stream:
            if size is None:
                stream.seek(0, 2)
                size = stream.tell()
                stream.seek(0)
            known = hash_stream(stream, size)
        if stamp is not None:
            memory.put(url, size, stamp, known)
    return size, known


def hash_stream(stream: IO[bytes], size: int) -> str:
    """Hash of a seekable stream: all of it, or its size and blocks spread from its first to its last byte.

    The last block holds a Parquet footer, which has the statistics and offsets of every column chunk.

    Returns:
        64 hexadecimal digits.
    """
    total = hashlib.sha256()
    if size <= WHOLE_UP_TO:
        while block := stream.read(BLOCK):
            total.update(block)
        return total.hexdigest()
    total.update(f"sampled {size} {BLOCK} {N_BLOCKS}\0".encode())
    for number in range(N_BLOCKS):
        stream.seek((size - BLOCK) * number // (N_BLOCKS - 1))
        total.update(stream.read(BLOCK))
    return total.hexdigest()


def _stamp(about: dict[str, Any]) -> int | None:
    """A number that changes when the remote file does; None if its server says nothing."""
    for name in ("ETag", "etag", "LastModified", "last_modified", "mtime", "updated"):
        if about.get(name) is not None:
            digest = hashlib.sha256(f"{name} {about[name]}".encode()).digest()
            return int.from_bytes(digest[:8], "big") >> 1
    return None
