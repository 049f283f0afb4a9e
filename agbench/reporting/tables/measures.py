"""The tables of what was measured beside accuracy: bytes, seconds, epochs."""

from __future__ import annotations

import math
from collections.abc import Iterable

from agbench.analysis.cell import Cell, common
from agbench.analysis.evidence import Evidence
from agbench.core.condition import ORIGINAL_LEVEL
from agbench.reporting.tables import table
from agbench.reporting.tables.per_codec import table_by_place, trials_at
from agbench.reporting.tables.table import Column, Table

FINAL = 0.95
"""Of the final accuracy, for the epochs that it takes to get there."""


def storage_table(evidence: Evidence) -> Table:
    """Table III's columns, a row a level and deep model; accuracies over the seeds that both levels have."""
    rows = []
    for series in evidence.deep:
        original = series.original
        for level, cell in sorted(series.cells.items(), reverse=True):
            if level == ORIGINAL_LEVEL:
                continue
            accuracies = None if original is None else common(cell, original)
            compressed, base = accuracies or (None, None)
            rows.append(
                (
                    series.name,
                    level,
                    cell.bytes_original,
                    cell.bytes,
                    cell.byte_ratio,
                    base,
                    compressed,
                    compressed / base if base and compressed is not None else None,
                    len(set(cell.seeds) & set(original.seeds)) if original else 0,
                )
            )
    columns = (
        Column("model"),
        Column("level", table.level),
        Column("original size", table.size),
        Column("compressed size", table.size),
        Column("relative size", table.share),
        Column("original accuracy", table.number()),
        Column("compressed accuracy", table.number()),
        Column("relative performance", table.share),
        Column("seeds"),
    )
    return Table("storage", columns, tuple(rows))


def reading_table(evidence: Evidence) -> Table:
    """Return the seconds to read and decode an epoch's files, and the share of bytes that is no image data."""
    rows = []
    for codec, level in evidence.places:
        cell = Cell(tuple(one for one in trials_at(evidence, codec, level) if "reading_images" in one.metrics))
        if not cell.records:
            continue
        read, decode = cell.measured("reading_seconds_read"), cell.measured("reading_seconds_decode")
        metrics = cell.records[0].metrics
        scale = metrics["images_train"] / metrics["reading_images"]
        seconds = [None if value is None else value * scale for value in (read, decode)]
        share = cell.measured("reading_header_share")
        measured = int(metrics["reading_images"])
        share_of_header = "unknown format" if share is None else share
        rows.append((codec, level, measured, *seconds, share_of_header, len(cell.records)))
    columns = (
        Column("level", table.level),
        Column("files read"),
        Column("seconds to read an epoch", table.number(3)),
        Column("seconds to decode it", table.number(3)),
        Column("header, of a file", table.share),
        Column("measured in trials"),
    )
    return table_by_place(evidence, "reading", columns, rows)


def epochs_to(curve: Iterable[float], part: float = FINAL) -> int:
    """Count the epochs after which a curve has first reached a part of its last value.

    Examples
    --------
    >>> epochs_to([0.2, 0.6, 0.79, 0.8])
    3
    """
    values = list(curve)
    return next(epoch for epoch, value in enumerate(values, 1) if value >= part * values[-1])


def epochs_by_seed(cell: Cell) -> dict[int, int]:
    """Return the epochs to 95 % of the final validation accuracy, of each seed that has a whole curve."""
    return {
        record.condition.seed: epochs_to(record.curve)
        for record in cell.records
        if record.curve and not any(map(math.isnan, record.curve))
    }


def convergence_table(evidence: Evidence) -> Table:
    """Figure 3 in numbers: how many epochs a model needs, per level."""
    rows = []
    for series in evidence.deep:
        base = epochs_by_seed(series.original) if series.original else {}
        for level, cell in sorted(series.own.items(), reverse=True):
            epochs = epochs_by_seed(cell)
            if len(series.cells) < 2 or not epochs:
                continue
            last = [record.curve[-1] for record in cell.records if record.condition.seed in epochs]
            slower = [epochs[seed] - base[seed] for seed in epochs if seed in base]
            rows.append(
                (
                    series.name,
                    level,
                    tuple(epochs.values()),
                    sum(slower) / len(slower) if slower and level != ORIGINAL_LEVEL else "",
                    max(len(record.curve) for record in cell.records),
                    sum(last) / len(last),
                )
            )
    columns = (
        Column("model"),
        Column("level", table.level),
        Column("epochs to 95 %, each seed", table.each(str)),
        Column("more than the original's", "{:+.2f}".format),
        Column("of epochs"),
        Column("final validation accuracy", table.number()),
    )
    return Table("convergence", columns, tuple(rows))
