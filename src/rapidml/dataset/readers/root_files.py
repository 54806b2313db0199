"""Reader of ROOT files: trees (TTree) and RNTuples whose columns hold one number, boolean or text a row.

Lists, arrays and objects are left out, with the reason. Opening a file reads names and types only; a column is read
when it is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from rapidml.dataset.problems import FileError, TreeError
from rapidml.dataset.readers.source import RawColumn, check_wanted, list_names
from rapidml.errors import ExtraNotInstalled
from rapidml.recipe.suggest import suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from types import ModuleType

    from numpy.typing import NDArray

    from rapidml.dataset.files import SourceFile
    from rapidml.dataset.readers.source import Kind

_KINDS: Mapping[str, Kind] = {"b": "boolean", "i": "integer", "u": "integer", "f": "number"}
_RNTUPLE_KINDS: Mapping[str, Kind] = {
    "bool": "boolean",
    "float": "number",
    "double": "number",
    "std::string": "text",
    **dict.fromkeys((f"std::{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)), "integer"),
}


class RootReader:
    """Opens ROOT files."""

    def open(self, file: SourceFile, columns: Collection[str] | None, limit: int | None) -> RootSource:
        """Find the tree and its columns; see ``Reader.open``.

        Raises:
            ExtraNotInstalled: uproot is not installed.
            TreeError: The file has several trees and none is named, or not the one that is.
        """
        uproot = _import_uproot(file)
        try:
            folder = uproot.open({file.url: None}, array_cache=None)
            trees = _list_trees(folder)
            source = RootSource(file, folder[_choose(file, trees)], limit)
        except (FileError, ExtraNotInstalled):
            raise
        except Exception as error:  # uproot raises whatever a damaged file leads it to
            text = f"a ROOT file; {file.name} is damaged or of another kind"
            raise FileError(file.sample, text, "write it again, or give it the suffix of what it is") from error
        check_wanted(file, source.names, columns)
        return source


class RootSource:
    """An opened tree."""

    def __init__(self, file: SourceFile, tree: Any, limit: int | None) -> None:
        total = int(tree.num_entries)
        self.n_rows = total if limit is None else min(limit, total)
        self.kinds: dict[str, Kind] = {}
        self.left_out: dict[str, str] = {}
        self._file = file
        self._tree = tree
        self._branches: dict[str, Any] = {}
        if hasattr(tree, "branches"):
            self._add_branches()
        else:
            self._add_fields()
        self.names = [*self.kinds, *self.left_out]

    def load(self, name: str) -> RawColumn:
        """Read a column, as far as it is asked for."""
        import numpy as np

        try:
            values = self._read(name)
        except Exception as error:
            text = f"column {name} of {self._file.name} to be readable ({str(error).strip().splitlines()[0]})"
            raise FileError(self._file.sample, text, "fetch or write the file again") from error
        if self.kinds[name] == "text":
            return _encode(values)
        return RawColumn(np.ascontiguousarray(values, values.dtype.newbyteorder("=")))

    def _read(self, name: str) -> NDArray[Any]:
        wanted: dict[str, Any] = {"entry_stop": self.n_rows, "library": "np"}
        if name in self._branches:
            values: NDArray[Any] = self._branches[name].array(**wanted)
        elif name in self._tree.keys(recursive=False):  # by itself uproot takes a dot in the name for a member
            values = self._tree.arrays(filter_name=lambda field: field == name, **wanted)[name]
        else:
            values = self._tree[name].array(**wanted)
        return values

    def _add_branches(self) -> None:
        branches = [
            (path, branch)
            for path, branch in self._tree.iteritems(recursive=True, full_paths=True)
            if not len(branch.branches)
        ]
        short = [branch.name for _, branch in branches]
        for path, branch in branches:
            name = branch.name if short.count(branch.name) == 1 else path
            self._branches[name] = branch
            kind = _branch_kind(branch)
            if kind is None:
                self.left_out[name] = f"holds {branch.typename}, not one number or text a row"
            else:
                self.kinds[name] = kind

    def _add_fields(self) -> None:
        for name in self._tree.keys():  # noqa: SIM118  (an RNTuple iterates over something else)
            typename = self._tree[name].typename
            kind = _RNTUPLE_KINDS.get(typename)
            if kind is not None:
                self.kinds[name] = kind
            elif typename:  # a record has none; its members come by themselves
                self.left_out[name] = f"holds {typename}, not one number or text a row"


def list_trees(file: SourceFile) -> tuple[str, ...]:
    """Names of the trees of a file, with their folders.

    Raises:
        FileError: The file is damaged or of another kind.
        ExtraNotInstalled: uproot is not installed.
    """
    uproot = _import_uproot(file)
    try:
        return _list_trees(uproot.open({file.url: None}, array_cache=None))
    except Exception as error:
        text = f"a ROOT file; {file.name} is damaged or of another kind"
        raise FileError(file.sample, text, "write it again, or give it the suffix of what it is") from error


def _list_trees(folder: Any) -> tuple[str, ...]:
    """Each tree once: of several states of one that a file may hold, the newest is read."""
    kinds = folder.classnames(recursive=True)
    is_tree = {path for path, kind in kinds.items() if kind in ("TTree", "TNtuple", "TNtupleD", "TChain")}
    is_tree |= {path for path, kind in kinds.items() if kind.endswith("RNTuple")}
    return tuple(dict.fromkeys(path.rpartition(";")[0] for path in kinds if path in is_tree))


def _choose(file: SourceFile, trees: Collection[str]) -> str:
    if not trees:
        raise TreeError(file.sample, f"a tree in {file.name}; it has none", "name files with a tree")
    if file.tree is None:
        if len(trees) > 1:
            text = f"the name of a tree; {file.name} has {len(trees)}: {list_names(trees, 20)}"
            raise TreeError(file.sample, text, f"write for example  tree: {next(iter(trees))}")
        return next(iter(trees))
    if file.tree not in trees:
        close = suggest(file.tree, trees)
        fix = f"write '{close}'" if close else "choose one of these"
        raise TreeError(file.sample, f"a tree of {file.name}: {list_names(trees, 20)}; not {file.tree}", fix)
    return file.tree


def _branch_kind(branch: Any) -> Kind | None:
    """What a branch holds; None if it is no number, boolean or text of its own."""
    interpretation = branch.interpretation
    if type(interpretation).__name__ == "AsStrings":
        return "text"
    dtype = getattr(interpretation, "to_dtype", None)
    if dtype is None or dtype.shape or dtype.names or getattr(interpretation, "to_dims", ()):
        return None
    return _KINDS.get(dtype.kind)


def _encode(values: NDArray[Any]) -> RawColumn:
    """Codes of text; what is empty is null."""
    import numpy as np

    texts = [str(text) for text in values.tolist()]
    labels = sorted({text for text in texts if text})
    place = {label: code for code, label in enumerate(labels)}
    return RawColumn(np.fromiter((place.get(text, -1) for text in texts), np.int32, len(texts)), tuple(labels))


def _import_uproot(file: SourceFile) -> ModuleType:
    try:
        import uproot
    except ImportError as error:
        raise ExtraNotInstalled(f"reading {file.name}", "hep") from error
    return cast("ModuleType", uproot)
