"""Reading small datasets in one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pytest

from rapidml.dataset.columns import TableRequest, request_columns
from rapidml.dataset.files import Identity, identify
from rapidml.dataset.header import read_header
from rapidml.dataset.profile import Profile, assign_rows, make_profile
from rapidml.dataset.table import Table, open_table, read_part, write_table
from rapidml.recipe.schema import Dataset, Split

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from rapidml.dataset.split import Parts


class Memory(dict[tuple[str, int, int], str]):
    """A hash memory that counts what it was asked to keep."""

    def get(self, path: str, size: int, mtime_ns: int) -> str | None:  # type: ignore[override]
        return super().get((path, size, mtime_ns))

    def put(self, path: str, size: int, mtime_ns: int, sha256: str) -> None:
        self[path, size, mtime_ns] = sha256


@dataclass(frozen=True)
class Read:
    """A dataset that was read: everything that came out on the way."""

    dataset: Dataset
    split: Split
    identity: Identity
    request: TableRequest
    table: Table
    folder: Path
    summary: dict[str, Any]

    def values(self, name: str) -> NDArray[Any]:
        return np.asarray(self.table.column(self.request.find(name).key).values)

    def texts(self, name: str) -> list[str | None]:
        column = self.table.column(self.request.find(name).key)
        assert column.categories is not None
        return [None if code < 0 else column.categories[code] for code in column.values.tolist()]

    @property
    def parts(self) -> Parts:
        return assign_rows(self.table, self.request, self.split, 0)

    @property
    def profile(self) -> Profile:
        return make_profile(self.table, self.request, self.dataset, self.parts)


class Reads(Protocol):
    def __call__(self, base: Path | None = None, *, split: Split | None = None, **dataset: Any) -> Read: ...


class Writes(Protocol):
    def __call__(self, name: str, *lines: str) -> Path: ...


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def write_csv(tmp_path: Path) -> Writes:
    """Write lines to a file below ``tmp_path``."""

    def write(name: str, *lines: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    return write


@pytest.fixture
def read(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Reads:
    """Read a dataset as a run does."""

    def read(base: Path | None = None, *, split: Split | None = None, **fields: Any) -> Read:
        dataset = Dataset.model_validate(fields)
        chosen = split or Split(test=0.25, folds=2)
        identity = identify(dataset, base or tmp_path, Memory())
        request = request_columns(dataset, read_header(dataset, identity), identity, chosen)
        folder = tmp_path_factory.mktemp("read")
        parts = [read_part(request, identity, n, folder / f"part{n}") for n in range(len(identity.files))]
        summary = write_group(request, parts, folder / "table")
        table = open_table([folder / "table"], request.rows_key)
        return Read(dataset, chosen, identity, request, table, folder, summary)

    return read


def write_group(request: TableRequest, parts: Sequence[Any], folder: Path) -> dict[str, Any]:
    folder.mkdir()
    return write_table(request, parts, folder)
