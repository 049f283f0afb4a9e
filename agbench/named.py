"""Named sweeps: what a name may be, and what `agbench list` says of each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from agbench.errors import UserError
from agbench.record import FAILED, FINISHED, Record, named
from agbench.reporting.table import Column, Table

PACKAGES = {"AutoGluon": "autogluon.multimodal", "torch": "torch", "agbench": "agbench"}
"""Whose versions are listed, by heading."""

MIXED = "mixed"


def refuse_bad_name(name: str) -> None:
    """Raise `UserError` unless a sweep can have that name: it is part of a tag's key, and of files' names."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise UserError(
            f"{name!r} can't be the name of a sweep: use up to 100 letters, digits, dots, dashes and underscores, "
            "a letter or digit first"
        )


def last_trials(records: Iterable[Record]) -> dict[str, Record]:
    """Give the last trial of each condition, by the condition's id; of records with the oldest first."""
    return {record.condition.id: record for record in records}


def names(records: Iterable[Record]) -> list[str]:
    """Give the names of all sweeps, the oldest first."""
    began: dict[str, int] = {}
    for record in records:
        for name, started in record.sweeps.items():
            began[name] = min(started, began.get(name, started))
    return sorted(began, key=lambda name: (began[name], name))


def datasets_of(records: Iterable[Record]) -> list[str]:
    """Give the data sets of trials, sorted."""
    return sorted({record.condition.dataset for record in records})


def names_table(records: list[Record]) -> Table:
    """Give a row for each named sweep, the oldest first.

    Parameters
    ----------
    records : list of Record
        All of a store's, the oldest first.

    Returns
    -------
    Table
        A condition counts once, by its last trial; "mixed" are the versions of trials that differ in them.
    """
    rows = []
    for name in names(records):
        its_own = named(records, name)
        states = [record.status for record in last_trials(its_own).values()]
        finished, failed = states.count(FINISHED), states.count(FAILED)
        began = datetime.fromtimestamp(min(record.sweeps[name] for record in its_own) / 1000)
        rows.append(
            (
                name,
                began.isoformat(" ", "minutes"),
                ", ".join(datasets_of(its_own)),
                finished,
                failed,
                len(states) - finished - failed,
                *_versions(its_own),
            )
        )
    headings = ("name", "started", "dataset", "finished", "failed", "other", *PACKAGES)
    return Table("names", tuple(map(Column, headings)), tuple(rows))


def _versions(records: list[Record]) -> list[str]:
    # One trial for each digest of versions will do: a sweep has many trials, and few of these.
    software = [
        one.environment.get("software", {}) for one in {record.software: record for record in records}.values()
    ]
    found = [{versions[package] for versions in software if package in versions} for package in PACKAGES.values()]
    return [MIXED if len(one) > 1 else "".join(one) or "unknown" for one in found]
