"""One number of a report: a model at one level, and two of them compared."""

from __future__ import annotations

import statistics as plain
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from agbench.analysis import influence, intervals
from agbench.analysis.clusters import Groups
from agbench.analysis.intervals import MARGIN, ONE_SIDED, Bools, Comparison, Folds, Interval
from agbench.analysis.spread import Spread, pooled
from agbench.core.condition import ORIGINAL_LEVEL
from agbench.core.metric import ACCURACY, Metric, Score
from agbench.models.registry import Kind, kind_of
from agbench.store.record import Record


@dataclass(frozen=True)
class Cell:
    """One model at one level, with all its seeds.

    Parameters
    ----------
    records : tuple of Record
        A trial each seed, in the order of seeds.
    is_withheld : bool
        As in `agbench.analysis.intervals.Comparison`.
    base : Cell, optional
        Cell of the original in its series.
    over_trainings : Spread, optional
        Spread over trainings of the difference to `base`, estimated over all levels of the series.
    metric : Metric
        What its predictions are measured by. Trials that don't give it are not among its records.
    """

    records: tuple[Record, ...]
    is_withheld: bool = False
    base: Cell | None = None
    over_trainings: Spread | None = None
    metric: Metric = ACCURACY

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that there are."""
        return tuple(record.condition.seed for record in self.records)

    @cached_property
    def interval(self) -> Interval:
        """Mean over seeds of accuracy, or another metric, with the interval over test images."""
        if self.metric is ACCURACY:
            return intervals.accuracy(self.right(self.seeds), self.groups)
        return influence.interval(self.metric, self.scores(self.seeds), self.groups)

    @property
    def groups(self) -> Groups:
        """Group of each image, an array of int of shape (images,)."""
        return self.records[0].correctness.groups

    @property
    def is_network(self) -> bool:
        """Whether its model is a network that is trained, of which each training is one draw of many."""
        return kind_of(self.records[0].condition.model) is Kind.DEEP

    @property
    def looks(self) -> int:
        """Number of points at which its comparison may be looked at while trainings are added."""
        return max(record.looks for record in self.records)

    def right(self, seeds: Iterable[int]) -> Bools:
        """Return which images were predicted correctly: an array of bool of shape (seeds, images)."""
        wanted = set(seeds)
        return np.stack([record.correctness.right for record in self.records if record.condition.seed in wanted])

    def folds(self, seeds: Iterable[int]) -> Folds | None:
        """Return the fold of each image, each of which a network was trained for: of shape (seeds, images).

        ``None`` where each seed is one training, or no network was trained.
        """
        wanted = set(seeds)
        found = [record.correctness.folds for record in self.records if record.condition.seed in wanted]
        known = [folds for folds in found if folds is not None]
        return np.stack(known) if self.is_network and known and len(known) == len(found) else None

    def scores(self, seeds: Iterable[int]) -> list[Score]:
        """Return the score of each seed by the metric."""
        wanted = set(seeds)
        return [one.scores[self.metric.name] for one in self.records if one.condition.seed in wanted]

    @property
    def values(self) -> tuple[float, ...]:
        """Value of the metric of each seed."""
        if self.metric is ACCURACY:
            return tuple(float(row.mean()) for row in self.right(self.seeds))
        return tuple(score.value for score in self.scores(self.seeds))

    @property
    def spread(self) -> float | None:
        """Standard deviation of the values over seeds; ``None`` with one seed."""
        return plain.stdev(self.values) if len(self.records) > 1 else None

    @cached_property
    def largest_class(self) -> float:
        """Share of the test images that are of the largest class: the accuracy of always predicting it."""
        return float(max(self._class_sizes) / sum(self._class_sizes))

    @property
    def classes(self) -> int:
        """Number of classes that test images have."""
        return len(self._class_sizes)

    @cached_property
    def _class_sizes(self) -> list[int]:
        _, labels, _ = self.records[0].outcomes()
        sizes: list[int] = np.unique(labels.astype(str), return_counts=True)[1].tolist()
        return sizes

    @property
    def bytes(self) -> int:
        """Of all images at this level."""
        return int(self.records[0].metrics["bytes"])

    @property
    def bytes_original(self) -> int:
        """Of all images as they came."""
        return int(self.records[0].metrics["bytes_original"])

    @property
    def byte_ratio(self) -> float:
        """Achieved size, of the original's bytes."""
        return self.bytes / self.bytes_original

    def measured(self, name: str) -> float | None:
        """Return the median over trials of a metric; ``None`` where no trial has it."""
        found = [record.metric(name) for record in self.records]
        values = [value for value in found if value is not None]
        return plain.median(values) if values else None


def shared_seeds(ours: Cell, base: Cell) -> list[int]:
    """Return the seeds that both cells have, sorted."""
    return sorted(set(ours.seeds) & set(base.seeds))


def with_spreads(cells: Mapping[float, Cell]) -> dict[float, Cell]:
    """Return a model's cells, by level, with the spread over trainings of their differences to the original."""
    base = cells.get(ORIGINAL_LEVEL)
    if base is None:
        return dict(cells)
    shared = {level: shared_seeds(cell, base) for level, cell in cells.items() if level != ORIGINAL_LEVEL}
    differences = {level: _differences(cells[level], base, seeds) for level, seeds in shared.items() if seeds}
    spreads = pooled(differences)
    return {
        level: replace(cell, base=base, over_trainings=spreads[level]) if level in spreads else cell
        for level, cell in cells.items()
    }


def _differences(ours: Cell, base: Cell, seeds: list[int]) -> list[float]:
    if ours.metric is ACCURACY:
        return intervals.differences(ours.right(seeds), base.right(seeds), base.folds(seeds))
    return influence.differences(ours.scores(seeds), base.scores(seeds), base.folds(seeds))


def paired(
    ours: Cell | None, base: Cell | None, margin: float = MARGIN, one_sided: float = ONE_SIDED
) -> Comparison | None:
    """Compare two cells of one metric image by image, with the seeds that both have; ``None`` without any.

    Where a comparison is looked at several times while trainings are added, its interval and one-sided p-values
    are corrected for all of these looks (Bonferroni).

    Parameters
    ----------
    ours, base : Cell, optional
        What is compared.
    margin, one_sided : float
        As in `agbench.analysis.intervals.compare`.
    """
    if ours is None or base is None:
        return None
    seeds = shared_seeds(ours, base)
    if not seeds:
        return None
    images = {record.correctness.images for cell in (ours, base) for record in cell.records}
    if len(images) > 1:
        raise ValueError("a paired comparison needs the same test images with the same labels")
    looks = max(ours.looks, base.looks)
    one_sided /= looks
    is_withheld = ours.is_withheld or base.is_withheld
    groups, spread, folds = ours.groups, _spread(ours, base), _folds(ours, base, seeds)
    if ours.metric is ACCURACY:
        found = intervals.compare(
            ours.right(seeds), base.right(seeds), margin, one_sided, groups, is_withheld, spread, folds
        )
    else:
        scores = ours.scores(seeds), base.scores(seeds)
        found = influence.compare(ours.metric, *scores, groups, margin, one_sided, is_withheld, spread, folds)
    return replace(
        found,
        p_not_inferior=min(found.p_not_inferior * looks, 1.0),
        p_inferior=min(found.p_inferior * looks, 1.0),
        is_one_training=found.seeds * found.folds == 1 and (ours.is_network or base.is_network),
    )


def missing(
    ours: Cell, base: Cell, margin: float = MARGIN, one_sided: float = ONE_SIDED
) -> tuple[int | None, int | None]:
    """Return about how much more evidence would exclude a loss of the margin: as of `intervals.missing`."""
    seeds = shared_seeds(ours, base)
    one_sided /= max(ours.looks, base.looks)
    groups, spread, folds = ours.groups, _spread(ours, base), _folds(ours, base, seeds)
    if ours.metric is ACCURACY:
        return intervals.missing(ours.right(seeds), base.right(seeds), margin, one_sided, groups, spread, folds)
    scores = ours.scores(seeds), base.scores(seeds)
    return influence.missing(ours.metric, *scores, groups, margin, one_sided, spread, folds)


def _spread(ours: Cell, base: Cell) -> Spread | None:
    """Return the spread over trainings, where it is that of the difference to this base."""
    return ours.over_trainings if ours.base is not None and ours.base.records == base.records else None


def _folds(ours: Cell, base: Cell, seeds: list[int]) -> Folds | None:
    # Folds follow from the seed and their number, so two cells have the same.
    return ours.folds(seeds) if ours.is_network else base.folds(seeds)


def common(ours: Cell, base: Cell) -> tuple[float, float] | None:
    """Return the accuracies of two cells over the seeds that both have; ``None`` where there are none."""
    seeds = shared_seeds(ours, base)
    if not seeds:
        return None
    return float(ours.right(seeds).mean()), float(base.right(seeds).mean())
