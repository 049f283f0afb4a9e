"""Estimate of the time that the rest of a sweep takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from agbench.core.condition import Budget, Condition
from agbench.store.record import Record, latest


class Estimate:
    """Seconds that trials took, by which those of others are estimated.

    Parameters
    ----------
    records : iterable of Record
        Trials of the data set that were stored before, the oldest first.

    Attributes
    ----------
    gpu_memory : int
        The most bytes that one of them had allocated on a GPU; 0 where none did.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self._seconds: dict[tuple[str, Budget], dict[str, float]] = {}
        self.gpu_memory = 0
        for record in latest([*records]).values():
            self.gpu_memory = max(self.gpu_memory, int(record.metrics.get("gpu_memory_peak", 0)))
            self.add(record.condition, record.metrics["seconds_total"])

    def add(self, condition: Condition, seconds: float) -> None:
        """Count a trial that has finished, in the place of an earlier one of its condition."""
        self._seconds.setdefault((condition.model, condition.budget), {})[condition.id] = seconds

    def left(self, conditions: Sequence[Condition]) -> float | None:
        """Return the seconds that trials take one after the other.

        Parameters
        ----------
        conditions : sequence of Condition
            Trials that have not ended.

        Returns
        -------
        float or None
            Sum of the means of trials with the same model and budget; of all trials, where there are none.
            ``None`` where no trial has finished.
        """
        if not self._seconds:
            return None if conditions else 0.0
        anything = fmean(seconds for like in self._seconds.values() for seconds in like.values())
        means = {key: fmean(like.values()) for key, like in self._seconds.items()}
        return sum(means.get((condition.model, condition.budget), anything) for condition in conditions)
