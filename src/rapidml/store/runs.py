"""Folders of runs: what was asked (``recipe.yaml``), what became of it (``run.json``), and the user's marks."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rapidml.errors import RunNotFound, StoreError
from rapidml.store.catch_up import MARKED
from rapidml.store.durable import (
    TEMPORARY,
    load_json,
    make_folder,
    make_token,
    remove_folder,
    remove_tree,
    sync_folder,
    write_file,
)
from rapidml.store.paths import check_run_id, is_key, is_run_id, join_inside

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from rapidml.store.index import Index, RunRecord

_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
_LAST = re.compile(r"@last(?:~([0-9]{1,6}))?")
_FIT = re.compile(r"([^#]*)#([0-9]+)(?:\.(final|[0-9]+))?")


@dataclass(frozen=True)
class RunName:
    """What a user wrote for a run or a part of it: ``RUN``, ``RUN/MODEL`` or ``RUN/MODEL#CANDIDATE.FOLD``.

    Attributes:
        run: Id, prefix, name or ``@last``.
        model: Name of the model, if one was given.
        candidate: Number of the candidate, if one was given.
        fold: Number of the fold or ``final``, if one was given.
    """

    run: str
    model: str | None = None
    candidate: int | None = None
    fold: str | None = None


def parse_run_name(text: str) -> RunName:
    """Take apart what a user wrote for a run.

    Raises:
        RunNotFound: It has not the form ``RUN[/MODEL[#CANDIDATE[.FOLD]]]``.
    """
    run, slash, rest = text.strip().partition("/")
    model, candidate, fold = rest, None, None
    match = _FIT.fullmatch(rest)
    if match is not None:
        model, candidate, fold = match[1], int(match[2]), match[3]
    if not run or "#" in run or "#" in model or (slash and not model):
        raise RunNotFound(f"{text!r} does not name a run; write RUN, RUN/MODEL or RUN/MODEL#CANDIDATE.FOLD")
    return RunName(run, model or None, candidate, fold)


class Runs:
    """The runs of a store.

    Args:
        root: Folder ``runs`` of the store.
        index: Index of the store.
    """

    def __init__(self, root: Path, index: Index) -> None:
        self.root = root
        self._index = index

    def create(self, run_json: Mapping[str, Any], recipe_text: str, *, name: str | None = None) -> str:
        """Make the folder of a new run, in state ``running``.

        Args:
            run_json: Content of ``run.json``. Looked at here: ``name``, ``digest``, ``dataset`` (text), ``keys``,
                ``summary``.
            recipe_text: The recipe as written.
            name: Name to list it under; that of ``run_json`` if None.

        Returns:
            Its id, such as ``20261122-0719-k3f9`` (UTC).
        """
        make_folder(self.root)
        beside = self.root / f"{TEMPORARY}{make_token()}"
        beside.mkdir()
        try:
            return self._fill(beside, dict(run_json), recipe_text, name)
        except BaseException:  # Ctrl-C too must leave no half a run
            remove_tree(beside)
            raise

    def folder(self, run: str) -> Path:
        """Folder of a run.

        Raises:
            RunNotFound: There is no run with this id.
            StoreError: The id is not one, or the folder is a link.
        """
        path = join_inside(self.root, check_run_id(run))
        if not path.is_dir():
            raise RunNotFound(f"no run {run} in {self.root.parent}")
        return path

    def load(self, run: str) -> dict[str, Any]:
        """Content of ``run.json``.

        Raises:
            StoreError: It is damaged, or there is no such run.
        """
        path = self.folder(run) / "run.json"
        content = load_json(path)
        if content is None:
            raise StoreError(f"{path} is damaged; `rapidml rm {run}` removes the run, its fits stay stored")
        return content

    def load_recipe(self, run: str) -> str:
        """The recipe of a run, as written."""
        return (self.folder(run) / "recipe.yaml").read_text(encoding="utf-8")

    def update(self, run: str, changes: Mapping[str, Any]) -> None:
        """Replace fields of ``run.json``; for the driver of the run only."""
        content = self.load(run)
        lines = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in {**content, **changes}.items()]
        write_file(self.folder(run) / "run.json", "{\n" + ",\n".join(lines) + "\n}")  # many keys: no indent in fields

    def set_state(self, run: str, state: str, *, seconds: float | None = None) -> None:
        """Note how a run stands: ``running``, ``finished``, ``failed`` or ``interrupted``."""
        self.update(run, {"state": state, **({} if seconds is None else {"seconds": seconds})})

    def set_summary(self, run: str, summary: Mapping[str, Any]) -> None:
        """Note what listings show of a run, JSON-like; small, for the index holds it too."""
        self.update(run, {"summary": dict(summary)})

    def load_summary(self, run: str) -> dict[str, Any]:
        """What :meth:`set_summary` noted; empty before."""
        summary = self.load(run).get("summary")
        return summary if isinstance(summary, dict) else {}

    def list_ids(self) -> list[str]:
        """Ids of all runs, straight from the folders."""
        try:
            return sorted(name for name in os.listdir(self.root) if is_run_id(name))  # noqa: PTH208
        except OSError:
            return []

    def list_keys(self, run: str) -> set[str]:
        """Every key that a run is made of: all keys anywhere in the field ``keys`` of ``run.json``.

        Raises:
            StoreError: ``run.json`` is damaged.
        """
        return set(_find_keys(self.load(run).get("keys")))

    def find_same(self, digest: str) -> str | None:
        """The newest run with this digest of resolved recipe and dataset identity; None if there is none."""
        found = self._index.find_runs("digest", digest) if digest else []
        return found[0].id if found else None

    def parse(self, text: str) -> tuple[str, str | None]:
        """Id of the run and name of the model that ``RUN`` or ``RUN/MODEL`` means.

        Raises:
            RunNotFound: No run answers to it, or it has another form.
        """
        parsed = parse_run_name(text)
        return self.find(parsed.run), parsed.model

    def find(self, name: str) -> str:
        """Id of the run that a user means: an id, a name (its newest run), a unique prefix, ``@last`` or ``@last~n``.

        Raises:
            RunNotFound: No run answers to it, or more than one; the message says which there are.
        """
        match = _LAST.fullmatch(name)
        if match is not None:
            return self._find_last(int(match[1] or 0))
        for column in ("id", "name"):
            found = self._index.find_runs(column, name) if name else []
            if found:
                return found[0].id
        found = self._index.find_runs("prefix", name) if name else []
        if len(found) == 1:
            return found[0].id
        if found:
            raise RunNotFound(f"{len(found)} runs begin with {name!r}: {_enumerate(found)}")
        raise RunNotFound(f"no run {name!r} in {self.root.parent}{self._suggest(name)}")

    def load_marks(self, run: str) -> dict[str, Any]:
        """Name, tags and note of a run."""
        return load_json(self.folder(run) / "marks.json") or {}

    def mark(
        self,
        run: str,
        *,
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
        note: str | None = None,
        name: str | None = None,
    ) -> dict[str, Any]:
        """Change the marks of a run.

        Args:
            run: Id of the run.
            add: Tags to add.
            remove: Tags to take off.
            note: New note; the old one stays if None.
            name: New name to list and find it under; the old one stays if None.

        Returns:
            All marks it has now: ``tags``, ``note``, ``name``.
        """
        with self._marks(run) as marks:
            tags = [*marks.get("tags", []), *add]
            marks["tags"] = [tag for tag in dict.fromkeys(tags) if tag not in remove]
            marks.update({key: text for key, text in (("note", note), ("name", name)) if text is not None})
            return dict(marks)

    def remove(self, run: str) -> None:
        """Remove the folder of a run; facts and objects stay until they are collected."""
        remove_folder(self.folder(run))

    def _fill(self, beside: Path, content: dict[str, Any], recipe_text: str, name: str | None) -> str:
        created = time.time()
        name = content.get("name") if name is None else name
        write_file(beside / "recipe.yaml", recipe_text)
        if name:
            write_file(beside / "marks.json", json.dumps({"name": name}))
        while True:
            stamp = time.strftime("%Y%m%d-%H%M", time.gmtime(created))
            run = f"{stamp}-{''.join(_LETTERS[byte % len(_LETTERS)] for byte in os.urandom(4))}"
            known = {"id": run, "created": created, "state": "running", "seconds": None, "summary": {}}
            write_file(beside / "run.json", json.dumps({**known, **content, "id": run}, indent=1))
            try:
                os.rename(beside, self.root / run)  # noqa: PTH104
            except OSError as error:
                if error.errno in {errno.EEXIST, errno.ENOTEMPTY}:
                    continue
                raise
            sync_folder(self.root)
            return run

    @contextlib.contextmanager
    def _marks(self, run: str) -> Iterator[dict[str, Any]]:
        """Marks to change; one process at a time."""
        import fcntl

        folder = self.folder(run)
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with contextlib.suppress(OSError):  # not on every network file system
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            marks = load_json(folder / "marks.json") or {}
            yield marks
            write_file(folder / "marks.json", json.dumps(marks))
        finally:
            os.close(descriptor)
        (self.root / MARKED).touch()

    def _find_last(self, back: int) -> str:
        found = self._index.list_runs(limit=1, skip=back)
        if found:
            return found[0].id
        count = len(self._index.list_runs())
        raise RunNotFound(f"{self.root.parent} holds {count} runs: there is no @last{f'~{back}' if back else ''}")

    def _suggest(self, name: str) -> str:
        import difflib

        known = self._index.list_runs()
        if not known:
            return ": it holds no run yet"
        close = difflib.get_close_matches(name, {record.name for record in known} - {""}, n=3)
        return f"; did you mean {' or '.join(close)}?" if close else f"; the newest are {_enumerate(known[:3])}"


def _enumerate(records: Sequence[RunRecord]) -> str:
    shown = ", ".join(f"{record.id} ({record.name})" if record.name else record.id for record in records[:5])
    return shown + (", ..." if len(records) > 5 else "")


def _find_keys(tree: Any) -> Iterator[str]:
    if is_key(tree):
        yield tree
    elif isinstance(tree, dict):
        for name, value in tree.items():
            yield from _find_keys(name)
            yield from _find_keys(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _find_keys(value)
