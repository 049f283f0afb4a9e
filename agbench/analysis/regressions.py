"""Two named sweeps, compared condition by condition: what changed, and what got worse."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from agbench.analysis import intervals
from agbench.analysis.cell import Cell, paired
from agbench.core.condition import Condition
from agbench.core.errors import UserError
from agbench.store.record import Record
from agbench.store.sweeps import last_trials, named

THRESHOLD = 1.5
"""A model that takes so many times the base's seconds has become slower."""

FLOOR = 10.0
"""Seconds a trial that do not count: a fresh worker alone takes some more than one that is warm."""

SIGNIFICANT = 0.05
"""Of p-values that are corrected for the number of conditions."""


@dataclass(frozen=True)
class ChangeVerdict:
    """What is to be said of one thing that two sweeps measured.

    Parameters
    ----------
    words : str
        What is said of it.
    is_regression : bool
        Whether it got worse.
    """

    words: str
    is_regression: bool = False

    def __str__(self) -> str:
        return f"regression: {self.words}" if self.is_regression else self.words


SAME = ChangeVerdict("same predictions")


@dataclass(frozen=True)
class Change:
    """Something that two sweeps ran with, and that is not the same in both.

    Parameters
    ----------
    what : str
        A package, or a part of the hardware.
    base, new : str
        What it was; several where trials of one sweep differ.
    """

    what: str
    base: str
    new: str


@dataclass(frozen=True)
class Pair:
    """A condition that two sweeps have, or one of them.

    Parameters
    ----------
    base, new : Record, optional
        Its last trial in each; ``None`` where the sweep has none of it.
    paired : Comparison, optional
        New minus base on the same test images; ``None`` where one did not finish, or the images differ.
    p_value : float, optional
        McNemar's, corrected for the number of conditions that are compared.
    """

    base: Record | None
    new: Record | None
    paired: intervals.Comparison | None = None
    p_value: float | None = None

    @property
    def condition(self) -> Condition:
        """What was run."""
        record = self.base or self.new
        if record is None:
            raise ValueError("a pair needs at least one trial")
        return record.condition

    @property
    def verdicts(self) -> tuple[ChangeVerdict, ...]:
        """Verdicts on it, at least one."""
        if self.new is None:
            return (ChangeVerdict("only in base"),)
        if self.base is None:
            return (ChangeVerdict("only in new"),)
        if not self.new.is_finished:
            if not self.base.is_finished:
                return (ChangeVerdict("no result in either"),)
            reason = self.new.reason or "still running, or its sweep was killed"
            return (ChangeVerdict(f"no result ({reason})", is_regression=True),)
        if not self.base.is_finished:
            return (ChangeVerdict("no result in base"),)
        return (self._accuracy(self.base, self.new), *_bytes(self.base, self.new))

    @property
    def is_same(self) -> bool:
        """Whether both sweeps have the same predictions, and the same bytes."""
        return self.verdicts == (SAME,)

    @property
    def is_regression(self) -> bool:
        """Whether anything got worse."""
        return any(verdict.is_regression for verdict in self.verdicts)

    def _accuracy(self, base: Record, new: Record) -> ChangeVerdict:
        if self.paired is None or self.p_value is None:
            return ChangeVerdict("other test images", is_regression=True)
        if base.correctness.predicted == new.correctness.predicted:
            return SAME
        if self.p_value > SIGNIFICANT:
            return ChangeVerdict("no significant difference")
        better = self.paired.difference.value > 0
        return ChangeVerdict("better") if better else ChangeVerdict("accuracy", is_regression=True)


@dataclass(frozen=True)
class Speed:
    """How long a model took in two sweeps, over the conditions that both finished.

    Parameters
    ----------
    model : str
        Its name.
    conditions : int
        How many.
    base, new : float
        Seconds, in all.
    comparable : bool
        Whether each of them ran on the same hardware in both.
    threshold : float
        The ratio above which it has become slower.
    """

    model: str
    conditions: int
    base: float
    new: float
    comparable: bool
    threshold: float

    @property
    def ratio(self) -> float:
        """New seconds for one of the base's."""
        return self.new / self.base if self.base else math.inf

    @property
    def verdict(self) -> ChangeVerdict:
        """Verdict on its seconds."""
        if not self.comparable:
            return ChangeVerdict("not judged: other hardware")
        if self.is_regression:
            return ChangeVerdict("seconds", is_regression=True)
        if self.ratio > self.threshold:
            return ChangeVerdict(f"not judged: less than {FLOOR:g} s a trial")
        return ChangeVerdict(f"at most {self.threshold:g} times")

    @property
    def is_regression(self) -> bool:
        """Whether it is known to have become slower."""
        more = (self.new - self.base) / self.conditions
        return self.comparable and self.ratio > self.threshold and more > FLOOR


@dataclass(frozen=True)
class SweepComparison:
    """A named sweep against an earlier one.

    Parameters
    ----------
    base, new : str
        Names of the two sweeps.
    changes : tuple of Change
        Versions, hardware and commit that are not the same.
    pairs : tuple of Pair
        A pair for each condition of either, those of the base first.
    speeds : tuple of Speed
        One a model.
    """

    base: str
    new: str
    changes: tuple[Change, ...]
    pairs: tuple[Pair, ...]
    speeds: tuple[Speed, ...]

    @property
    def regressions(self) -> int:
        """How many conditions got worse, and models slower."""
        return sum(pair.is_regression for pair in self.pairs) + sum(speed.is_regression for speed in self.speeds)


def compare(records: list[Record], base: str, new: str, threshold: float = THRESHOLD) -> SweepComparison:
    """Compare two named sweeps.

    Parameters
    ----------
    records : list of Record
        All of a store's, the oldest first.
    base, new : str
        Names of sweeps. Of each, the last trial of a condition counts, also where it failed.
    threshold : float
        At least 1: a model that takes more than so many times the base's seconds has become slower.

    Returns
    -------
    SweepComparison

    Raises
    ------
    UserError
        If there is no sweep of a name, or no condition that both have.
    """
    check_threshold(threshold)
    ours, theirs = last_trials(named(records, new)), last_trials(named(records, base))
    if not ours.keys() & theirs.keys():
        raise UserError(f"nothing to compare: {base} and {new} have no condition in common")
    pairs = [Pair(theirs.get(key), ours.get(key)) for key in dict.fromkeys((*theirs, *ours))]
    return SweepComparison(
        base=base,
        new=new,
        changes=tuple(_changes(theirs.values(), ours.values())),
        pairs=tuple(_judged(pairs)),
        speeds=tuple(_speeds(pairs, threshold)),
    )


def check_threshold(threshold: float) -> None:
    """Raise `UserError` unless it is a ratio from 1 on.

    Examples
    --------
    >>> check_threshold(1.5)
    >>> check_threshold(0.5)
    Traceback (most recent call last):
    ...
    agbench.core.errors.UserError: 0.5 is not a threshold: use 1 or more
    """
    if not threshold >= 1:
        raise UserError(f"{threshold} is not a threshold: use 1 or more")


def _finished(pair: Pair) -> tuple[Record, Record] | None:
    if pair.base is None or pair.new is None or not (pair.base.is_finished and pair.new.is_finished):
        return None
    return pair.base, pair.new


def _judged(pairs: list[Pair]) -> list[Pair]:
    """Compare what can be paired, and correct the p-values for how many these are."""
    compared: list[intervals.Comparison | None] = []
    for pair in pairs:
        finished = _finished(pair)
        if finished is not None and finished[0].correctness.images == finished[1].correctness.images:
            base, new = (Cell((record,)) for record in finished)
            compared.append(paired(new, base))
        else:
            compared.append(None)
    corrected = iter(intervals.holm([one.p_values[0] for one in compared if one is not None]))
    return [
        pair if one is None else Pair(pair.base, pair.new, one, next(corrected))
        for pair, one in zip(pairs, compared, strict=True)
    ]


def _bytes(base: Record, new: Record) -> tuple[ChangeVerdict, ...]:
    grown = new.metrics["bytes"] - base.metrics["bytes"]
    if grown > 0:
        return (ChangeVerdict("bytes", is_regression=True),)
    return (ChangeVerdict("fewer bytes"),) if grown < 0 else ()


def _speeds(pairs: Iterable[Pair], threshold: float) -> list[Speed]:
    by_model: dict[str, list[tuple[Record, Record]]] = {}
    for pair in pairs:
        if (finished := _finished(pair)) is not None:
            by_model.setdefault(pair.condition.model, []).append(finished)
    return [
        Speed(
            model=model,
            conditions=len(both),
            base=sum(base.metrics["seconds_total"] for base, _ in both),
            new=sum(new.metrics["seconds_total"] for _, new in both),
            comparable=all(_hardware(base.environment) == _hardware(new.environment) for base, new in both),
            threshold=threshold,
        )
        for model, both in by_model.items()
    ]


def _hardware(environment: dict[str, Any]) -> dict[str, str]:
    """Return the hardware that decides on seconds, by name; not the system: a kernel update changes it."""
    machine = {name: str(value) for name, value in environment.get("machine", {}).items() if name != "system"}
    return machine | {f"{name} of a trial": str(value) for name, value in environment.get("trial", {}).items()}


def _changes(base: Iterable[Record], new: Iterable[Record]) -> list[Change]:
    before, after = _facts(base), _facts(new)
    return [
        Change(
            what,
            " / ".join(sorted(before.get(what, ()))) or "none",
            " / ".join(sorted(after.get(what, ()))) or "none",
        )
        for what in dict.fromkeys((*before, *after))
        if before.get(what) != after.get(what)
    ]


def _facts(records: Iterable[Record]) -> dict[str, set[str]]:
    """Return every value of what trials ran with: versions, hardware, commit."""
    found: dict[str, set[str]] = {}
    for environment in (record.environment for record in records):
        commit = {"commit of agbench": environment["commit"]} if environment.get("commit") else {}
        for what, value in {**environment.get("software", {}), **_hardware(environment), **commit}.items():
            found.setdefault(what.replace("_", " "), set()).add(value)
    return found
