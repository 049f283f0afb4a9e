"""More than accuracy: each level by all other metrics of predictions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from statistics import fmean
from typing import Any

from agbench.analysis.cell import Cell, paired, with_spreads
from agbench.analysis.evidence import Evidence, Series
from agbench.core.condition import ORIGINAL_LEVEL
from agbench.core.metric import ACCURACY, METRICS, Metric
from agbench.reporting.tables import table
from agbench.reporting.tables.table import Column, Table

NOT_KEPT = "not kept"
"""Shown where no trial kept the probabilities that a metric needs."""


def metrics_table(evidence: Evidence) -> Table:
    """Return a row a model and level: each metric's mean over seeds, and its difference to the original."""
    given = {name for record in evidence.records for name in record.scores}
    metrics = [metric for metric in METRICS.values() if metric is not ACCURACY and metric.name in given]
    columns = [Column("model"), Column("level", table.level)]
    for metric in metrics:
        columns += [
            Column(metric.label, table.number()),
            Column(f"{metric.label}, difference", table.difference),
        ]
    rows = [row for series in evidence.series for row in _rows(series, metrics)]
    return Table("more-than-accuracy", tuple(columns), tuple(rows))


def without_probabilities(evidence: Evidence) -> int:
    """Return the number of trials that kept no probabilities, so that metrics that need them are missing."""
    needed = [metric.name for metric in METRICS.values() if metric.needs_probabilities]
    return sum(not any(name in record.scores for name in needed) for record in evidence.records)


def _rows(series: Series, metrics: list[Metric]) -> Iterator[tuple[Any, ...]]:
    measured = [_measured(series, metric) for metric in metrics]
    for level in sorted(series.own, reverse=True):
        row: list[Any] = [series.name, level]
        for cells in measured:
            one = cells.get(level)
            compared = None if level == ORIGINAL_LEVEL else paired(one, cells.get(ORIGINAL_LEVEL))
            row += [
                NOT_KEPT if one is None else fmean(one.values),
                "" if compared is None else compared.difference,
            ]
        yield tuple(row)


def _measured(series: Series, metric: Metric) -> dict[float, Cell]:
    """Return a model's cells by a metric, of the trials that give it."""
    found = {}
    for level, cell in series.cells.items():
        records = tuple(record for record in cell.records if metric.name in record.scores)
        if records:
            found[level] = replace(cell, records=records, base=None, over_trainings=None, metric=metric)
    return with_spreads(found)
