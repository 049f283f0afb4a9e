"""The tables that answer the studies' questions."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from agbench import statistics
from agbench.condition import ORIGINAL_LEVEL
from agbench.report import table
from agbench.report.evidence import Cell, Evidence, Series, paired
from agbench.report.table import Column, Table
from agbench.statistics import Comparison, Interval

K = TypeVar("K")

LEVEL = 0.3
"""The paper's level for all but figures 2 and 3."""


def accuracy_table(evidence: Evidence) -> Table:
    """Figure 2 in numbers: accuracy of each model at each level."""
    rows = []
    for level in evidence.levels:
        cells = [series.cells[level] for series in evidence.series if level in series.cells]
        sizes = (cells[0].bytes, cells[0].byte_ratio) if cells else (None, None)
        rows.append((level, *sizes, *(_accuracy(series, level) for series in evidence.series)))
    columns = (Column("level", table.level), Column("bytes", table.size), Column("of original", table.share))
    models = (Column(series.name, table.accuracy) for series in evidence.series)
    return Table("accuracy", (*columns, *models), tuple(rows))


def spread_table(evidence: Evidence) -> Table:
    """Give the seeds of each accuracy and the spread over them, where there are several anywhere."""
    rows = [
        (
            series.name,
            level,
            cell.seeds,
            tuple(float(row.mean()) for row in cell.right(cell.seeds)),
            "one seed" if cell.spread is None else cell.spread,
        )
        for series in evidence.series
        for level, cell in sorted(series.cells.items(), reverse=True)
        if len(evidence.seeds) > 1
    ]
    columns = (
        Column("model"),
        Column("level", table.level),
        Column("seeds", table.each(str)),
        Column("accuracy of each", table.each(table.number())),
        Column("SD over seeds", table.number()),
    )
    return Table("seeds", columns, tuple(rows))


def difference_table(evidence: Evidence) -> Table:
    """Compare each level with the original of the same model, image by image."""
    compared = [(series, level, one) for series in evidence.series for level, one in series.compared.items()]
    rows = _judged([((series.name, level), one) for series, level, one in compared])
    return Table("differences", (Column("model"), Column("level", table.level), *_JUDGED), rows)


def tolerance_table(evidence: Evidence) -> Table:
    """Give each model's tolerance: how far down nothing that matters is lost."""
    rows = []
    for series in evidence.series:
        found = series.tolerance
        if found is None:
            continue
        stop = None if found.stopped_by is None else series.compared.get(found.stopped_by)
        why = "failed" if stop is None else stop.verdict
        stopped = "nothing below was run" if found.stopped_by is None else f"{found.stopped_by:g}: {why}"
        cell = series.cells[found.level]
        interval = Interval(found.level, found.low, found.high)
        levels = ", ".join(f"{level:g}" for level in series.compared)
        rows.append((series.name, interval, cell.byte_ratio, stopped, levels))
    columns = (
        Column("model"),
        Column("tolerance", lambda one: f"{one.value:g} ({one.low:g} to {one.high:g})"),
        Column("its bytes, of original", table.share),
        Column("stopped by"),
        Column("levels tested"),
    )
    return Table("tolerance", columns, tuple(rows))


def size_table(evidence: Evidence) -> Table:
    """Table II: a small model on original and on compressed images, beside larger ones on original images."""
    sizes = evidence.sizes
    rows = []
    for large in sizes[1:]:
        small = sizes[0]
        compressed = small.cells.get(LEVEL)
        rows.append(
            (
                small.name,
                _accuracy(small, ORIGINAL_LEVEL),
                _accuracy(small, LEVEL),
                _difference(paired(compressed, small.original)),
                large.name,
                _accuracy(large, ORIGINAL_LEVEL),
                _difference(paired(large.original, small.original)),
                _difference(paired(compressed, large.original)),
            )
        )
    columns = (
        Column("small"),
        Column("accuracy of small", table.accuracy),
        Column(f"small at {LEVEL:g}", table.accuracy),
        Column(f"drop at {LEVEL:g}", table.difference),
        Column("large"),
        Column("accuracy of large", table.accuracy),
        Column("drop of large", table.difference),
        Column(f"small at {LEVEL:g} minus large", table.difference),
    )
    return Table("model-size", columns, tuple(rows))


def noise_table(evidence: Evidence) -> Table:
    """Table IV: clean, noisy, and compressed noisy images, and what compressing gains on the noisy ones."""
    rows = []
    for series in evidence.noisy:
        for level in sorted({*series.cells, *series.failed} - {ORIGINAL_LEVEL}, reverse=True):
            cell = series.cells.get(level)
            gain = paired(cell, series.noisy)
            rows.append(
                (
                    series.name,
                    series.noise,
                    level,
                    None if series.clean is None else series.clean.interval,
                    _accuracy(series, ORIGINAL_LEVEL),
                    _accuracy(series, level),
                    _difference(paired(series.noisy, series.clean)),
                    _difference(gain),
                    None if gain is None else gain.p_values,
                )
            )
    columns = (
        Column("model"),
        Column("noise", lambda value: f"{value:g}"),
        Column("level", table.level),
        Column("clean", table.accuracy),
        Column("noisy", table.accuracy),
        Column("JPEG of noisy", table.accuracy),
        Column("noisy minus clean", table.difference),
        Column("gain over noisy", table.difference),
        Column("McNemar p", table.each(table.p_value)),
    )
    return Table("noise", columns, tuple(rows))


def tabular_table(evidence: Evidence) -> Table:
    """Tabular models beside the deep ones: paired differences on the same test images."""
    rows = []
    for deep in evidence.deep:
        for series in evidence.tabular:
            for level in evidence.levels:
                accuracies = (_accuracy(series, level), _accuracy(deep, level))
                if None not in accuracies:
                    one = paired(series.cells.get(level), deep.cells.get(level))
                    seeds = 0 if one is None else one.seeds
                    rows.append((series.name, deep.name, level, *accuracies, _difference(one), seeds))
    columns = (
        Column("tabular"),
        Column("deep"),
        Column("level", table.level),
        Column("accuracy", table.accuracy),
        Column("accuracy of deep", table.accuracy),
        Column("difference", table.difference),
        Column("seeds"),
    )
    return Table("tabular", columns, tuple(rows))


def transfer_table(evidence: Evidence) -> Table:
    """Give what a model trained at one level keeps at another, against its own level."""
    compared, failed = [], []
    for series in evidence.crossed:
        for train, test in sorted({*series.cells, *series.failed}, reverse=True):
            row = (series.name, train, test, _accuracy(series, (train, test)))
            one = paired(series.cells.get((train, test)), series.cells.get((train, train)))
            if train != test:
                if one is None:
                    failed.append((*row, *[""] * len(_JUDGED)))
                else:
                    compared.append((row, one))
    columns = (
        Column("model"),
        Column("trained at", table.level),
        Column("tested at", table.level),
        Column("accuracy", table.accuracy),
    )
    return Table("transfer", (*columns, *_JUDGED), (*_judged(compared), *failed))


_JUDGED = (
    Column("difference", table.difference),
    Column("McNemar p (Holm)", table.each(table.p_value)),
    Column("non-inferiority p (Holm)", table.p_value),
    Column("verdict"),
    Column("seeds"),
)


def _judged(compared: list[tuple[tuple[Any, ...], Comparison]]) -> tuple[tuple[Any, ...], ...]:
    """Add to each row its comparison, corrected for the number of all of them."""
    exact = iter(statistics.holm([p for _, one in compared for p in one.p_values]))
    not_inferior = statistics.holm([one.p_not_inferior for _, one in compared])
    inferior = statistics.holm([one.p_inferior for _, one in compared])
    return tuple(
        (
            *row,
            one.difference,
            tuple(next(exact) for _ in one.p_values),
            not_inferior[place],
            statistics.decide(not_inferior[place], inferior[place]),
            one.seeds,
        )
        for place, (row, one) in enumerate(compared)
    )


class _Measured(Protocol[K]):
    @property
    def cells(self) -> dict[K, Cell]: ...

    @property
    def failed(self) -> dict[K, str]: ...


def _accuracy(measured: _Measured[K], place: K) -> Interval | str | None:
    """Give an accuracy, or what became of the trials that should have found it."""
    cell = measured.cells.get(place)
    return measured.failed.get(place) if cell is None else cell.interval


def _difference(comparison: Comparison | None) -> Interval | None:
    return None if comparison is None else comparison.difference


def corrected(series: Series) -> dict[float, str]:
    """Give the verdict on each of a model's levels, corrected for their number."""
    rows = _judged([((level,), one) for level, one in series.compared.items()])
    return {row[0]: row[4] for row in rows}
