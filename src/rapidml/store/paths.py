"""Names that may stand in a store, and paths that cannot leave it. Writes nothing."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from rapidml.errors import StoreError

MANIFEST = "manifest.json"
"""File in every object and checkpoint that lists the others; written last."""

_KEY = re.compile(r"[0-9a-f]{8,64}")
_KIND = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_RUN = re.compile(r"[0-9]{8}-[0-9]{4}-[0-9a-z]{4,8}")
_FACT_FILE = re.compile(rf"({_RUN.pattern})\.([1-9][0-9]{{0,8}})\.jsonl")
_PART = re.compile(r"[^/\\\x00-\x1f\x7f]{1,255}")


def check_key(key: str) -> str:
    """The key itself.

    Raises:
        StoreError: It is not 8 to 64 hexadecimal digits in lower case.
    """
    return _checked(_KEY, key, "a key of a step")


def check_kind(kind: str) -> str:
    """The kind of object itself.

    Raises:
        StoreError: It is not a word of small letters, digits, ``-`` and ``_``.
    """
    return _checked(_KIND, kind, "a kind of object")


def check_run_id(run: str) -> str:
    """The run id itself.

    Raises:
        StoreError: It does not look like ``20261122-0719-k3f9``.
    """
    return _checked(_RUN, run, "a run id")


def is_key(text: object) -> bool:
    """Whether this can be the key of a step."""
    return isinstance(text, str) and _KEY.fullmatch(text) is not None


def is_kind(text: str) -> bool:
    """Whether this can be the name of a kind of object."""
    return _KIND.fullmatch(text) is not None


def is_run_id(text: str) -> bool:
    """Whether this has the form of a run id."""
    return _RUN.fullmatch(text) is not None


def parse_fact_file(name: str) -> tuple[str, int] | None:
    """Run and attempt from the name of a facts file; None for any other file."""
    match = _FACT_FILE.fullmatch(name)
    return None if match is None else (match[1], int(match[2]))


def check_file(name: str) -> str:
    """The name of a file within an object: parts joined by ``/``, none of them special.

    Raises:
        StoreError: The name could lead out of the object, or is the manifest's.
    """
    parts = name.split("/")
    if name == MANIFEST or not all(_PART.fullmatch(part) and part not in {".", ".."} for part in parts):
        raise StoreError(f"{name!r} cannot be the name of a file in an object")
    return name


def join_inside(root: Path, *parts: str) -> Path:
    """Path below a folder of the store, none of whose parts is a symbolic link. It need not exist.

    Raises:
        StoreError: A part is a symbolic link, or not a plain name.
    """
    path = str(root)
    for part in parts:
        if part in {"", ".", ".."} or "/" in part:
            raise StoreError(f"{part!r} cannot be part of a path in the store")
        path = f"{path}/{part}"
        refuse_link(path)
    return Path(path)


def refuse_link(path: str | Path) -> None:
    """Do nothing, unless the path is a symbolic link.

    Raises:
        StoreError: It is one.
    """
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return
    if stat.S_ISLNK(mode):
        raise StoreError(f"{path} is a symbolic link: the store does not follow links; replace it by what it points to")


def _checked(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not isinstance(text, str) or pattern.fullmatch(text) is None:
        raise StoreError(f"{text!r} is not {what}")
    return text
