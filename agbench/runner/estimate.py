"""Estimate of the time that the rest of a sweep takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from agbench.core.condition import Budget, Condition
from agbench.models import registry
from agbench.models.registry import Kind
from agbench.store.record import Record, latest

GPU_MEMORY = 7 * 2**30
"""Bytes that a trial may well allocate on its GPU: 5.1 GB were seen with 128 images of 224 pixels at a time."""


@dataclass(frozen=True)
class GpuMemory:
    """The most that a trial allocates on a GPU.

    Parameters
    ----------
    bytes : int
        As PyTorch counts them.
    is_measured : bool
        Whether trials like all of them have run before.
    """

    bytes: int = GPU_MEMORY
    is_measured: bool = False


class Estimate:
    """Seconds that trials took, by which those of others are estimated.

    Parameters
    ----------
    records : iterable of Record
        Trials of the data set that were stored before, the oldest first.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self._seconds: dict[tuple[str, Budget], dict[str, float]] = {}
        self._gpu_memory: dict[tuple[str, Budget], int] = {}
        for record in latest([*records]).values():
            condition, metrics = record.condition, record.metrics
            key = condition.model, condition.budget
            peak = int(metrics.get("gpu_memory_peak", 0))
            self._gpu_memory[key] = max(self._gpu_memory.get(key, 0), peak)
            # Not the sum of its phases: that counts features which another trial has computed.
            self.add(condition, metrics.get("wall_seconds", metrics["seconds_total"]))

    def add(self, condition: Condition, seconds: float) -> None:
        """Count a trial that has finished, in the place of an earlier one of its condition."""
        self._seconds.setdefault((condition.model, condition.budget), {})[condition.id] = seconds

    def gpu_memory(self, conditions: Sequence[Condition]) -> GpuMemory:
        """Return the most that one of these conditions allocates on a GPU.

        Parameters
        ----------
        conditions : sequence of Condition
            Trials to run.

        Returns
        -------
        GpuMemory
            The most that trials with these models and budgets took; at least `GPU_MEMORY` where a network that
            learns or embeds has not run on a GPU before.
        """
        most, is_measured = 0, True
        for model, budget in {(one.model, one.budget) for one in conditions}:
            peak = self._gpu_memory.get((model, budget))
            most = max(most, peak or 0)
            is_tabular = registry.find_model(model)[0].kind is Kind.TABULAR
            is_measured = is_measured and (peak is not None if is_tabular else bool(peak))
        return GpuMemory(most, True) if is_measured else GpuMemory(max(most, GPU_MEMORY))

    def left(self, conditions: Sequence[Condition]) -> float | None:
        """Return the seconds that trials take one after the other.

        Parameters
        ----------
        conditions : sequence of Condition
            Trials that have not ended.

        Returns
        -------
        float or None
            Sum of the means that `like` gives; of all trials, where there are none like it. ``None`` where no
            trial has finished.
        """
        if not self._seconds:
            return None if conditions else 0.0
        anything = fmean(seconds for like in self._seconds.values() for seconds in like.values())
        counts = Counter((one.model, one.budget) for one in conditions)
        means = {key: self.like(*key) for key in counts}
        return sum(count * (means[key] or anything) for key, count in counts.items())

    def like(self, model: str, budget: Budget) -> float | None:
        """Return the mean seconds of trials of a model with a budget.

        Parameters
        ----------
        model : str
            Name of the model.
        budget : Budget
            Settings of the model.

        Returns
        -------
        float or None
            Where there are none with so many folds, the mean of trials without folds, times their number.
            ``None`` where there are none of these either.
        """
        if own := self._seconds.get((model, budget)):
            return fmean(own.values())
        once = self._seconds.get((model, replace(budget, folds=None)))
        return budget.folds * fmean(once.values()) if once and budget.folds else None
