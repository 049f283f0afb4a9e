"""What a sweep has to do: conditions against what the store has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agbench.core import environment
from agbench.core.condition import Condition
from agbench.store.record import Record, latest


@dataclass(frozen=True)
class Plan:
    """What a sweep has to do.

    Parameters
    ----------
    done : tuple of Record
        Conditions with a result by the software that is installed now.
    outdated : tuple of Record
        Conditions whose result is by other versions; they are run again.
    todo : tuple of Condition
        What is left, outdated ones included.
    """

    done: tuple[Record, ...]
    outdated: tuple[Record, ...]
    todo: tuple[Condition, ...]


def make_plan(conditions: Sequence[Condition], records: list[Record]) -> Plan:
    """Compare conditions with what the store has.

    Parameters
    ----------
    conditions : sequence of Condition
        All that are wanted.
    records : list of Record
        The store's, the oldest first.

    Returns
    -------
    Plan

    Examples
    --------
    >>> from agbench.core.condition import Budget, Preprocessing
    >>> condition = Condition("dtd", "f", Preprocessing.at(0.3), "tabular:dct", Budget())
    >>> len(make_plan([condition], []).todo)
    1
    """
    now = environment.digest_of_software(environment.software())
    current = latest([record for record in records if record.software == now])
    older = latest([record for record in records if record.software != now])
    todo = tuple(condition for condition in conditions if condition.id not in current)
    return Plan(
        done=tuple(current[condition.id] for condition in conditions if condition.id in current),
        outdated=tuple(older[condition.id] for condition in todo if condition.id in older),
        todo=todo,
    )
