"""Removing: a run on request, and what no run reaches any more."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rapidml.errors import RunIsAlive
from rapidml.store.durable import TEMPORARY, TRASH, measure_folder, remove_tree
from rapidml.store.paths import MANIFEST, parse_fact_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rapidml.store.store import Store

MINIMUM_AGE = 24 * 3600.0
"""Seconds below which nothing is collected: a run may be about to use it."""


@dataclass(frozen=True)
class Leftover:
    """Something that no run reaches.

    Attributes:
        what: ``object``, ``facts``, ``work`` or ``unfinished``.
        path: Where it is, relative to the store.
        size: Bytes.
    """

    what: str
    path: str
    size: int


@dataclass(frozen=True)
class Collected:
    """What a collection removed, or would remove.

    Attributes:
        items: Everything, by kind and path.
        size: Bytes of all.
    """

    items: tuple[Leftover, ...]

    @property
    def size(self) -> int:
        """Bytes of all items."""
        return sum(item.size for item in self.items)


def remove_run(store: Store, run: str) -> None:
    """Remove a run. Its facts and objects stay: other runs may share them, :func:`collect_garbage` sees to the rest.

    Args:
        store: The store.
        run: Id of the run.

    Raises:
        RunIsAlive: A process drives it.
        RunNotFound: There is no such run.
    """
    store.refuse_read_only()
    store.runs.folder(run)
    if store.is_alive(run):
        driver = store.attempts.find_driver(run)
        raise RunIsAlive(run, "another process" if driver is None else driver.describe())
    store.runs.remove(run)


def list_reachable(store: Store, run: str) -> set[str]:
    """Keys that a run is made of, and of the objects that their facts name.

    Args:
        store: The store.
        run: Id of the run.

    Raises:
        StoreError: ``run.json`` is damaged.
    """
    return _with_objects(store, store.runs.list_keys(run))


def collect_garbage(store: Store, *, dry_run: bool = False, now: float | None = None) -> Collected:
    """Remove what no run reaches, unless it is younger than 24 hours.

    The candidates are listed first and the runs read after, so that a run that begins meanwhile keeps what it plans.

    Args:
        store: The store.
        dry_run: Only say what would be removed.
        now: Time to reckon ages by, seconds since 1970; the clock's if None.

    Raises:
        StoreError: The store is read-only, or a ``run.json`` is damaged: then nothing is removed.
    """
    if not dry_run:
        store.refuse_read_only()
    limit = (time.time() if now is None else now) - MINIMUM_AGE
    objects = [entry for entry in store.objects.list_all() if _newest(entry[2]) < limit]
    facts = [path for path in sorted((store.path / "facts").glob("*.jsonl")) if _age_mark(path) < limit]
    work = [entry for entry in store.work.list_attempts() if _newest(entry[1]) < limit]
    unfinished = [path for path in list_unfinished(store.path) if _newest(path) < limit]
    runs = set(store.runs.list_ids())
    planned = {key for run in runs for key in store.runs.list_keys(run)}
    reached = _with_objects(store, planned)
    items = [
        *_collect_facts(store, facts, runs, reached, dry_run=dry_run),
        *_collect_objects(store, objects, reached, dry_run=dry_run),
        *_collect_work(store, work, reached, dry_run=dry_run),
        *_collect_unfinished(store, unfinished, dry_run=dry_run),
    ]
    return Collected(tuple(items))


def list_unfinished(root: Path) -> Iterator[Path]:
    """Files and folders that a killed process left half written or half removed."""
    for pattern in ("*", "facts/*", "runs/*", "runs/*/*", "objects/*/*/*", "work/*", "work/*/*/*"):
        for path in sorted(root.glob(pattern)):
            if path.name.startswith((TEMPORARY, TRASH)):
                yield path


def remove_unfinished(path: Path) -> None:
    """Remove what :func:`list_unfinished` found."""
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _with_objects(store: Store, keys: set[str]) -> set[str]:
    facts = store.index.find_lines(keys)
    return keys | {ref.key for found in facts.values() for fact in found for ref in fact.objects}


def _collect_facts(
    store: Store, files: list[Path], runs: set[str], reached: set[str], *, dry_run: bool
) -> Iterator[Leftover]:
    """Facts files of removed runs none of whose keys is reached; a file is never cut."""
    for path in files:
        parsed = parse_fact_file(path.name)
        if parsed is None or parsed[0] in runs or not reached.isdisjoint(store.index.list_keys(path.name)):
            continue
        yield Leftover("facts", f"facts/{path.name}", path.stat().st_size)
        if not dry_run:
            path.unlink(missing_ok=True)


def _collect_objects(
    store: Store, objects: list[tuple[str, str, Path]], reached: set[str], *, dry_run: bool
) -> Iterator[Leftover]:
    for kind, key, folder in objects:
        if key not in reached:
            yield Leftover("object", str(folder.relative_to(store.path)), measure_folder(folder))
            if not dry_run:
                store.objects.remove(kind, key)


def _collect_work(
    store: Store, work: list[tuple[str, Path, int]], reached: set[str], *, dry_run: bool
) -> Iterator[Leftover]:
    finished = {key for key, fact in store.index.find_facts(entry[0] for entry in work).items() if fact.is_finished}
    for key, folder, size in work:
        if (key in finished or key not in reached) and store.work.find_rival(key) is None:
            yield Leftover("work", str(folder.relative_to(store.path)), size)
            if not dry_run:
                store.work.remove(key)


def _collect_unfinished(store: Store, paths: list[Path], *, dry_run: bool) -> Iterator[Leftover]:
    for path in paths:
        is_folder = path.is_dir() and not path.is_symlink()
        size = measure_folder(path) if is_folder else path.lstat().st_size
        yield Leftover("unfinished", str(path.relative_to(store.path)), size)
        if not dry_run:
            remove_unfinished(path)


def _newest(path: Path) -> float:
    """Time of the last change in a folder: of itself, its manifest, and what lies directly below."""
    times = [_age_mark(path), _age_mark(path / MANIFEST)]
    with contextlib.suppress(OSError):
        times += [_age_mark(entry) for entry in path.iterdir()]
    return max(times)


def _age_mark(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0
