"""The tables behind the numbers: settings, trials, failures, unreadable images, and the paper's own."""

from __future__ import annotations

from collections.abc import Iterable

from agbench.analysis import paper
from agbench.analysis.cell import Cell, common, paired
from agbench.analysis.evidence import CrossedSeries, Evidence, NoisySeries, Series
from agbench.core.condition import Budget, Condition
from agbench.reporting.tables import table
from agbench.reporting.tables.table import Column, Table
from agbench.store.metrics import PHASE
from agbench.store.record import Record


def settings_table(evidence: Evidence) -> Table:
    """Return each model's settings and budget."""
    used: dict[tuple[str, str], dict[str, set[str]]] = {}
    all_series: list[Series | NoisySeries | CrossedSeries] = [*evidence.series, *evidence.noisy, *evidence.crossed]
    for one in all_series:
        notes = used.setdefault((one.label, str(one.budget)), {})
        for record in (record for cell in one.cells.values() for record in cell.records):
            for name, value in record.notes.items():
                if value and name not in ("variant", "settings"):
                    notes.setdefault(name, set()).add(value)
    rows = tuple(
        (*model, "; ".join(f"{name}: {' / '.join(sorted(values))}" for name, values in sorted(notes.items())))
        for model, notes in used.items()
    )
    return Table("settings", (Column("model"), Column("budget"), Column("used")), rows)


def trials_table(evidence: Evidence) -> Table:
    """Every number's source: the trial, its seconds, and where its log is."""
    rows = []
    for record in evidence.records:
        phases = {
            name.removeprefix(PHASE): value
            for name, value in sorted(record.measured().items())
            if name.startswith(PHASE)
        }
        rows.append(
            (
                record.condition.id,
                record.condition.model,
                images_of(record.condition),
                record.condition.seed,
                record.metrics["accuracy"],
                ", ".join(f"{name} {value:.1f}" for name, value in phases.items()),
                record.environment.get("trial", {}).get("cpus"),
                record.run_id,
            )
        )
    names = (Column(name) for name in ("condition", "model", "images", "seed"))
    columns = (*names, Column("accuracy", table.number()), Column("seconds"), Column("cores"), Column("run"))
    return Table("trials", columns, tuple(rows))


def failures_table(evidence: Evidence) -> Table:
    """Trials of a data set without a result, and why."""
    return trials_without_result(evidence.failures)


def trials_without_result(records: Iterable[Record]) -> Table:
    """Trials without a result, and why."""
    rows = tuple(
        (
            record.condition.id,
            record.condition.model,
            images_of(record.condition),
            record.condition.seed,
            str(record.ending or record.status.lower()),
            record.reason or "still running, or its sweep was killed",
            record.run_id,
        )
        for record in records
    )
    names = ("condition", "model", "images", "seed", "ended", "reason", "run")
    return Table("failures", tuple(map(Column, names)), rows)


def quarantine_table(unreadable: Iterable[dict[str, str]]) -> Table:
    """Name the images that could not be read, and why."""
    rows = tuple((row["image_id"], row["problem"]) for row in unreadable)
    return Table("quarantined", (Column("image"), Column("why it can't be read")), rows)


def published_table(evidence: Evidence) -> Table:
    """Return the paper's cells for this data set, ours beside them, and which of the paper's can't be right."""
    evidence = evidence.jpeg
    wrong = {(one.table, one.column): one for one in paper.audit() if one.dataset == evidence.dataset}
    budget = papers_budget(evidence)
    rows = []
    for cell in paper.printed(evidence.dataset):
        doubt = wrong.get((cell.table, cell.column))
        remark = "" if doubt is None else f"the other cells give {doubt.derived:.4f}: {doubt.remark}"
        ours = _ours(evidence, budget, cell)
        rows.append((cell.table, cell.column, _shown(cell.quantity, cell.value), ours, remark))
    names = ("table", "cell", "paper", "ours", "remark")
    return Table("published", tuple(map(Column, names)), tuple(rows))


def papers_budget(evidence: Evidence) -> Budget | None:
    """Return the budget whose results stand beside the paper's: its ten epochs, or that with most levels."""
    small = [series for series in evidence.jpeg.series if series.model == paper.SMALL and series.cells]
    best = max(
        small,
        key=lambda one: (one.budget.epochs == paper.EPOCHS, len(one.cells), len(one.seeds)),
        default=None,
    )
    return None if best is None else best.budget


def _shown(quantity: str, value: float) -> str:
    """Show a printed number as ours of the same quantity is shown."""
    if quantity == "count":
        return f"{value:,.0f}"
    return f"{value:,.1f} MB" if quantity == "size" else f"{value:.4f}"


def _ours(evidence: Evidence, budget: Budget | None, printed: paper.Printed) -> str | None:
    if printed.quantity == "count":
        counts = [evidence.count(name) for name in _COUNTED[printed.column]]
        return None if None in counts else _shown("count", sum(filter(None, counts)))
    cell = _cell(evidence, budget, printed.model, printed.level)
    small = _cell(evidence, budget, paper.SMALL, 1.0)
    if cell is None:
        return None
    if printed.quantity == "accuracy":
        return table.accuracy(cell.interval)
    if printed.quantity == "size":
        return _shown("size", cell.bytes / 1e6)
    if printed.quantity == "relative size":
        return _shown(printed.quantity, cell.byte_ratio)
    if small is None:
        return None
    if printed.quantity == "relative accuracy":
        accuracies = common(cell, small)
        return f"{accuracies[0] / accuracies[1]:.4f}" if accuracies and accuracies[1] else None
    compared = paired(cell, small)
    return None if compared is None else "0" if cell == small else table.difference(compared.difference)


def _cell(evidence: Evidence, budget: Budget | None, model: str, level: float) -> Cell | None:
    """Return a model's cell with a budget; without a name that of any model, for what no model changes."""
    found = (
        one.cells[level]
        for one in evidence.series
        if level in one.cells and (not model or (one.model, one.budget) == (model, budget))
    )
    return next(found, None)


def images_of(condition: Condition) -> str:
    """Return the preprocessing of a condition's images, in words."""
    tested = condition.test
    return str(condition.train) if tested is None else f"{condition.train}, tested on {tested}"


_COUNTED = {
    "images": ("train", "test", "validation"),
    **{name: (name,) for name in ("classes", "train", "test", "validation")},
}
"""The counts of trials that are summed up for a cell of Table I."""
