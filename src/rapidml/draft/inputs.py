"""What the named files are together: a table, a sample of each class, training and test data, or a pair of arrays."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rapidml.dataset.files import SourceFile, find_files
from rapidml.dataset.problems import FieldError
from rapidml.dataset.readers.registry import READERS, find_suffix
from rapidml.draft.names import find_role, list_words, rate_target
from rapidml.recipe.suggest import suggest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FEATURE_WORDS = {"images", "image", "features", "data", "x"}
_TARGET_WORDS = {"labels", "label", "targets", "target", "y"}
MOST_CLASSES = 10


@dataclass(frozen=True)
class InputFile:
    """A file, or a tree of one.

    Attributes:
        written: Its path as the recipe has it.
        source: The same to be opened.
        written_target: Path of the second file of a pair of array files.
    """

    written: str
    source: SourceFile
    written_target: str | None = None

    @property
    def stem(self) -> str:
        """Its name without folder and suffix."""
        return self.source.name[: -len(find_suffix(self.source.name) or "")] or self.source.name


@dataclass(frozen=True)
class Inputs:
    """The files of a recipe, by what they are to each other.

    Attributes:
        classes: Files of each class, the first is the signal; a single entry without a name is one table.
        written: Path or glob of one table.
        test: File of the test rows.
        why: Why they are taken so, one sentence each.
        other_trees: Trees that are not used.
    """

    classes: Mapping[str, tuple[InputFile, ...]]
    written: str = ""
    test: InputFile | None = None
    why: tuple[str, ...] = ()
    other_trees: tuple[str, ...] = field(default=())

    @property
    def has_classes(self) -> bool:
        """Whether the files tell the classes."""
        return "" not in self.classes

    @property
    def files(self) -> tuple[InputFile, ...]:
        """All files but the one of the test rows."""
        return tuple(file for files in self.classes.values() for file in files)


def find_inputs(names: Sequence[str], folder: Path, target: str | None) -> Inputs:
    """What some files are.

    Args:
        names: Files and globs as typed.
        folder: Folder of the recipe, which paths are relative to.
        target: Column that the user names as target; there are no classes of files then.

    Raises:
        FieldError: A file does not exist, its kind is not known, or it is not plain how the files belong together.
    """
    for name in names:
        _check_exists(name)
    found = [pair for name in names for pair in find_files(name, Path.cwd(), ("FILE",))]
    urls = list(dict.fromkeys(url for url, _ in found))
    unknown = [url for url in urls if find_suffix(url) is None]
    if unknown:
        return _pair_up(urls, folder, unknown[0])
    files = [_make_file(url, folder) for url in urls]
    if len(files) > 1:
        return _join_files(files, folder, target)
    return _split_trees(files[0], target) if files[0].source.name.lower().endswith(".root") else _one_table(files[0])


def _check_exists(name: str) -> None:
    path = Path(name).expanduser()
    if "://" in name or any(sign in name for sign in "*?[$") or path.exists():
        return
    there = sorted(each.name for each in path.parent.iterdir()) if path.parent.is_dir() else []
    close = suggest(path.name, there)
    fix = f"write {path.parent / close}" if close else "name another"
    raise FieldError(("FILE",), f"a file; there is no {name}", fix)


def _make_file(url: str, folder: Path) -> InputFile:
    name = url.rpartition("/")[2]
    return InputFile(_relative(url, folder), SourceFile(0, None, "data", url, name, 0, ""))


def _relative(url: str, folder: Path) -> str:
    """A path as the recipe has it: from the recipe's folder, or from the root where that is shorter."""
    if "://" in url:
        return url
    relative = Path(os.path.relpath(url, folder)).as_posix()
    return min(relative, Path(url).as_posix(), key=len)


def _one_table(file: InputFile, *why: str) -> Inputs:
    return Inputs({"": (file,)}, file.written, why=why)


def _split_trees(file: InputFile, target: str | None) -> Inputs:
    """Trees of a file: one of the signal and one of the background, or the only one, or the first."""
    from rapidml.dataset.readers.root_files import list_trees

    trees = list_trees(file.source)
    if not trees:
        raise FieldError(("FILE",), f"a tree in {file.source.name}; it has none", "name files with a tree")
    roles: dict[str, str] = {}
    for tree in trees:
        roles.setdefault(find_role(tree.rpartition("/")[2]) or "", tree)
    if target is None and {"signal", "background"} <= roles.keys():
        chosen = {name: (_with_tree(file, roles[name]),) for name in ("signal", "background")}
        others = tuple(tree for tree in trees if tree not in roles.values())
        why = f"trees {roles['signal']} and {roles['background']} are taken for the classes by their names"
        return Inputs(chosen, why=(why,), other_trees=others)
    inputs = _one_table(_with_tree(file, trees[0]), *([] if len(trees) == 1 else ["the first tree of the file"]))
    return replace(inputs, other_trees=trees[1:])


def _with_tree(file: InputFile, tree: str) -> InputFile:
    return replace(file, source=replace(file.source, tree=tree))


def _join_files(files: list[InputFile], folder: Path, target: str | None) -> Inputs:
    """Several files: classes, train and test, or parts of one table."""
    if all(file.source.name.lower().endswith(".root") for file in files):
        files = [_with_only_tree(file) for file in files]
    roles = [find_role(file.stem) for file in files]
    if target is None and "signal" in roles:
        return _by_roles(files, roles)
    if len(files) == 2 and sorted(map(str, roles)) in (["test", "train"], ["None", "test"]):
        test = files[roles.index("test")]
        inputs = _one_table(next(file for file in files if file is not test))
        return replace(inputs, test=test, why=(f"{test.source.name} is taken for the test rows by its name",))
    groups = _group_by_name(files)
    if target is None and 2 <= len(groups) <= MOST_CLASSES and not _has_target(files[0]):
        why = "the files are taken for one class each, by their names: no column looks like a target"
        return Inputs(groups, why=(why,))
    return Inputs({"": tuple(files)}, _find_glob(files, folder), why=("the files are parts of one table",))


def _with_only_tree(file: InputFile) -> InputFile:
    from rapidml.dataset.readers.root_files import list_trees

    trees = list_trees(file.source)
    if len(trees) == 1:
        return _with_tree(file, trees[0])
    text = f"one tree in each of several files; {file.source.name} has {', '.join(trees) or 'none'}"
    raise FieldError(("FILE",), text, "draft a recipe from this file alone, and add the others by hand")


def _by_roles(files: Sequence[InputFile], roles: Sequence[str | None]) -> Inputs:
    """Signal files by name, the others are background."""
    signal = tuple(file for file, role in zip(files, roles, strict=True) if role == "signal")
    others = tuple(file for file, role in zip(files, roles, strict=True) if role != "signal")
    if not others:
        raise FieldError(("FILE",), "files of a second class too; all are called signal", "name more, or --target")
    return Inputs({"signal": signal, "background": others}, why=("the classes are told by the names of the files",))


def _group_by_name(files: Sequence[InputFile]) -> dict[str, tuple[InputFile, ...]]:
    """Files by their stem without numbers at its end."""
    groups: dict[str, list[InputFile]] = {}
    for file in files:
        groups.setdefault(re.sub(r"[-_.]?\d+$", "", file.stem) or file.stem, []).append(file)
    return {name: tuple(own) for name, own in groups.items()}


def _has_target(file: InputFile) -> bool:
    from rapidml.dataset.readers.registry import open_source

    return any(rate_target(name) >= 60 for name in open_source(file.source, limit=0).names)


def _find_glob(files: Sequence[InputFile], folder: Path) -> str:
    """A glob that matches these files and no others."""
    urls = sorted(file.source.url for file in files)
    prefix = _common_start(urls)
    ending = _common_start([url[len(prefix) :][::-1] for url in urls])[::-1]
    pattern = f"{prefix}*{ending}"
    known = {Path(url) for url in urls}
    if "/" not in pattern[len(prefix) :] and {Path(url) for url, _ in find_files(pattern, folder)} == known:
        return _relative(pattern, folder)
    text = f"files of one table that a glob names without others; {_relative(pattern, folder)} does not"
    raise FieldError(("FILE",), text, "move them into a folder of their own, or name fewer")


def _common_start(texts: Sequence[str]) -> str:
    """The characters that all texts begin with."""
    first, last = min(texts), max(texts)
    length = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[:length]


def _pair_up(urls: Sequence[str], folder: Path, unknown: str) -> Inputs:
    """Pairs of array files by their names: features and target, of training rows and perhaps of test rows."""
    pairs = {}
    for url in urls:
        words = _words(url)
        if not words & _FEATURE_WORDS:
            continue
        partner = [
            other
            for other in urls
            if _words(other) & _TARGET_WORDS and find_role(_name(other)) == find_role(_name(url))
        ]
        if len(partner) == 1:
            source = SourceFile(0, None, "data", url, _name(url), 0, "", target_url=partner[0])
            pairs[find_role(_name(url)) or ""] = InputFile(
                _relative(url, folder), source, _relative(partner[0], folder)
            )
    if len(pairs) * 2 != len(urls) or not set(pairs) <= {"train", "test", ""}:
        name = _name(unknown)
        text = (
            f"a file that ends in {', '.join(READERS)}, or a pair of array files such as images and labels; not {name}"
        )
        raise FieldError(("FILE",), text, "name files of a known kind, or both files of a pair")
    train = pairs.get("train") or pairs.get("") or next(iter(pairs.values()))
    test = pairs.get("test") if pairs.get("test") is not train else None
    return Inputs({"": (train,)}, train.written, test, ("a pair of array files, features and target",))


def _name(url: str) -> str:
    return url.rpartition("/")[2]


def _words(url: str) -> set[str]:
    return set(list_words(_name(url)))
