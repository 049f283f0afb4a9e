"""The tables that answer the studies' questions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Protocol, TypeVar

from agbench.analysis.cell import Cell, paired
from agbench.analysis.corrected import CorrectedComparison, correct, judged_levels
from agbench.analysis.evidence import Evidence, Series
from agbench.analysis.intervals import MARGINS, THIS_TRAINING, Comparison, Interval, Verdict
from agbench.analysis.tolerance import reached
from agbench.core.condition import JPEG, ORIGINAL_LEVEL, PAPER_LEVEL
from agbench.core.metric import ACCURACY, Metric
from agbench.reporting.tables import table
from agbench.reporting.tables.per_codec import table_by_place
from agbench.reporting.tables.table import Column, Remarked, Table

K = TypeVar("K")


def accuracy_table(evidence: Evidence) -> Table:
    """Figure 2 in numbers: accuracy, or another metric, of each model at each level."""
    rows = []
    for codec, level in evidence.places:
        all_series = evidence.written_by(codec).series
        cells = [series.cells[level] for series in all_series if level in series.cells]
        sizes = (cells[0].bytes, cells[0].byte_ratio) if cells else (None, None)
        rows.append((codec, level, *sizes, *(_value(series, level) for series in all_series)))
    columns = (Column("level", table.level), Column("bytes", table.size), Column("of original", table.share))
    models = (Column(series.label, table.accuracy) for series in evidence.jpeg.series)
    return table_by_place(evidence, evidence.metric.name, (*columns, *models), rows)


def levels_table(evidence: Evidence) -> Table:
    """Return what each level saves, what it costs, and what is decided of it: a row a model and level."""
    rows: list[tuple[Any, ...]] = []
    for series in evidence.series:
        judged = judged_levels(series)
        failed = {level: why for level, why in series.failed.items() if series.is_listed(level)}
        for level in sorted({*series.own, *failed}, reverse=True):
            cell, found = series.cells.get(level), judged.get(level)
            if cell is None:
                rows.append((series.name, level, *[""] * 5, failed[level]))
                continue
            one = None if found is None else found.comparison
            rows.append(
                (
                    series.name,
                    level,
                    cell.bytes,
                    "" if level == ORIGINAL_LEVEL else 1 - cell.byte_ratio,
                    _value(series, level),
                    "" if one is None else one.difference,
                    "" if one is None else str(Verdict.WITHHELD) if one.is_withheld else one.excluded_loss,
                    "" if found is None else found,
                )
            )
    columns = (
        Column("model"),
        Column("level", table.level),
        Column("bytes", table.size),
        Column("saved", table.share),
        Column(evidence.metric.label, table.accuracy),
        Column("difference", table.points if evidence.metric.unit == "points" else table.difference),
        Column("largest loss not excluded", partial(evidence.metric.amount, is_bound=True)),
        Column("verdict", _with_symbol),
    )
    return Table("levels", columns, tuple(rows))


VERDICT_SYMBOLS = {
    Verdict.NOT_INFERIOR: "\N{CHECK MARK}",
    Verdict.INFERIOR: "\N{BALLOT X}",
    Verdict.NOT_DECIDED: "\N{WHITE CIRCLE}",
    Verdict.WITHHELD: "?",
}
"""What stands before a verdict, so that it is seen without reading."""


def _with_symbol(found: CorrectedComparison[float]) -> str:
    return f"{VERDICT_SYMBOLS[found.verdict]} {found}"


def spread_table(evidence: Evidence) -> Table:
    """Return the seeds of each value and the spread over them, where there are several anywhere."""
    rows = [
        (
            series.name,
            level,
            cell.seeds,
            cell.values,
            "one seed" if cell.spread is None else cell.spread,
        )
        for series in evidence.series
        for level, cell in sorted(series.own.items(), reverse=True)
        if len(evidence.seeds) > 1
    ]
    columns = (
        Column("model"),
        Column("level", table.level),
        Column("seeds", table.each(str)),
        Column(f"{evidence.metric.label} of each", table.each(table.number())),
        Column("SD over seeds", table.number()),
    )
    return Table("seeds", columns, tuple(rows))


def difference_table(evidence: Evidence) -> Table:
    """Compare each level with the original of the same model, image by image."""
    rows: list[tuple[Any, ...]] = []
    for series in evidence.series:
        rows += _judged([((series.name, level), one) for level, one in series.compared.items()])
    columns = (Column("model"), Column("level", table.level), *_judged_columns(evidence.metric))
    return Table("differences", columns, tuple(rows))


def tolerance_table(evidence: Evidence) -> Table:
    """Return each model's tolerance: how far down no loss of the margin is shown."""
    rows = []
    for series in evidence.series:
        found = series.tolerance
        if found is None:
            continue
        by = found.stopped_by
        stopped = "nothing below was run" if by is None else f"{by:g}: {_why_stopped(series, by)}"
        cell = series.cells[found.level]
        interval = Interval(found.level, found.lowest, found.level)
        levels = ", ".join(f"{level:g}" for level in series.compared)
        rows.append((series.name, interval, cell.byte_ratio, stopped, levels, _trainings(series)))
    columns = (
        Column("model"),
        Column("tolerance", lambda one: f"{one.value:g} ({one.low:g} to {one.high:g})"),
        Column("its bytes, of original", table.share),
        Column("stopped by"),
        Column("levels tested"),
        Column("of"),
    )
    return Table("tolerance", columns, tuple(rows))


def margins_table(evidence: Evidence) -> Table:
    """Return, for each model and several losses, the lowest level down to which all levels exclude such a loss."""
    rows = []
    for series in evidence.series:
        if not series.compared:
            continue
        is_withheld = any(one.is_withheld for one in series.compared.values())
        excluded = {} if is_withheld else {level: one.excluded_loss for level, one in series.compared.items()}
        found = [
            reached(series.below, {level for level, loss in excluded.items() if loss < margin})
            for margin in MARGINS
        ]
        rows.append((series.name, *found, str(Verdict.WITHHELD) if is_withheld else _trainings(series)))
    losses = (Column(evidence.metric.amount(margin), table.level) for margin in MARGINS)
    return Table("margins", (Column("model"), *losses, Column("of")), tuple(rows))


def _trainings(series: Series) -> str:
    """Return what a series' verdicts are about: one training of a network, or so many seeds or folds."""
    fewest = min(series.compared.values(), key=lambda one: one.seeds)
    return THIS_TRAINING if series.is_one_training else fewest.trainings


def _why_stopped(series: Series, level: float) -> str:
    """Return why a level ends the tolerance, with the same verdict as the table of differences."""
    if level in series.compared:
        one = judged_levels(series)[level]
        # Not shown by itself either, or there would be no end here.
        return Verdict.NOT_DECIDED if one.verdict is Verdict.NOT_INFERIOR else str(one)
    return series.failed.get(level, "it has no seed that the original has")


def size_table(evidence: Evidence) -> Table:
    """Table II: a small model on original and on compressed images, beside larger ones on original images."""
    sizes = evidence.sizes
    rows = []
    for large in sizes[1:]:
        small = sizes[0]
        compressed = small.cells.get(PAPER_LEVEL)
        rows.append(
            (
                small.name,
                _value(small, ORIGINAL_LEVEL),
                _value(small, PAPER_LEVEL),
                _difference(paired(compressed, small.original)),
                large.name,
                _value(large, ORIGINAL_LEVEL),
                _difference(paired(large.original, small.original)),
                _difference(paired(compressed, large.original)),
            )
        )
    columns = (
        Column("small"),
        Column("accuracy of small", table.accuracy),
        Column(f"small at {PAPER_LEVEL:g}", table.accuracy),
        Column(f"drop at {PAPER_LEVEL:g}", table.difference),
        Column("large"),
        Column("accuracy of large", table.accuracy),
        Column("drop of large", table.difference),
        Column(f"small at {PAPER_LEVEL:g} minus large", table.difference),
    )
    return Table("model-size", columns, tuple(rows))


def size_difference_table(evidence: Evidence) -> Table:
    """Judge Table II's differences: compressing, larger models, and the one against the other."""
    compared = []
    for place, large in enumerate(evidence.sizes):
        small = evidence.sizes[0]
        pairs = [(f"{large.name} at {PAPER_LEVEL:g}", large.cells.get(PAPER_LEVEL), large.name, large.original)]
        if place:
            pairs += [
                (large.name, large.original, small.name, small.original),
                (f"{small.name} at {PAPER_LEVEL:g}", small.cells.get(PAPER_LEVEL), large.name, large.original),
            ]
        for name, cell, base_name, base in pairs:
            one = paired(cell, base)
            if one is not None:
                compared.append(((name, base_name), one))
    columns = (Column("accuracy of"), Column("minus"), *_judged_columns(evidence.metric))
    return Table("model-size-differences", columns, _judged(compared))


def noise_table(evidence: Evidence) -> Table:
    """Table IV: clean, noisy, and compressed noisy images."""
    rows = [
        (
            series.name,
            series.noise,
            level,
            _marked(series.clean, series.seeds),
            _value(series, ORIGINAL_LEVEL),
            _value(series, level),
        )
        for series in evidence.noisy
        for level in sorted({*series.cells, *series.failed} - {ORIGINAL_LEVEL}, reverse=True)
    ]
    columns = (
        Column("model"),
        Column("noise", lambda value: f"{value:g}"),
        Column("level", table.level),
        Column("clean", table.accuracy),
        Column("noisy", table.accuracy),
        Column("JPEG of noisy" if evidence.codecs == [JPEG] else "compressed noisy", table.accuracy),
    )
    return Table("noise", columns, tuple(rows))


def noise_difference_table(evidence: Evidence) -> Table:
    """Judge what noise costs, and what compressing the noisy images gains."""
    rows: list[tuple[Any, ...]] = []
    for codec in evidence.codecs:
        rows += _judged(list(_noise_differences(evidence.written_by(codec))))
    columns = (
        Column("model"),
        Column("noise", lambda value: f"{value:g}"),
        Column("accuracy on"),
        Column("minus"),
    )
    return Table("noise-differences", (*columns, *_judged_columns(evidence.metric)), tuple(rows))


def _noise_differences(evidence: Evidence) -> Iterator[tuple[tuple[Any, ...], Comparison]]:
    for series in evidence.noisy:
        # What no codec wrote is told once, with JPEG.
        pairs = [("noisy", series.noisy, "clean", series.clean)] if series.codec == JPEG else []
        pairs += [
            (f"noisy at {level:g}", cell, "noisy", series.noisy)
            for level, cell in sorted(series.cells.items(), reverse=True)
            if level != ORIGINAL_LEVEL
        ]
        for name, cell, base_name, base in pairs:
            one = paired(cell, base)
            if one is not None:
                yield (series.name, series.noise, name, base_name), one


def tabular_table(evidence: Evidence) -> Table:
    """Tabular models and probes beside the deep ones: paired differences on the same test images."""
    rows: list[tuple[Any, ...]] = []
    for codec in evidence.codecs:
        one = evidence.written_by(codec)
        opposed = (
            (deep, series, level)
            for deep in one.deep
            for series in (*one.probes, *one.tabular)
            if series.budget.folds == deep.budget.folds
            for level in evidence.levels(codec)
        )
        rows += _beside(
            ((series.name, deep.name, level, *accuracies), series.cells.get(level), deep.cells.get(level))
            for deep, series, level in opposed
            if None not in (accuracies := (_value(series, level), _value(deep, level)))
        )
    columns = (
        Column("model"),
        Column("deep"),
        Column("level", table.level),
        Column(evidence.metric.label, table.accuracy),
        Column(f"{evidence.metric.label} of deep", table.accuracy),
    )
    return Table("tabular", (*columns, *_judged_columns(evidence.metric)), tuple(rows))


def transfer_table(evidence: Evidence) -> Table:
    """Return what a model trained at one level keeps at another, against its own level."""
    rows: list[tuple[Any, ...]] = []
    for codec in evidence.codecs:
        rows += _beside(
            (
                (series.name, train, test, _value(series, (train, test))),
                series.cells.get((train, test)),
                series.cells.get((train, train)),
            )
            for series in evidence.written_by(codec).crossed
            for train, test in sorted({*series.cells, *series.failed}, reverse=True)
            if train != test
        )
    columns = (
        Column("model"),
        Column("trained at", table.level),
        Column("tested at", table.level),
        Column(evidence.metric.label, table.accuracy),
    )
    return Table("transfer", (*columns, *_judged_columns(evidence.metric)), tuple(rows))


def _beside(found: Iterable[tuple[tuple[Any, ...], Cell | None, Cell | None]]) -> list[tuple[Any, ...]]:
    """Judge rows by their cells, and put those that can't be compared behind them."""
    compared, failed = [], []
    for row, ours, base in found:
        one = paired(ours, base)
        if one is None:
            failed.append((*row, *[None] * len(_judged_columns(ACCURACY))))
        else:
            compared.append((row, one))
    return [*_judged(compared), *failed]


def _judged_columns(metric: Metric) -> tuple[Column, ...]:
    """Return the columns of `_judged`."""
    return (
        Column("difference", table.difference),
        Column("largest loss not excluded", partial(metric.amount, is_bound=True)),
        Column("McNemar p (Holm)" if metric is ACCURACY else "p (Holm)", table.each(table.p_value)),
        Column("non-inferiority p (Holm)", table.p_value),
        Column("verdict"),
        Column("seeds"),
        Column("images"),
        Column("groups"),
    )


def _judged(compared: list[tuple[tuple[Any, ...], Comparison]]) -> tuple[tuple[Any, ...], ...]:
    """Return rows with their comparisons, corrected for the number of all of them: `_judged_columns`."""
    return tuple(
        (
            *one.key,
            one.comparison.difference,
            None if one.comparison.is_withheld else one.comparison.excluded_loss,
            one.p_values,
            one.p_not_inferior,
            str(one),
            one.comparison.seeds if one.comparison.folds == 1 else one.comparison.trainings,
            one.comparison.images,
            one.comparison.groups,
        )
        for one in correct(compared)
    )


class _Measured(Protocol[K]):
    @property
    def seeds(self) -> tuple[int, ...]: ...

    @property
    def cells(self) -> dict[K, Cell]: ...

    @property
    def failed(self) -> dict[K, str]: ...


def _value(measured: _Measured[K], place: K) -> Interval | str | None:
    """Return a value with its interval, or what became of the trials that should have found it."""
    cell = measured.cells.get(place)
    return measured.failed.get(place) if cell is None else _marked(cell, measured.seeds)


def _marked(cell: Cell | None, seeds: tuple[int, ...]) -> Interval | None:
    """Return a cell's value, and say so where it lacks seeds that others of its model have."""
    if cell is None or len(cell.seeds) == len(seeds):
        return None if cell is None else cell.interval
    found = cell.interval
    return Remarked(found.value, found.low, found.high, f"{len(cell.seeds)} of {len(seeds)} seeds")


def _difference(comparison: Comparison | None) -> Interval | None:
    return None if comparison is None else comparison.difference
