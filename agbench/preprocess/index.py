"""A variant's index: a row an image, written while the images are made, so that none of it stays in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import pyarrow as pa
from pyarrow import parquet

from agbench.preprocess.writing import Written

ROWS = 4096
"""Rows that are written at once."""

SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("bytes", pa.int64()),
        ("file", pa.string()),
        ("file_bytes", pa.int64()),
        ("modified", pa.int64()),
        ("sha256", pa.string()),
    ]
)


def sums(path: Path) -> dict[str, int]:
    """Sum an index up, as the manifest beside it has it.

    Parameters
    ----------
    path : Path
        Of the Parquet file.

    Returns
    -------
    dict of str to int
        The numbers of ``images``, and of ``files`` of the variant's own, and all ``bytes`` that count.

    Raises
    ------
    OSError, ValueError
        If it is not there, damaged, or laid out in another way.
    """
    with parquet.ParquetFile(path) as file:  # type: ignore[no-untyped-call]
        if not file.schema_arrow.equals(SCHEMA):
            raise ValueError(f"{path} has other columns")
        table = file.read(columns=["bytes", "file"])
    counted = table.column("bytes").to_numpy()
    files = table.num_rows - table.column("file").null_count
    return {"images": table.num_rows, "files": files, "bytes": int(counted.sum())}


def read_index(path: Path) -> Iterator[Written]:
    """Read an index row by row, after `sums` has found nothing wrong with it."""
    with parquet.ParquetFile(path) as file:  # type: ignore[no-untyped-call]
        for batch in file.iter_batches(ROWS, columns=SCHEMA.names):
            for row in batch.to_pylist():
                yield Written(**row)


class GrowingIndex:
    """An index on its way to disk, and the seconds that encoding took, which it does not hold.

    Parameters
    ----------
    path : Path
        Of the Parquet file; whole when the block ends.
    """

    def __init__(self, path: Path) -> None:
        self.seconds = 0.0
        self._writer = parquet.ParquetWriter(path, SCHEMA)  # type: ignore[no-untyped-call]
        self._rows: list[Written] = []

    def __enter__(self) -> GrowingIndex:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flush()
        self._writer.close()  # type: ignore[no-untyped-call]

    def add(self, rows: Sequence[Written]) -> None:
        """Add the rows of some images, in the data set's order."""
        self.seconds += sum(row.seconds for row in rows)
        self._rows += rows
        if len(self._rows) >= ROWS:
            self._flush()

    def _flush(self) -> None:
        columns = {name: [getattr(row, name) for row in self._rows] for name in SCHEMA.names}
        self._writer.write_table(pa.table(columns, schema=SCHEMA))  # type: ignore[no-untyped-call]
        self._rows.clear()
