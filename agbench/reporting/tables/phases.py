"""Where the seconds went: of the trials, and of the sweeps around them."""

from __future__ import annotations

from agbench.analysis.evidence import Evidence
from agbench.core.condition import Condition
from agbench.reporting.tables import table
from agbench.reporting.tables.table import Column, Table
from agbench.store.metrics import PHASE, STORING, SWEEP_PHASES
from agbench.store.record import Record

_SWEEP = ("starting workers", "importing, and looking for weights", "compressing")
"""In the order of `agbench.store.metrics.SWEEP_PHASES`."""

_TRIAL = {
    "load": "checking the images, and compressing what is missing",
    "features": "features",
    "fit": "training",
    "predict": "predicting",
}
_REST, _STORING, _ALL = "measuring, and waiting", "storing", "all"


def phases_table(evidence: Evidence) -> Table:
    """Return the seconds by phase, of sweeps and of trials with a result.

    Trials that ran side by side count one after the other. What trials share, their sweep's start or one
    training, counts once.
    """
    records = [record for record in evidence.records if record.metrics.get("wall_seconds")]  # or an older release
    sweeps = {tuple(record.metric(name) or 0.0 for name in SWEEP_PHASES) for record in records}
    sums = {words: sum(sweep[place] for sweep in sweeps) for place, words in enumerate(_SWEEP)}
    sums |= _of_trials(records)
    total = sum(sums.values())
    rows = tuple((words, seconds, seconds / total) for words, seconds in sums.items() if seconds > 0)
    columns = (Column("phase"), Column("seconds", table.number(1)), Column("of all", table.share))
    return Table("phases", columns, (*rows, (_ALL, total, 1.0)) if rows else ())


def _of_trials(records: list[Record]) -> dict[str, float]:
    trainings: dict[tuple[Condition, float], dict[str, float]] = {}
    for record in records:
        wall = record.metrics["wall_seconds"]
        spent = trainings.setdefault((record.condition.training, wall), dict.fromkeys(_TRIAL, 0.0))
        for phase in _TRIAL:
            taken = record.metric(f"{PHASE}{phase}") or 0.0
            spent[phase] = taken + (spent[phase] if phase == "predict" else 0.0)
    sums = {words: sum(spent[phase] for spent in trainings.values()) for phase, words in _TRIAL.items()}
    sums[_REST] = sum(wall for _, wall in trainings) - sum(sums.values())
    sums[_STORING] = sum(record.metric(STORING) or 0.0 for record in records)
    return sums
