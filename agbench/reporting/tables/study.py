"""The table of a study that no section of the report is written for."""

from __future__ import annotations

from agbench.analysis.cell import Cell, paired
from agbench.analysis.evidence import Evidence
from agbench.core.condition import Budget, Preprocessing
from agbench.reporting.tables import table
from agbench.reporting.tables.details import images_of
from agbench.reporting.tables.table import Column, Table
from agbench.store.record import Record
from agbench.studies.study import STUDIES


def study_table(evidence: Evidence, name: str) -> Table:
    """Return one row per model and preprocessing of a study: value, difference to the original, bytes.

    Parameters
    ----------
    evidence : Evidence
        Results of a data set.
    name : str
        Name in `agbench.studies.study.STUDIES`.
    """
    study = STUDIES[name]
    models = study.all_models
    images = {(treatment.train, treatment.test) for treatment in study.treatments}
    groups: dict[tuple[str, Budget, Preprocessing, Preprocessing | None], list[Record]] = {}
    for record in evidence.records:
        condition = record.condition
        if condition.model in models and (condition.train, condition.test) in images:
            key = (condition.model, condition.budget, condition.train, condition.test)
            groups.setdefault(key, []).append(record)
    known = {_trials(cell): cell for series in evidence.series for cell in series.cells.values()}
    cells = {}
    for key, own in groups.items():
        cell = Cell(tuple(sorted(own, key=lambda record: record.condition.seed)), metric=evidence.metric)
        cells[key] = known.get(_trials(cell), cell)
    rows = []
    for (model, budget, train, test), cell in cells.items():
        is_original = train.is_original and test is None
        original = None if is_original else cells.get((model, budget, Preprocessing(), None))
        compared = paired(cell, original)
        rows.append(
            (
                model,
                images_of(cell.records[0].condition),
                cell.interval,
                "" if is_original else None if compared is None else compared.difference,
                cell.bytes,
                cell.byte_ratio,
            )
        )
    columns = (
        Column("model"),
        Column("images"),
        Column(evidence.metric.label, table.accuracy),
        Column("difference to the original", table.difference),
        Column("bytes", table.size),
        Column("of original", table.share),
    )
    return Table(f"study-{name}", columns, tuple(rows))


def _trials(cell: Cell) -> tuple[str, ...]:
    return tuple(record.run_id for record in cell.records)
