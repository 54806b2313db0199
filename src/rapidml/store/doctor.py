"""What can be wrong with a store, found and, where that loses nothing, repaired."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rapidml.errors import StoreError
from rapidml.store.collect import MINIMUM_AGE, list_unfinished, remove_unfinished
from rapidml.store.durable import load_json
from rapidml.store.facts import Fact, read_facts, read_lines
from rapidml.store.paths import parse_fact_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rapidml.store.objects import ObjectRef
    from rapidml.store.store import Store


@dataclass(frozen=True)
class Finding:
    """Something wrong with a store.

    Attributes:
        code: ``link``, ``line``, ``object``, ``adoptable``, ``run``, ``unfinished`` or ``index``.
        path: Where, relative to the store.
        text: What it is and what it means.
        is_repaired: It was put right.
    """

    code: str
    path: str
    text: str
    is_repaired: bool = False


def check_store(store: Store, *, repair: bool = False, now: float | None = None) -> list[Finding]:
    """Look at everything in a store; compares all checksums.

    Args:
        store: The store.
        repair: Remove damaged objects, leftovers older than 24 hours, and read the index anew.
        now: Time to reckon ages by, seconds since 1970; the clock's if None.

    Raises:
        StoreError: It shall be repaired but is read-only.
    """
    if repair:
        store.refuse_read_only()
    limit = (time.time() if now is None else now) - MINIMUM_AGE
    found = [
        *_check_links(store.path),
        *_check_lines(store.path),
        *_check_objects(store, repair=repair),
        *_check_runs(store),
        *_check_unfinished(store.path, limit, repair=repair),
        *_check_index(store, repair=repair),
    ]
    return sorted(found, key=lambda finding: (finding.code, finding.path))


def _check_links(root: Path) -> Iterator[Finding]:
    for folder, names, files in os.walk(root):
        for name in (*names, *files):
            path = os.path.join(folder, name)  # noqa: PTH118  many files
            if os.path.islink(path):  # noqa: PTH114
                yield Finding("link", os.path.relpath(path, root), "a symbolic link: the store does not follow it")


def _check_lines(root: Path) -> Iterator[Finding]:
    for path in _list_fact_files(root):
        position, count = 0, 0
        while True:
            lines, following = read_lines(path, position)
            count += sum(not _is_sound(text) for _, text in lines)
            if following == position:
                break
            position = following
        torn = path.stat().st_size - position
        if count or torn:
            what = f"{count} damaged lines" if count else "a torn last line"
            yield Finding("line", _relative(path, root), f"{what}: skipped; what they told is computed again")


def _check_objects(store: Store, *, repair: bool) -> Iterator[Finding]:
    named: dict[tuple[str, str], list[ObjectRef]] = {}
    for path in _list_fact_files(store.path):
        for ref in (ref for fact in read_facts(path) for ref in fact.objects):
            named.setdefault((ref.kind, ref.key), []).append(ref)
    for kind, key, folder in store.objects.list_all():
        place = _relative(folder, store.path)
        finding = _check_object(store, kind, key, place, named.pop((kind, key), []))
        if finding is not None and finding.code == "object" and repair:
            store.objects.remove(kind, key)
            finding = replace(finding, is_repaired=True)
        if finding is not None:
            yield finding
    for kind, key in sorted(named):
        yield Finding("object", f"objects/{kind}/{key[:2]}/{key}", "absent: the run that plans it makes it again")


def _check_object(store: Store, kind: str, key: str, place: str, refs: list[ObjectRef]) -> Finding | None:
    manifest = store.objects.find_manifest(kind, key)
    if manifest is None:
        return Finding("object", place, "its checksums do not hold: it counts as not stored")
    if not refs:
        return Finding("adoptable", place, "no fact names it: the run that plans it adopts it")
    if manifest.ref not in refs:
        return Finding("object", place, "not what its facts say: it counts as not stored")
    return None


def _check_runs(store: Store) -> Iterator[Finding]:
    for run in store.runs.list_ids():
        path = store.path / "runs" / run
        if load_json(path / "run.json") is None:
            yield Finding(
                "run", f"runs/{run}/run.json", f"damaged: `rapidml rm {run}` removes it, its fits stay stored"
            )


def _check_unfinished(root: Path, limit: float, *, repair: bool) -> Iterator[Finding]:
    for path in list_unfinished(root):
        is_old = path.lstat().st_mtime < limit
        if repair and is_old:
            remove_unfinished(path)
        yield Finding("unfinished", _relative(path, root), "left by a killed process", is_repaired=repair and is_old)


def _check_index(store: Store, *, repair: bool) -> Iterator[Finding]:
    """Compare the index with the files."""
    known = {record.id for record in store.index.list_runs()}
    there = {run for run in store.runs.list_ids() if load_json(store.path / "runs" / run / "run.json") is not None}
    same = known == there and all(
        {fact.key for fact in read_facts(path)} == set(store.index.list_keys(path.name))
        for path in _list_fact_files(store.path)
    )
    if not same:
        if repair:
            store.index.rebuild()
        yield Finding("index", "index.sqlite", "does not agree with the files", is_repaired=repair)


def _list_fact_files(root: Path) -> list[Path]:
    return [path for path in sorted((root / "facts").glob("*.jsonl")) if parse_fact_file(path.name)]


def _is_sound(text: bytes) -> bool:
    """Whether a line is a fact, or the first or last line of a file."""
    try:
        if b'"key"' in text:
            Fact.from_json(text)
            return True
        tree = json.loads(text)
    except (ValueError, StoreError):
        return False
    return isinstance(tree, dict) and ("attempt" in tree or "end" in tree)


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
