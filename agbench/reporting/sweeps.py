"""The table of named sweeps."""

from __future__ import annotations

from datetime import datetime

from agbench.analysis.gather import gather
from agbench.reporting.answer import Answer, answer_of
from agbench.reporting.tables.table import Column, Table
from agbench.store.outcome import Status
from agbench.store.record import Record
from agbench.store.sweeps import datasets_of, last_trials, named, names

PACKAGES = {"AutoGluon": "autogluon.multimodal", "torch": "torch", "agbench": "agbench"}
"""Whose versions are listed, by heading."""

MIXED = "mixed"


def names_table(records: list[Record]) -> Table:
    """Return one row per named sweep, the oldest first.

    Parameters
    ----------
    records : list of Record
        All of a store's, the oldest first.

    Returns
    -------
    Table
        A condition counts once, by its last trial; "mixed" are the versions of trials that differ in them.
        Saving and accuracies are those of the answer to each of its data sets.
    """
    rows = []
    for name in names(records):
        its_own = named(records, name)
        states = [record.status for record in last_trials(its_own).values()]
        finished, failed = states.count(Status.FINISHED), states.count(Status.FAILED)
        answers = [answer_of(gather(one, _of(its_own, one))) for one in datasets_of(its_own)]
        began = datetime.fromtimestamp(min(record.sweeps[name] for record in its_own) / 1000)
        rows.append(
            (
                name,
                began.isoformat(" ", "minutes"),
                ", ".join(datasets_of(its_own)),
                finished,
                failed,
                len(states) - finished - failed,
                "; ".join(map(_saving, answers)),
                "; ".join(map(_accuracies, answers)),
                *_versions(its_own),
            )
        )
    headings = ("name", "started", "dataset", "finished", "failed", "other", "saved", "accuracy", *PACKAGES)
    return Table("names", tuple(map(Column, headings)), tuple(rows))


def _of(records: list[Record], dataset: str) -> list[Record]:
    return [record for record in records if record.condition.dataset == dataset]


def _saving(found: Answer | None) -> str:
    return f"{found.saved:.1%} at {found.place}" if found is not None and found.is_shown else "-"


def _accuracies(found: Answer | None) -> str:
    if found is None or not found.is_shown:
        return "-"
    return f"{found.base.interval.value:.3f} to {found.ours.interval.value:.3f}"


def _versions(records: list[Record]) -> list[str]:
    # One trial for each digest of versions will do: a sweep has many trials, and few of these.
    software = [
        one.environment.get("software", {}) for one in {record.software: record for record in records}.values()
    ]
    found = [{versions[package] for versions in software if package in versions} for package in PACKAGES.values()]
    return [MIXED if len(one) > 1 else "".join(one) or "unknown" for one in found]
