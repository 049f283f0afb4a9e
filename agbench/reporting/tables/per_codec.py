"""The codecs beside each other: what a level of each takes, in bytes and seconds."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Any

from agbench.analysis.cell import Cell
from agbench.analysis.evidence import Evidence
from agbench.core.condition import JPEG, ORIGINAL_LEVEL
from agbench.reporting.tables import table
from agbench.reporting.tables.table import Column, Table
from agbench.store.record import Record

NOT_MEASURED = "not measured"
NO_CODEC = "none"


def table_by_place(
    evidence: Evidence, name: str, columns: Iterable[Column], rows: Iterable[tuple[Any, ...]]
) -> Table:
    """Return a table with a row a codec and level.

    Parameters
    ----------
    evidence : Evidence
        What it is of.
    name : str
        The table's.
    columns : iterable of Column
        From the level on.
    rows : iterable of tuple
        They begin with codec and level, as `Evidence.places` gives them.

    Returns
    -------
    Table
        Without the codecs where there is JPEG alone.
    """
    if evidence.codecs == [JPEG]:
        return Table(name, tuple(columns), tuple(row[1:] for row in rows))
    named = tuple((NO_CODEC if row[1] == ORIGINAL_LEVEL else row[0], *row[1:]) for row in rows)
    return Table(name, (Column("codec"), *columns), named)


def trials_at(evidence: Evidence, codec: str, level: float) -> list[Record]:
    """Return the trials of all models on images without noise that a codec wrote at a level."""
    all_series = evidence.written_by(codec).series
    return [record for series in all_series if level in series.cells for record in series.cells[level].records]


def codec_table(evidence: Evidence) -> Table:
    """Return bytes and seconds of each level of each codec; empty where there is JPEG alone."""
    rows = []
    for codec, level in evidence.places if len(evidence.codecs) > 1 else ():
        records = trials_at(evidence, codec, level)
        if not records:
            continue
        cell = Cell(tuple(records))
        encode = _an_image(records, "writing_seconds_encode", "writing_images")
        decode = _an_image(records, "reading_seconds_decode", "reading_images")
        rows.append(
            (
                codec,
                level,
                cell.bytes,
                cell.byte_ratio,
                "not encoded" if level == ORIGINAL_LEVEL else encode,
                decode,
                len(records),
            )
        )
    columns = (
        Column("level", table.level),
        Column("bytes", table.size),
        Column("of original", table.share),
        Column("seconds to encode an image", table.number(5)),
        Column("seconds to decode an image", table.number(5)),
        Column("trials"),
    )
    return table_by_place(evidence, "codecs", columns, rows)


def _an_image(records: Iterable[Record], seconds: str, images: str) -> float | str:
    """Return the median over trials of the seconds an image took."""
    measured = [(one.metric(seconds), one.metric(images)) for one in records]
    found = [taken / count for taken, count in measured if taken is not None and count]
    return statistics.median(found) if found else NOT_MEASURED
