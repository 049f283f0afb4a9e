"""What a report is about: a data set's results, arranged by model and level."""

from __future__ import annotations

import re
import statistics as plain
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any, TypeVar

import numpy as np

from agbench import statistics
from agbench.condition import ORIGINAL_LEVEL, Budget, digest
from agbench.record import Record
from agbench.statistics import MARGIN, Bools, Comparison, Interval, Tolerance

K = TypeVar("K")

TINY = 32
"""Pixels of the longer side up to which the paper calls images tiny (section II-A: CIFAR's 32x32)."""


@dataclass(frozen=True)
class Cell:
    """One model at one level, with all its seeds.

    Parameters
    ----------
    records : tuple of Record
        A trial each seed, in the order of seeds.
    """

    records: tuple[Record, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that there are."""
        return tuple(record.condition.seed for record in self.records)

    @cached_property
    def interval(self) -> Interval:
        """Mean accuracy over seeds, with the interval over test images."""
        right = self.right(self.seeds)
        return statistics.accuracy(float(right.sum(axis=1).mean()), right.shape[1])

    def right(self, seeds: Iterable[int]) -> Bools:
        """Tell which images were predicted rightly, as an array of shape (seeds, images)."""
        wanted = set(seeds)
        return np.stack([record.outcome.right for record in self.records if record.condition.seed in wanted])

    @property
    def spread(self) -> float | None:
        """Standard deviation of the accuracy over seeds; ``None`` with one seed."""
        accuracies = [float(record.outcome.right.mean()) for record in self.records]
        return plain.stdev(accuracies) if len(accuracies) > 1 else None

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
        """Give the median over trials of something that was measured; ``None`` where none has it."""
        values = [record.metrics[name] for record in self.records if name in record.metrics]
        return plain.median(values) if values else None


def paired(ours: Cell | None, base: Cell | None, margin: float = MARGIN) -> Comparison | None:
    """Compare two cells image by image, with the seeds that both have; ``None`` where there are none."""
    if ours is None or base is None:
        return None
    seeds = sorted(set(ours.seeds) & set(base.seeds))
    if not seeds:
        return None
    images = {record.outcome.images for cell in (ours, base) for record in cell.records}
    if len(images) > 1:
        raise ValueError("a paired comparison needs the same test images with the same labels")
    return statistics.compare(ours.right(seeds), base.right(seeds), margin)


def _seeds(cells: Iterable[Cell]) -> tuple[int, ...]:
    return tuple(sorted({seed for cell in cells for seed in cell.seeds}))


def common(ours: Cell, base: Cell) -> tuple[float, float] | None:
    """Give the accuracies of two cells over the seeds that both have; ``None`` where there are none."""
    seeds = set(ours.seeds) & set(base.seeds)
    if not seeds:
        return None
    return float(ours.right(seeds).mean()), float(base.right(seeds).mean())


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
    failed : dict of float to str
        Levels that were run and have no result: ``"failed"``, or ``"unfinished"``.
    """

    name: str
    model: str
    budget: Budget
    cells: dict[float, Cell]
    failed: dict[float, str] = field(default_factory=dict)

    @property
    def original(self) -> Cell | None:
        """On the images as they came."""
        return self.cells.get(ORIGINAL_LEVEL)

    @cached_property
    def compared(self) -> dict[float, Comparison]:
        """Each level below the original, against the original."""
        found = {
            level: paired(cell, self.original) for level, cell in self.cells.items() if level != ORIGINAL_LEVEL
        }
        return {level: one for level, one in sorted(found.items(), reverse=True) if one is not None}

    @cached_property
    def tolerance(self) -> Tolerance | None:
        """The lowest level down to which nothing that matters is lost; ``None`` where nothing is compared."""
        original = self.original
        if original is None or not self.compared:
            return None
        levels = [level for level in {*self.cells, *self.failed} if level != ORIGINAL_LEVEL]
        by_image = {}
        for level in self.compared:
            seeds = set(self.cells[level].seeds) & set(original.seeds)
            difference = self.cells[level].right(seeds).astype(float) - original.right(seeds)
            by_image[level] = difference.mean(axis=0)
        ids = sorted(record.condition.id for cell in self.cells.values() for record in cell.records)
        return statistics.tolerance(levels, self.compared, by_image, int(digest(ids), 16))

    @property
    def size(self) -> tuple[str, int] | None:
        """The name that a family of sizes shares, and this one's place in it: ("automm:efficientnet_b", 0)."""
        # Neither a checkpoint's path nor an image size, as in "vit_base_patch16_224", is a size of a model.
        found = re.fullmatch(r"(automm:[a-z_]*[a-z])(\d{1,3})", self.model)
        return (found[1], int(found[2])) if found else None

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that any of its levels has."""
        return _seeds(self.cells.values())


@dataclass(frozen=True)
class NoisySeries:
    """One model on noisy images.

    Parameters
    ----------
    name, model, budget : str, str and Budget
        As in `Series`.
    noise : float
        Variance of the noise.
    clean : Cell, optional
        On the original images, without noise.
    cells : dict of float to Cell
        On noisy images, by the level that they were compressed to.
    failed : dict of float to str
        As in `Series`.
    """

    name: str
    model: str
    budget: Budget
    noise: float
    clean: Cell | None
    cells: dict[float, Cell]
    failed: dict[float, str] = field(default_factory=dict)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that any of its images have."""
        return _seeds([*self.cells.values(), *([self.clean] if self.clean else [])])

    @property
    def noisy(self) -> Cell | None:
        """On noisy images that were not compressed."""
        return self.cells.get(ORIGINAL_LEVEL)


@dataclass(frozen=True)
class CrossedSeries:
    """One model, trained at some levels and tested at others.

    Parameters
    ----------
    name : str
        The model's, as in `Series`; with the noise of its images, where they have some.
    model, budget : str and Budget
        As in `Series`.
    noise : float or None
        Variance of the noise of its images.
    cells : dict of (float, float) to Cell
        By the levels of training and of testing.
    failed : dict of (float, float) to str
        As in `Series`.
    """

    name: str
    model: str
    budget: Budget
    noise: float | None
    cells: dict[tuple[float, float], Cell]
    failed: dict[tuple[float, float], str] = field(default_factory=dict)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that any of its cells has."""
        return _seeds(self.cells.values())


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
        Conditions that were run on other images.
    facts : dict
        What is known of the data set's images.
    """

    dataset: str
    fingerprint: str
    series: tuple[Series, ...]
    noisy: tuple[NoisySeries, ...]
    crossed: tuple[CrossedSeries, ...]
    records: tuple[Record, ...]
    failures: tuple[Record, ...]
    left_out: int
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def levels(self) -> list[float]:
        """All levels that any model was run at, the original first."""
        return sorted({level for series in self.series for level in (*series.cells, *series.failed)}, reverse=True)

    @property
    def seeds(self) -> list[int]:
        """All seeds that any trial has."""
        return sorted({record.condition.seed for record in self.records})

    @property
    def deep(self) -> list[Series]:
        """The models that see the images themselves."""
        return [series for series in self.series if series.model.startswith("automm")]

    @property
    def tabular(self) -> list[Series]:
        """The models that see features of the images."""
        return [series for series in self.series if series.model.startswith("tabular")]

    @property
    def main(self) -> Series | None:
        """The deep model that was run at most levels, with most trials; claims are read off it."""
        return max(
            self.deep,
            key=lambda series: (len(series.cells), sum(len(cell.records) for cell in series.cells.values())),
            default=None,
        )

    @property
    def sizes(self) -> list[Series]:
        """Models of one family with one budget, from small to large: the largest such group; at least two."""
        sized = sorted((one for one in self.deep if one.size), key=lambda one: (one.size, str(one.budget)))
        groups = [
            list(group)
            for _, group in groupby(
                sorted(sized, key=lambda one: ((one.size or ("", 0))[0], str(one.budget))),
                key=lambda one: ((one.size or ("", 0))[0], str(one.budget)),
            )
        ]
        found = max(groups, key=len, default=[])
        return found if len(found) > 1 else []

    def count(self, name: str) -> int | None:
        """Give the number of classes, images of a part, or quarantined images; ``None`` where no trial says it."""
        found = (record.metrics.get(f"images_{name}") for record in self.records)
        return next((int(value) for value in found if value is not None), None)

    @property
    def tiny(self) -> bool | None:
        """Whether the median image is as small as those that the paper calls tiny; ``None`` where unknown."""
        return max(self.facts["pixels"]) <= TINY if "pixels" in self.facts else None
