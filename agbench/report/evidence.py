"""What a report is about: a data set's results, arranged by model and level."""

from __future__ import annotations

import statistics as plain
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from agbench import statistics
from agbench.condition import ORIGINAL_LEVEL, Budget
from agbench.models.registry import FAMILIES
from agbench.record import FINISHED, Record, latest
from agbench.statistics import Comparison, Interval

K = TypeVar("K")


@dataclass(frozen=True)
class Cell:
    """One model at one level, with all its seeds.

    Parameters
    ----------
    records : tuple of Record
        A trial each seed, in the order of seeds.
    """

    records: tuple[Record, ...]

    @cached_property
    def interval(self) -> Interval:
        """Mean accuracy over seeds, with the interval over test images."""
        right = [_right(record) for record in self.records]
        images = int(self.records[0].metrics["images_test"])
        return statistics.accuracy(plain.fmean(right), images)

    def of(self, seed: int) -> Cell:
        """Give the cell of one of its seeds."""
        return Cell(tuple(record for record in self.records if _seed(record) == seed))

    @property
    def spread(self) -> float | None:
        """Standard deviation of the accuracy over seeds; ``None`` with one seed."""
        accuracies = [record.metrics["accuracy"] for record in self.records]
        return plain.stdev(accuracies) if len(accuracies) > 1 else None

    @property
    def bytes(self) -> int:
        """Of all images at this level."""
        return int(self.records[0].metrics["bytes"])

    @property
    def bytes_original(self) -> int:
        """Of all images as they came."""
        return int(self.records[0].metrics["bytes_original"])


@dataclass(frozen=True)
class Series:
    """One model with one budget, over the levels.

    Parameters
    ----------
    name : str
        The model's; with its budget, where the model was run with several.
    model : str
        The model's.
    budget : Budget
        What it could spend.
    cells : dict of float to Cell
        By level.
    """

    name: str
    model: str
    budget: Budget
    cells: dict[float, Cell]


@dataclass(frozen=True)
class NoisySeries:
    """One model on noisy images.

    Parameters
    ----------
    name : str
        The model's, as in `Series`.
    noise : float
        Variance of the noise.
    clean : Cell, optional
        On the original images, without noise.
    cells : dict of float to Cell
        On noisy images, by the level that they were compressed to.
    """

    name: str
    noise: float
    clean: Cell | None
    cells: dict[float, Cell]

    def against_noisy(self, level: float) -> dict[int, Comparison]:
        """Compare compressed noisy images with uncompressed ones, seed by seed."""
        return _paired(self.cells.get(level), self.cells.get(ORIGINAL_LEVEL))


@dataclass(frozen=True)
class CrossedSeries:
    """One model, trained at some levels and tested at others.

    Parameters
    ----------
    name : str
        The model's, as in `Series`.
    cells : dict of (float, float) to Cell
        By the levels of training and of testing.
    """

    name: str
    cells: dict[tuple[float, float], Cell]

    def against_own(self, train: float, test: float) -> dict[int, Comparison]:
        """Compare with the same training tested at its own level, seed by seed."""
        return _paired(self.cells.get((train, test)), self.cells.get((train, train)))


@dataclass(frozen=True)
class Evidence:
    """The results of one data set that belong together.

    Parameters
    ----------
    dataset : str
        Its name.
    fingerprint : str
        Of its images, labels and split.
    series : tuple of Series
        By family, deep models first.
    noisy : tuple of NoisySeries
        Models on clean, noisy and compressed noisy images.
    crossed : tuple of CrossedSeries
        Models that were tested at another level than their training's.
    records : tuple of Record
        The trials behind all of them.
    failures : tuple of Record
        The last trials of conditions, where they did not finish.
    left_out : int
        Finished trials on other images.
    """

    dataset: str
    fingerprint: str
    series: tuple[Series, ...]
    noisy: tuple[NoisySeries, ...]
    crossed: tuple[CrossedSeries, ...]
    records: tuple[Record, ...]
    failures: tuple[Record, ...]
    left_out: int

    @property
    def levels(self) -> list[float]:
        """All levels that any model has, the original first."""
        return sorted({level for series in self.series for level in series.cells}, reverse=True)

    @property
    def deep(self) -> list[Series]:
        """The models that see the images themselves."""
        return [series for series in self.series if series.model.startswith("automm")]

    @property
    def tabular(self) -> list[Series]:
        """The models that see features of the images."""
        return [series for series in self.series if series.model.startswith("tabular")]

    def against_original(self, series: Series, level: float) -> dict[int, Comparison]:
        """Compare a level with the original, seed by seed."""
        if level == ORIGINAL_LEVEL:
            return {}
        return _paired(series.cells.get(level), series.cells.get(ORIGINAL_LEVEL))

    def between(self, series: Series, base: Series, level: float) -> dict[int, Comparison]:
        """Compare two models at a level, seed by seed."""
        return _paired(series.cells.get(level), base.cells.get(level))


def gather(dataset: str, records: list[Record]) -> Evidence:
    """Arrange a data set's trials.

    Parameters
    ----------
    dataset : str
        Its name.
    records : list of Record
        All of its trials, the oldest first; at least one.

    Returns
    -------
    Evidence
        Of the images that the newest trial was run on.
    """
    fingerprint = records[-1].condition.fingerprint
    finished = latest(records)
    chosen = {name: record for name, record in finished.items() if record.condition.fingerprint == fingerprint}
    last = {record.condition.id: record for record in records if record.condition.fingerprint == fingerprint}
    failures = [record for record in last.values() if record.status != FINISHED]
    groups: dict[tuple[str, Budget, str | None], list[Record]] = {}
    for record in chosen.values():
        condition = record.condition
        groups.setdefault((condition.model, condition.budget, condition.weights), []).append(record)
    models = [model for model, *_ in groups]
    series, noisy, crossed = [], [], []
    for (model, budget, _), own in sorted(groups.items(), key=lambda group: _place(group[0][0])):
        name = model if models.count(model) == 1 else f"{model} ({budget})"
        clean = _cells(
            (record.condition.train.level, record)
            for record in own
            if record.condition.test is None and record.condition.train.noise is None
        )
        if clean:
            series.append(Series(name=name, model=model, budget=budget, cells=clean))
        noises = {record.condition.train.noise for record in own if record.condition.train.noise is not None}
        for noise in sorted(noises):
            at_levels = _cells(
                (record.condition.train.level, record)
                for record in own
                if record.condition.test is None and record.condition.train.noise == noise
            )
            noisy.append(NoisySeries(name, noise, clean.get(ORIGINAL_LEVEL), at_levels))
        if any(record.condition.test is not None for record in own):
            pairs = _cells(
                ((record.condition.train.level, record.condition.test_preprocessing.level), record)
                for record in own
                if record.condition.train.noise is None
            )
            crossed.append(CrossedSeries(name, pairs))
    return Evidence(
        dataset=dataset,
        fingerprint=fingerprint,
        series=tuple(series),
        noisy=tuple(noisy),
        crossed=tuple(crossed),
        records=tuple(chosen.values()),
        failures=tuple(failures),
        left_out=len(finished) - len(chosen),
    )


def _cells(placed: Iterable[tuple[K, Record]]) -> dict[K, Cell]:
    found: dict[K, list[Record]] = {}
    for place, record in placed:
        found.setdefault(place, []).append(record)
    return {place: Cell(tuple(sorted(records, key=_seed))) for place, records in found.items()}


def _place(model: str) -> int:
    """Deep models first, then the order of the registry; within a family, that in which they were run."""
    family = model.partition(":")[0]
    return list(FAMILIES).index(family) if family in FAMILIES else len(FAMILIES)


def _paired(cell: Cell | None, base: Cell | None) -> dict[int, Comparison]:
    if cell is None or base is None:
        return {}
    bases = {_seed(record): record for record in base.records}
    return {
        _seed(record): statistics.compare(record.predictions, bases[_seed(record)].predictions)
        for record in cell.records
        if _seed(record) in bases
    }


def _seed(record: Record) -> int:
    return record.condition.seed


def _right(record: Record) -> int:
    predictions = record.predictions
    return int((predictions["label"] == predictions["predicted"]).sum())
