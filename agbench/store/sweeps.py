"""Named sweeps: what a name may be, and what `agbench list` says of each."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agbench.core.errors import UserError, unknown
from agbench.store.record import Record


def check_sweep_name(name: str) -> None:
    """Raise `UserError` unless a sweep can have that name: it is part of a tag's key, and of files' names.

    Examples
    --------
    >>> check_sweep_name("nightly-2026-11-26")
    >>> check_sweep_name("a b")
    Traceback (most recent call last):
    ...
    agbench.core.errors.UserError: 'a b' can't be the name of a sweep: ...
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise UserError(
            f"{name!r} can't be the name of a sweep: use up to 100 letters, digits, dots, dashes and underscores, "
            "a letter or digit first"
        )


def last_trials(records: Iterable[Record]) -> dict[str, Record]:
    """Return the last trial of each condition, by the condition's id; of records with the oldest first."""
    return {record.condition.id: record for record in records}


def names(records: Iterable[Record]) -> list[str]:
    """Return the names of all sweeps, the oldest first."""
    began: dict[str, int] = {}
    for record in records:
        for name, started in record.sweeps.items():
            began[name] = min(started, began.get(name, started))
    return sorted(began, key=lambda name: (began[name], name))


def datasets_of(records: Iterable[Record]) -> list[str]:
    """Return the data sets of trials, sorted."""
    return sorted({record.condition.dataset for record in records})


def named(records: list[Record], name: str) -> list[Record]:
    """Return the trials of a named sweep.

    Parameters
    ----------
    records : list of Record
        All of a store's, the oldest first.
    name : str
        The sweep's.

    Returns
    -------
    list of Record
        In the same order; at least one.

    Raises
    ------
    UserError
        If no trial has that name.
    """
    found = [record for record in records if name in record.sweeps]
    if found:
        return found
    known = {one for record in records for one in record.sweeps}
    if not known:
        raise UserError(f"no sweep called {name!r}, and none has a name yet: `agbench run --name NAME` gives one")
    raise unknown("sweep", name, known)
