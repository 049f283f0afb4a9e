"""The tables of a report: values first, Markdown last."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from statsmodels.stats.multitest import multipletests

from agbench import statistics
from agbench.condition import ORIGINAL_LEVEL
from agbench.record import Record
from agbench.report import published
from agbench.report.evidence import Cell, Evidence, Series
from agbench.statistics import Comparison, Interval

MISSING = "not run"


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Parameters
    ----------
    header : tuple of str
        Names of the columns.
    rows : tuple of tuple of str
        Their texts.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Give the table in Markdown, its columns aligned for reading as plain text."""
        lines = [tuple(map(escape, line)) for line in (self.header, *self.rows)]
        widths = [max(len(line[place]) for line in lines) for place in range(len(self.header))]
        padded = [
            "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |"
            for line in lines
        ]
        rule = "| " + " | ".join("-" * width for width in widths) + " |"
        return "\n".join([padded[0], rule, *padded[1:]])


def escape(text: str) -> str:
    """Make a text from outside harmless in Markdown, and in a row of a table."""
    flat = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in " ".join(text.split()))
    # An underscore between letters or digits is no markup, and names are easier to read without the slash.
    return re.sub(r"[\\`*\[\]<>|#~&]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", flat)


def accuracy_table(evidence: Evidence) -> Table:
    """Figure 2 in numbers: accuracy of each model at each level."""
    rows = []
    for level in evidence.levels:
        cells = [series.cells.get(level) for series in evidence.series]
        rows.append((_level(level), *_size_cells(evidence, level), *(_accuracy(cell) for cell in cells)))
    return Table(("level", "bytes", "of original", *(series.name for series in evidence.series)), tuple(rows))


def difference_table(evidence: Evidence) -> Table:
    """Compare each level with the original of the same model, image by image."""
    compared: list[tuple[Series, float, int, Comparison]] = []
    for series in evidence.series:
        for level in evidence.levels:
            for seed, comparison in evidence.against_original(series, level).items():
                compared.append((series, level, seed, comparison))
    p_values = [comparison.p_value for *_, comparison in compared]
    corrected = multipletests(p_values, method="holm")[1] if compared else []
    rows = [
        (
            series.name,
            f"{level:g}",
            str(seed),
            _difference(comparison.difference),
            f"{p_value:.2g}",
            comparison.verdict(),
        )
        for (series, level, seed, comparison), p_value in zip(compared, corrected, strict=True)
    ]
    header = ("model", "level", "seed", "difference", "McNemar p (Holm)", f"margin {_points(statistics.MARGIN)}")
    return Table(header, tuple(rows))


def storage_table(evidence: Evidence) -> Table:
    """Table III's columns, a row a level and deep model."""
    rows = []
    for series in evidence.deep:
        original = series.cells.get(ORIGINAL_LEVEL)
        for level in evidence.levels:
            cell = series.cells.get(level)
            if level == ORIGINAL_LEVEL or cell is None:
                continue
            base = 0.0 if original is None else original.interval.value
            kept = f"{cell.interval.value / base:.2%}" if base else MISSING
            rows.append(
                (
                    series.name,
                    f"{level:g}",
                    size(cell.bytes_original),
                    size(cell.bytes),
                    f"{cell.bytes / cell.bytes_original:.2%}",
                    MISSING if original is None else f"{original.interval.value:.4f}",
                    f"{cell.interval.value:.4f}",
                    kept,
                )
            )
    header = (
        "model",
        "level",
        "original size",
        "compressed size",
        "relative size",
        "original accuracy",
        "compressed accuracy",
        "relative performance",
    )
    return Table(header, tuple(rows))


def tabular_table(evidence: Evidence) -> Table:
    """Tabular models beside the deep ones: paired differences on the same test images."""
    rows = []
    for deep in evidence.deep:
        for series in evidence.tabular:
            for level in evidence.levels:
                for seed, comparison in evidence.between(series, deep, level).items():
                    rows.append(
                        (
                            series.name,
                            deep.name,
                            _level(level),
                            str(seed),
                            _accuracy(series.cells[level].of(seed)),
                            _accuracy(deep.cells[level].of(seed)),
                            _difference(comparison.difference),
                        )
                    )
    header = ("tabular", "deep", "level", "seed", "accuracy", "accuracy of deep", "difference")
    return Table(header, tuple(rows))


def noise_table(evidence: Evidence) -> Table:
    """Table IV: clean, noisy, and compressed noisy images, and what compressing gains on the noisy ones."""
    rows = []
    for series in evidence.noisy:
        for level, cell in sorted(series.cells.items(), reverse=True):
            if level == ORIGINAL_LEVEL:
                continue
            noisy = series.cells.get(ORIGINAL_LEVEL)
            for seed, comparison in series.against_noisy(level).items() or ((None, None),):
                rows.append(
                    (
                        series.name,
                        f"{series.noise:g}",
                        f"{level:g}",
                        MISSING if seed is None else str(seed),
                        _accuracy(series.clean if seed is None or series.clean is None else series.clean.of(seed)),
                        _accuracy(noisy if seed is None or noisy is None else noisy.of(seed)),
                        _accuracy(cell if seed is None else cell.of(seed)),
                        MISSING if comparison is None else _difference(comparison.difference),
                        MISSING if comparison is None else f"{comparison.p_value:.2g}",
                    )
                )
    header = ("model", "noise", "level", "seed", "clean", "noisy", "JPEG of noisy", "gain over noisy", "McNemar p")
    return Table(header, tuple(rows))


def transfer_table(evidence: Evidence) -> Table:
    """Give what a model trained at one level keeps at another, against its own level."""
    rows = []
    for series in evidence.crossed:
        for train, test in sorted(series.cells, reverse=True):
            if train == test:
                continue
            for seed, comparison in series.against_own(train, test).items():
                rows.append(
                    (
                        series.name,
                        _level(train),
                        _level(test),
                        str(seed),
                        _accuracy(series.cells[train, test].of(seed)),
                        _difference(comparison.difference),
                        comparison.verdict(),
                    )
                )
    header = ("model", "trained at", "tested at", "seed", "accuracy", "against its own level", "margin 1 point")
    return Table(header, tuple(rows))


def published_table(evidence: Evidence) -> Table:
    """Give the paper's cells for this data set, ours beside them, and which of the paper's can't be right."""
    wrong = {(one.table, one.column): one for one in published.audit() if one.dataset == evidence.dataset}
    rows = []
    for cell in published.printed(evidence.dataset):
        doubt = wrong.get((cell.table, cell.column))
        remark = "" if doubt is None else f"the other cells give {doubt.derived:.4f}: {doubt.remark}"
        is_size = cell.quantity == "size"
        paper = f"{cell.value:,.1f} MB" if is_size else f"{cell.value:.4f}"
        rows.append((cell.table, cell.column, paper, _ours(evidence, cell), remark))
    return Table(("table", "cell", "paper", "ours", "remark"), tuple(rows))


def _ours(evidence: Evidence, printed: published.Printed) -> str:
    if not printed.quantity:
        return "see above"
    for series in evidence.series:
        cell = series.cells.get(printed.level)
        if cell is None or (printed.model and series.model != printed.model):
            continue
        if printed.quantity == "accuracy":
            return _accuracy(cell)
        return (
            f"{cell.bytes / 1e6:,.1f} MB"
            if printed.quantity == "size"
            else (f"{cell.bytes / cell.bytes_original:.4f}")
        )
    return MISSING


def settings_table(evidence: Evidence) -> Table:
    """Say what each model was, and what it could spend."""
    rows = []
    for series in evidence.series:
        used: dict[str, set[str]] = {}
        for record in (record for cell in series.cells.values() for record in cell.records):
            for name, value in record.notes.items():
                if value and name not in ("variant", "settings"):
                    used.setdefault(name, set()).add(value)
        said = "; ".join(f"{name}: {' / '.join(sorted(values))}" for name, values in sorted(used.items()))
        rows.append((series.name, str(series.budget), said))
    return Table(("model", "budget", "used"), tuple(rows))


def trials_table(evidence: Evidence) -> Table:
    """Every number's source: the trial, its seconds, and where its log is."""
    rows = []
    for record in evidence.records:
        phases = {
            name.removeprefix("seconds_"): value
            for name, value in sorted(record.metrics.items())
            if name.startswith("seconds_")
        }
        rows.append(
            (
                record.condition.id,
                record.condition.model,
                _images(record),
                str(record.condition.seed),
                f"{record.metrics['accuracy']:.4f}",
                ", ".join(f"{name} {value:.1f}" for name, value in phases.items()),
                record.run_id,
            )
        )
    return Table(("condition", "model", "images", "seed", "accuracy", "seconds", "run"), tuple(rows))


def failures_table(evidence: Evidence) -> Table:
    """Trials without a result, and why."""
    return Table(
        ("condition", "model", "images", "seed", "ended", "reason", "run"),
        tuple(
            (
                record.condition.id,
                record.condition.model,
                _images(record),
                str(record.condition.seed),
                record.status.lower(),
                record.reason or "still running, or its sweep was killed",
                record.run_id,
            )
            for record in evidence.failures
        ),
    )


def quarantine_table(unreadable: Iterable[dict[str, str]]) -> Table:
    """Name the images that could not be read, and why."""
    rows = tuple((row["image_id"], row["problem"]) for row in unreadable)
    return Table(("image", "why it can't be read"), rows)


def size(count: int) -> str:
    """Give bytes as the paper does, in decimal units."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _images(record: Record) -> str:
    tested = record.condition.test
    return str(record.condition.train) if tested is None else f"{record.condition.train}, tested on {tested}"


def _level(level: float) -> str:
    return "1.0 (original)" if level == ORIGINAL_LEVEL else f"{level:g}"


def _size_cells(evidence: Evidence, level: float) -> Iterable[str]:
    cells = [series.cells[level] for series in evidence.series if level in series.cells]
    return size(cells[0].bytes), f"{cells[0].bytes / cells[0].bytes_original:.1%}"


def _accuracy(cell: Cell | None) -> str:
    if cell is None or not cell.records:
        return MISSING
    interval = cell.interval
    spread = "" if cell.spread is None else f", SD over {len(cell.records)} seeds {cell.spread:.4f}"
    return f"{interval.value:.4f} ({interval.low:.4f} to {interval.high:.4f}{spread})"


def _difference(interval: Interval) -> str:
    return f"{interval.value:+.4f} ({interval.low:+.4f} to {interval.high:+.4f})"


def _points(margin: float) -> str:
    return f"{100 * margin:g} point" + ("" if margin == 0.01 else "s")
