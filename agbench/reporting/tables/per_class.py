"""Who pays for a level: classes that lose, confusions that grow, and images that flip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from agbench.analysis import intervals
from agbench.analysis.cell import Cell, shared_seeds
from agbench.analysis.evidence import Series
from agbench.analysis.intervals import ONE_SIDED, THIS_TRAINING, Comparison, Verdict
from agbench.core.condition import ORIGINAL_LEVEL
from agbench.reporting.tables import table
from agbench.reporting.tables.table import Column, Table
from agbench.store.record import Record

MOST_CONFUSIONS, MOST_FLIPS = 20, 30
"""Rows of the tables of confusions and of flips, at most."""

Texts = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Payers:
    """A model's predictions at a level beside those on the originals, of the same images and with the same seeds.

    Parameters
    ----------
    series : Series
        The model.
    level : float
        One that is compared with the original.
    base, ours : tuple of Record
        Trials on originals and at the level, one a seed.
    """

    series: Series
    level: float
    base: tuple[Record, ...]
    ours: tuple[Record, ...]

    @cached_property
    def _outcomes(self) -> list[tuple[Texts, ...]]:
        """Ids, labels and predicted classes of each trial: those on originals first."""
        return [record.outcomes() for record in (*self.base, *self.ours)]

    @property
    def ids(self) -> Texts:
        """Image ids, sorted."""
        return self._outcomes[0][0]

    @property
    def labels(self) -> Texts:
        """Label of each image."""
        return self._outcomes[0][1]

    @cached_property
    def predicted(self) -> tuple[Texts, Texts]:
        """Predicted classes on originals and at the level, two arrays of shape (seeds, images)."""
        predicted = np.stack([predicted for _, _, predicted in self._outcomes])
        return predicted[: len(self.base)], predicted[len(self.base) :]

    @cached_property
    def shares(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Share of seeds by which each image is predicted rightly, on originals and at the level."""
        base, ours = ((predicted == self.labels).mean(axis=0) for predicted in self.predicted)
        return base, ours

    @property
    def lost(self) -> int:
        """Number of images that fewer seeds predict rightly at the level."""
        return int((self.shares[1] < self.shares[0]).sum())

    @property
    def gained(self) -> int:
        """Number of images that more seeds predict rightly at the level."""
        return int((self.shares[1] > self.shares[0]).sum())


def payers_of(series: Series, level: float) -> Payers:
    """Return a model's predictions at a level that is compared with the original."""
    ours, original = series.cells[level], series.cells[ORIGINAL_LEVEL]
    seeds = shared_seeds(ours, original)
    return Payers(series, level, _of(original, seeds), _of(ours, seeds))


def _of(cell: Cell, seeds: list[int]) -> tuple[Record, ...]:
    return tuple(record for record in cell.records if record.condition.seed in seeds)


def classes_table(found: Payers | None) -> Table:
    """Return each class's accuracies and their difference, those that certainly lose first.

    Intervals are corrected for the number of classes, and of looks where levels were run until they are decided
    (Bonferroni).
    """
    columns = (
        Column("class"),
        Column("images"),
        Column("groups"),
        Column("accuracy at the original", table.number()),
        Column("accuracy at the level", table.number()),
        Column("difference", table.difference),
        Column("verdict"),
    )
    if found is None:
        return Table("classes", columns, ())
    rows, level = [], found.series.compared[found.level]
    for label, one in sorted(_by_class(found), key=_order):
        here = found.labels == label
        base, ours = (float(share[here].mean()) for share in found.shares)
        rows.append((label, one.images, one.groups, base, ours, one.difference, _sign(one, level)))
    return Table("classes", columns, tuple(rows))


def _order(row: tuple[str, Comparison]) -> tuple[bool, float, str]:
    label, one = row
    return one.difference.high >= 0, one.difference.value, label


def _by_class(found: Payers) -> Iterator[tuple[str, Comparison]]:
    base, ours = (predicted == found.labels for predicted in found.predicted)
    cell = Cell(found.base)
    folds, groups = cell.folds(cell.seeds), cell.groups
    classes = sorted(set(found.labels))
    one_sided = ONE_SIDED / len(classes) / max(record.looks for record in (*found.base, *found.ours))
    for label in classes:
        here = found.labels == label
        yield (
            label,
            intervals.compare(
                ours[:, here],
                base[:, here],
                one_sided=one_sided,
                groups=groups[here],
                folds=None if folds is None else folds[:, here],
            ),
        )


def _sign(one: Comparison, level: Comparison) -> str:
    """Return what is certain of a class, with the reservations of the level's own comparison."""
    if one.difference.low <= 0 <= one.difference.high:
        return str(Verdict.NOT_DECIDED)
    if level.is_withheld:
        return str(Verdict.WITHHELD)
    sign = "loses" if one.difference.high < 0 else "gains"
    return f"{sign} ({THIS_TRAINING})" if level.is_one_training else sign


def confusions_table(found: Payers | None) -> Table:
    """Return the confusions that grew most, in images, as means over seeds."""
    columns = (
        Column("class"),
        Column("taken for"),
        Column("images at the original", table.number(1)),
        Column("images at the level", table.number(1)),
        Column("more", table.number(1)),
    )
    rows = []
    if found is not None:
        base, ours = (_confusions(found.labels, predicted) for predicted in found.predicted)
        grown = sorted(((base[pair] - count, pair) for pair, count in ours.items() if count > base[pair]))
        rows = [(*pair, base[pair], ours[pair], -less) for less, pair in grown[:MOST_CONFUSIONS]]
    return Table("confusions", columns, tuple(rows))


def _confusions(labels: Texts, predicted: Texts) -> Counter[tuple[str, str]]:
    """Count images by label and wrong prediction, as means over seeds."""
    found: Counter[tuple[str, str]] = Counter()
    for one in predicted:
        wrong = one != labels
        found.update(zip(labels[wrong].tolist(), one[wrong].tolist(), strict=True))
    for pair in found:
        found[pair] = found[pair] / len(predicted)  # type: ignore[assignment]
    return found


def flips_table(found: Payers | None) -> Table:
    """Return images that fewer seeds predict rightly at the level, and then those that more do."""
    columns = (
        Column("image"),
        Column("class"),
        Column("right at the original", table.share),
        Column("right at the level", table.share),
        Column("predicted at the original"),
        Column("predicted at the level"),
    )
    if found is None:
        return Table("flips", columns, ())
    base, ours = found.shares
    change = ours - base
    places = [place for place in np.argsort(change, kind="stable") if change[place] < 0][:MOST_FLIPS]
    back = [place for place in np.argsort(-change, kind="stable") if change[place] > 0]
    places += back[: MOST_FLIPS - len(places)]
    rows = [
        (
            found.ids[place],
            found.labels[place],
            float(base[place]),
            float(ours[place]),
            *(_most_common(predicted[:, place]) for predicted in found.predicted),
        )
        for place in places
    ]
    return Table("flips", columns, tuple(rows))


def _most_common(predicted: Texts) -> str:
    return str(Counter(sorted(predicted.tolist())).most_common(1)[0][0])
