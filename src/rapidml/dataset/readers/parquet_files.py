"""Reader of Parquet files. Columns are read from the file one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.dataset.problems import FileError
from rapidml.dataset.readers.arrow_columns import list_kinds, load_arrow
from rapidml.dataset.readers.source import check_wanted, open_arrow

if TYPE_CHECKING:
    from collections.abc import Collection

    from rapidml.dataset.files import SourceFile
    from rapidml.dataset.readers.source import RawColumn


class ParquetReader:
    """Opens Parquet files."""

    def open(self, file: SourceFile, columns: Collection[str] | None, limit: int | None) -> ParquetSource:
        """Read the footer of a file; see ``Reader.open``."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            parquet = pq.ParquetFile(open_arrow(file.url))
        except (pa.ArrowInvalid, pa.ArrowException, OSError) as error:
            text = f"a Parquet file; {file.name} is damaged or of another kind"
            raise FileError(file.sample, text, "write it again, or give it the suffix of what it is") from error
        source = ParquetSource(file, parquet, limit)
        check_wanted(file, source.names, columns)
        return source


class ParquetSource:
    """An opened Parquet file."""

    def __init__(self, file: SourceFile, parquet: Any, limit: int | None) -> None:
        total: int = parquet.metadata.num_rows
        self.n_rows = total if limit is None else min(limit, total)
        self.kinds, self.left_out = list_kinds(parquet.schema_arrow)
        self.names = [*self.kinds, *self.left_out]
        self._file = file
        self._parquet = parquet

    def load(self, name: str) -> RawColumn:
        """Read a column: of the first row groups only, where that is enough."""
        import pyarrow as pa

        groups: list[int] = []
        found = 0
        for number in range(self._parquet.num_row_groups):
            if found >= self.n_rows:
                break
            groups.append(number)
            found += self._parquet.metadata.row_group(number).num_rows
        try:
            table = self._parquet.read_row_groups(groups, columns=[name], use_pandas_metadata=False)
        except (pa.ArrowException, OSError) as error:
            text = f"column {name} of {self._file.name} to be readable ({error})"
            raise FileError(self._file.sample, text, "write the file again") from error
        return load_arrow(table.column(name).slice(0, self.n_rows))
