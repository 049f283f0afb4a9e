"""What a report is about: a data set's results, arranged by model and level."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from typing import Any, TypeVar

from agbench.analysis.cell import Cell, paired
from agbench.analysis.intervals import Comparison
from agbench.analysis.tolerance import Tolerance
from agbench.core.condition import JPEG, ORIGINAL_LEVEL, Budget, Condition
from agbench.core.metric import ACCURACY, Metric
from agbench.models.registry import Kind, kind_of
from agbench.store.metrics import COUNT
from agbench.store.record import Record

K = TypeVar("K")

TINY = 32
"""Pixels of the longer side up to which the paper calls images tiny (section II-A: CIFAR's 32x32)."""


def _seeds(cells: Iterable[Cell]) -> tuple[int, ...]:
    return tuple(sorted({seed for cell in cells for seed in cell.seeds}))


def codec_of(condition: Condition) -> str | None:
    """Return the codec of a condition's images, for training and testing; ``None`` where none is at work.

    Examples
    --------
    >>> from agbench.core.condition import Budget, Preprocessing
    >>> codec_of(Condition("dtd", "f", Preprocessing.at(0.3), "automm", Budget()))
    'jpeg'
    """
    used = dict.fromkeys((condition.train.codec, condition.test_preprocessing.codec))
    return " / ".join(codec for codec in used if codec is not None) or None


@dataclass(frozen=True)
class Named:
    """What all series have in common.

    Parameters
    ----------
    label : str
        The model's name; with its budget, where the model was run with several.
    model : str
        The model's.
    budget : Budget
        Budget of the model.
    codec : str
        What wrote the images below level 1.0. The original, which no codec wrote, is in the series of every one.
    """

    label: str
    model: str
    budget: Budget
    codec: str

    @property
    def name(self) -> str:
        """The label, with the codec where it is not the paper's."""
        return self.label if self.codec == JPEG else f"{self.label}, {self.codec}"


@dataclass(frozen=True)
class Series(Named):
    """One model with one budget, over the levels of one codec.

    Parameters
    ----------
    label, model, budget, codec : str, str, Budget and str
        As in `Named`.
    cells : dict of float to Cell
        By level.
    failed : dict of float to str
        Levels that were run and have no result: ``"failed"``, or ``"unfinished"``.
    """

    cells: dict[float, Cell]
    failed: dict[float, str] = field(default_factory=dict)

    @property
    def own(self) -> dict[float, Cell]:
        """Its cells, the original only in the series of JPEG: what tables list, each number once."""
        return {level: cell for level, cell in self.cells.items() if self.is_listed(level)}

    def is_listed(self, level: float) -> bool:
        """Return whether a level is this series' own: the original is that of JPEG's."""
        return self.codec == JPEG or level != ORIGINAL_LEVEL

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

    @property
    def is_one_training(self) -> bool:
        """Whether a network was trained once for a level, so that what is said of it is about that training."""
        return any(one.is_one_training for one in self.compared.values())

    @property
    def is_folded(self) -> bool:
        """Whether it is a network that is trained for each fold, so that every image is predicted out of fold."""
        return kind_of(self.model) is Kind.DEEP and self.budget.folds is not None

    @property
    def below(self) -> list[float]:
        """The levels below the original that were run, with or without a result."""
        return [level for level in {*self.cells, *self.failed} if level != ORIGINAL_LEVEL]

    @cached_property
    def tolerance(self) -> Tolerance | None:
        """The lowest level down to which nothing that matters is lost; ``None`` where nothing is compared."""
        if self.original is None or not self.compared:
            return None
        return Tolerance.of(self.below, self.compared)

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
class NoisySeries(Named):
    """One model on noisy images.

    Parameters
    ----------
    label, model, budget, codec : str, str, Budget and str
        As in `Named`.
    noise : float
        Variance of the noise.
    clean : Cell, optional
        On the original images, without noise.
    cells : dict of float to Cell
        On noisy images, by the level that they were compressed to.
    failed : dict of float to str
        As in `Series`.
    """

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
class CrossedSeries(Named):
    """One model, trained at some levels and tested at others.

    Parameters
    ----------
    label : str
        As in `Named`; with the noise of its images, where they have some.
    model, budget, codec : str, Budget and str
        As in `Named`.
    noise : float or None
        Variance of the noise of its images.
    cells : dict of (float, float) to Cell
        By the levels of training and of testing.
    failed : dict of (float, float) to str
        As in `Series`.
    """

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
    is_withheld : bool, optional
        Whether images seem to be related and their groups are not named; ``None`` where related images have not
        been looked for. Nothing is called not inferior unless it is ``False``.
    metric : Metric
        What predictions are measured by.
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
    is_withheld: bool | None = None
    metric: Metric = ACCURACY

    @property
    def codecs(self) -> list[str]:
        """What any images were written by, JPEG first, as it always is there."""
        all_series = (*self.series, *self.noisy, *self.crossed)
        return list(dict.fromkeys((JPEG, *(one.codec for one in all_series))))

    def levels(self, codec: str) -> list[float]:
        """Return all levels of a codec that any model was run at, the original first, which goes with JPEG's."""
        found = {level for one in self.series if one.codec == codec for level in (*one.cells, *one.failed)}
        return sorted(found if codec == JPEG else found - {ORIGINAL_LEVEL}, reverse=True)

    @property
    def places(self) -> list[tuple[str, float]]:
        """All codecs with all their levels; the original once."""
        return [(codec, level) for codec in self.codecs for level in self.levels(codec)]

    @cached_property
    def jpeg(self) -> Evidence:
        """What there is on the paper's codec, and on the original: all that its claims may be read off."""
        return self.written_by(JPEG)

    def written_by(self, codec: str) -> Evidence:
        """Return what there is on the images that one codec wrote, and on the original."""
        return replace(
            self,
            series=tuple(one for one in self.series if one.codec == codec),
            noisy=tuple(one for one in self.noisy if one.codec == codec),
            crossed=tuple(one for one in self.crossed if one.codec == codec),
            records=tuple(one for one in self.records if codec_of(one.condition) in (None, codec)),
            failures=tuple(one for one in self.failures if codec_of(one.condition) in (None, codec)),
        )

    @property
    def seeds(self) -> list[int]:
        """All seeds that any trial has."""
        return sorted({record.condition.seed for record in self.records})

    @property
    def deep(self) -> list[Series]:
        """The models that see the images themselves."""
        return [series for series in self.series if kind_of(series.model) is Kind.DEEP]

    @property
    def tabular(self) -> list[Series]:
        """The models that see features of the images."""
        return [series for series in self.series if kind_of(series.model) is Kind.TABULAR]

    @property
    def probes(self) -> list[Series]:
        """The linear models on a frozen backbone's embeddings: the middle ground."""
        return [series for series in self.series if kind_of(series.model) is Kind.PROBE]

    @property
    def folded(self) -> list[Series]:
        """The deep models by which every image is predicted out of fold."""
        return [series for series in self.series if series.is_folded]

    @property
    def main(self) -> Series | None:
        """The deep model that was run at most levels of JPEG, with most trials; claims are read off it."""
        return max(
            self.jpeg.deep,
            key=lambda series: (len(series.cells), sum(len(cell.records) for cell in series.cells.values())),
            default=None,
        )

    @property
    def sizes(self) -> list[Series]:
        """Models of one family with one budget, from small to large: the largest such group; at least two."""
        sized = sorted((one for one in self.jpeg.deep if one.size), key=lambda one: (one.size, str(one.budget)))
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
        """Return the number of classes, images of a part, or quarantined images; ``None`` where unknown."""
        found = (record.metric(f"{COUNT}{name}") for record in self.records)
        return next((int(value) for value in found if value is not None), None)

    @property
    def looks(self) -> int:
        """Maximum number of looks at a comparison that was run until it is decided; 1 where none was."""
        return max((record.looks for record in self.records), default=1)

    @property
    def tiny(self) -> bool | None:
        """Whether the median image is as small as those that the paper calls tiny; ``None`` where unknown."""
        return max(self.facts["pixels"]) <= TINY if "pixels" in self.facts else None
