"""Intervals and paired comparisons. scipy does the mathematics.

What statsmodels and scipy.stats have of these (Wilson, Holm, McNemar) is compared with theirs in the tests:
importing them takes about as long as a report of a thousand trials.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from agbench.analysis.clusters import Clusters, Floats, Groups
from agbench.analysis.spread import Spread
from agbench.core.enums import StrEnum
from agbench.core.metric import ACCURACY, Metric

CONFIDENCE = 0.95
ONE_SIDED = (1 - CONFIDENCE) / 2
"""Level of one-sided tests, so that they and 95 % intervals agree."""

MARGIN = 0.01
"""What a compressed data set may lose and still count as not inferior: one point of accuracy."""

MARGINS = (MARGIN, 0.02, 0.05, 0.1)
"""Losses for which the lowest level is told that excludes them, in the unit of the metric."""

LARGEST_FACTOR = 1000.0
"""Times the images that there are, beyond which more of them are no advice."""

THIS_TRAINING = "this training"
"""What a verdict is about that rests on one training of a network: others of it differ by a point or two."""

SMALLEST = 1e-12
"""One-sided p-values below this one are given as it."""

Bools = npt.NDArray[np.bool_]
Folds = npt.NDArray[np.int64]

in_points = ACCURACY.amount
"""Returns a difference of accuracy in points, as `agbench.core.metric.Metric.amount` does."""


class Verdict(StrEnum):
    """What a comparison decides about a loss of the margin."""

    NOT_INFERIOR = "not inferior"
    """A loss of the margin or more is excluded."""
    INFERIOR = "inferior"
    """A loss of more than the margin is certain."""
    NOT_DECIDED = "not decided"
    WITHHELD = "withheld"
    """Not inferior if images are independent, which they seem not to be: see `Comparison.is_withheld`."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval.

    Parameters
    ----------
    value, low, high : float
        The estimate, and the interval's ends.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Two conditions compared on the same test images, with the same seeds.

    Parameters
    ----------
    difference : Interval
        Value of the one minus value of the base, -1 to 1 of accuracy; a mean over seeds.
    p_values : tuple of float
        Of the test that the two are equally good, one a seed: of accuracy McNemar's exact one, or where images are
        in groups its score with their design effect; of another metric by the interval's own method.
    p_not_inferior, p_inferior : float
        One-sided: that the loss is the margin or more, and that it is less, by the interval's own method. For the
        latter one loss fewer of accuracy is counted, or one group's, as the score test calls rare losses too often
        certain.
    margin : float
        The loss that counts, in the unit of the metric.
    images, groups, seeds : int
        Numbers of test images, of groups of them, and of seeds.
    folds : int
        Number of trainings with each seed: of a network with folds, their number; otherwise 1.
    group_size : float
        Number of images in the group of an average image; 1 where each image is a group.
    is_withheld : bool
        Whether images seem to be related and their groups are not known, so that "not inferior" is not said.
    is_one_training : bool
        Whether it is of one training of a network, which another training of it may contradict.
    metric : Metric
        What is compared.
    """

    difference: Interval
    p_values: tuple[float, ...]
    p_not_inferior: float
    p_inferior: float
    margin: float
    images: int
    seeds: int
    groups: int
    folds: int = 1
    group_size: float = 1.0
    is_withheld: bool = False
    is_one_training: bool = False
    metric: Metric = ACCURACY

    @property
    def gain(self) -> float:
        """How much better the one is than the base; negative where it is worse."""
        return self.metric.gain(self.difference.value)

    @property
    def trainings(self) -> str:
        """Number of seeds in words, and of the folds that a network was trained for with each."""
        seeds = "one seed" if self.seeds == 1 else f"{self.seeds} seeds"
        if self.folds == 1:
            return seeds
        return f"{self.folds} folds" if self.seeds == 1 else f"{seeds} of {self.folds} folds"

    @property
    def excluded_loss(self) -> float:
        """The largest loss that is excluded: each larger one is, at the interval's level; 0 or more."""
        return max(-min(map(self.metric.gain, (self.difference.low, self.difference.high))), 0.0)

    @property
    def verdict(self) -> Verdict:
        """What this comparison alone decides about a loss of the margin."""
        return decide(self.p_not_inferior, self.p_inferior, is_withheld=self.is_withheld)


def in_words(verdict: Verdict, comparison: Comparison) -> str:
    """Return a verdict on a comparison, and whether it is about one training of a network alone.

    Examples
    --------
    >>> base = np.array([[True] * 900])
    >>> in_words(Verdict.NOT_INFERIOR, replace(compare(base, base), is_one_training=True))
    'not inferior (this training)'
    """
    is_decided = verdict in (Verdict.NOT_INFERIOR, Verdict.INFERIOR)
    return f"{verdict} ({THIS_TRAINING})" if is_decided and comparison.is_one_training else str(verdict)


def decide(
    p_not_inferior: float, p_inferior: float, one_sided: float = ONE_SIDED, is_withheld: bool = False
) -> Verdict:
    """Return the verdict of two one-sided p-values.

    Parameters
    ----------
    p_not_inferior, p_inferior : float
        p-values of a loss of the margin or more, and of a smaller one, 0 to 1.
    one_sided : float
        Significance level of each.
    is_withheld : bool
        As in `Comparison`.

    Examples
    --------
    >>> str(decide(0.01, 0.99))
    'not inferior'
    """
    if p_not_inferior <= one_sided:
        return Verdict.WITHHELD if is_withheld else Verdict.NOT_INFERIOR
    return Verdict.INFERIOR if p_inferior <= one_sided else Verdict.NOT_DECIDED


def accuracy(right: Bools, groups: Groups | None = None) -> Interval:
    """Return the mean accuracy over seeds with its Wilson interval.

    Parameters
    ----------
    right : ndarray of bool, shape (seeds, images)
        Whether an image was predicted rightly.
    groups : ndarray of int, shape (images,), optional
        Group of each image; by default each image is one.

    Returns
    -------
    Interval
        Over the drawing of test images, or of their groups; it knows nothing of the seed.

    Examples
    --------
    >>> round(accuracy(np.array([[True] * 90 + [False] * 10])).low, 3)
    0.826
    """
    by_image = right.mean(axis=0)
    value = float(by_image.mean())
    low, high = _wilson(value, right.shape[1], Clusters.of(by_image, groups).quantile(ONE_SIDED))
    return Interval(value, low, high)


def mean(values: Sequence[float]) -> Interval | None:
    """Return the mean of independent values, such as one a seed, with Student's interval; ``None`` below two.

    Examples
    --------
    >>> round(mean([0.7, 0.8, 0.9]).low, 3)
    0.552
    >>> mean([0.7]) is None
    True
    """
    if len(values) < 2:
        return None
    value = float(np.mean(values))
    half = Spread.of(values).reach(len(values), ONE_SIDED)
    return Interval(value, value - half, value + half)


def compare(
    ours: Bools,
    base: Bools,
    margin: float = MARGIN,
    one_sided: float = ONE_SIDED,
    groups: Groups | None = None,
    is_withheld: bool = False,
    spread: Spread | None = None,
    folds: Folds | None = None,
) -> Comparison:
    """Compare two conditions image by image, and training by training.

    Parameters
    ----------
    ours, base : ndarray of bool, shape (seeds, images)
        Whether an image was predicted rightly; the same seeds and images in the same order.
    margin : float
        The loss that counts.
    one_sided : float
        Level of the one-sided test that each end of the interval stands for; by default that of a 95 % interval.
    groups : ndarray of int, shape (images,), optional
        Group of each image: images of one origin, which are not independent. By default each image is one.
    is_withheld : bool
        As in `Comparison`.
    spread : Spread, optional
        Spread of the difference over trainings; by default that of these trainings alone.
    folds : ndarray of int, shape (seeds, images), optional
        Fold of each image, from 0, where each fold was predicted by a training of its own. By default, each seed
        is one training.

    Returns
    -------
    Comparison
        With one seed, Tango's score interval for a paired difference (Statistics in Medicine 17, 1998,
        891-908), which keeps its level where images are only lost, too. Where images are in groups, it is
        widened by the root of their design effect, and Student's t takes the normal's place
        (`agbench.analysis.clusters`). With several seeds the same over the mean table, joined by the root of
        squares with Student's interval over the trainings as clusters: few trainings give a wide interval. With
        one seed and folds, the larger of the two: each training is measured on images of its own, so that the
        spread over trainings holds that over images, too. The one-sided p-values are the levels at which this
        interval's ends meet the margin.

    Raises
    ------
    ValueError
        If the shapes differ, or are empty.

    Examples
    --------
    >>> base = np.array([[True] * 180 + [False] * 20])
    >>> ours = np.array([[True] * 176 + [False] * 24])
    >>> round(compare(ours, base).difference.low, 3)
    -0.05
    """
    if ours.shape != base.shape or ours.ndim != 2 or not ours.size:
        raise ValueError("a paired comparison needs the same seeds and images, and some of both")
    seeds, images = ours.shape
    counts = [_table(*pair) for pair in zip(ours, base, strict=True)]
    table = np.mean(counts, axis=0)
    per_training = differences(ours, base, folds)
    value = float(np.mean(per_training))
    spread = spread or Spread.of(per_training)
    join = math.hypot if folds is None or seeds > 1 else max
    clusters = Clusters.of(ours.mean(axis=0) - base.mean(axis=0), groups)

    def end(alpha: float, side: int, found: float = value, counts: Floats = table) -> float:
        over_images = _score_reach(counts, clusters.quantile(alpha), side)
        return found + side * join(over_images, spread.reach(len(per_training), alpha))

    # The end that lies between the estimate and the margin meets it at one level; the other test mirrors it.
    if value > -margin:
        p_not_inferior = crossing(lambda alpha: margin + end(alpha, -1))
        p_inferior = 1 - p_not_inferior
    else:
        p_not_inferior = 1 - crossing(lambda alpha: -margin - end(alpha, 1))
        fewer, at = _with_fewer_lost(table, clusters.unit)
        p_inferior = crossing(lambda alpha: -margin - end(alpha, 1, at, fewer)) if at < -margin else 0.5
    return Comparison(
        difference=Interval(value, max(end(one_sided, -1), -1.0), min(end(one_sided, 1), 1.0)),
        p_values=tuple(_mcnemar(gained, lost, clusters) for _, gained, lost, _ in counts),
        p_not_inferior=p_not_inferior,
        p_inferior=p_inferior,
        margin=margin,
        images=images,
        seeds=seeds,
        groups=clusters.count,
        folds=1 if folds is None else len(np.unique(folds)),
        group_size=clusters.size,
        is_withheld=is_withheld,
    )


def differences(ours: Bools, base: Bools, folds: Folds | None = None) -> list[float]:
    """Return the difference of accuracy of each training.

    Parameters
    ----------
    ours, base, folds
        As in `compare`.

    Returns
    -------
    list of float
        One a seed; with folds, one for each fold of each seed: the difference of all images, and the fold's own
        deviation from it, weighted by its images, so that the mean is the difference of all images.

    Examples
    --------
    >>> ours, base = np.array([[True, False, True, True]]), np.array([[True] * 4])
    >>> differences(ours, base), differences(ours, base, np.array([[0, 0, 1, 1]]))
    ([-0.25], [-0.5, 0.0])
    """
    by_seed = ours.mean(axis=1) - base.mean(axis=1)
    if folds is None:
        found: list[float] = by_seed.tolist()
        return found
    return by_fold(float(by_seed.mean()), ours.astype(float) - base - by_seed.mean(), folds)


def by_fold(value: float, deviations: Floats, folds: Folds) -> list[float]:
    """Return one value for each fold of each seed, from how much each image deviates from the value of all.

    Parameters
    ----------
    value : float
        Mean over all of them.
    deviations : ndarray of float, shape (seeds, images)
        Deviation of each image, with a mean of 0.
    folds : ndarray of int, shape (seeds, images)
        Fold of each image.

    Examples
    --------
    >>> by_fold(0.5, np.array([[-0.5, 0.5, 0.5, -0.5]]), np.array([[0, 0, 1, 1]]))
    [0.5, 0.5]
    """
    sums = [np.bincount(fold, of_seed)[np.unique(fold)] for fold, of_seed in zip(folds, deviations, strict=True)]
    return [value + len(of_seed) * float(part) / folds.shape[1] for of_seed in sums for part in of_seed]


def missing(
    ours: Bools,
    base: Bools,
    margin: float = MARGIN,
    one_sided: float = ONE_SIDED,
    groups: Groups | None = None,
    spread: Spread | None = None,
    folds: Folds | None = None,
) -> tuple[int | None, int | None]:
    """Return about how much more evidence of the same kind would exclude a loss of the margin.

    Parameters
    ----------
    ours, base, margin, one_sided, groups, spread, folds
        As in `compare`, where that does not show it.

    Returns
    -------
    tuple of (int or None, int or None)
        More images, in groups like those that there are, with these seeds; more seeds, with these images.
        ``None`` where no number of them would, as far as the difference that was found is the true one. The spread
        over folds is taken to stay as it is, though more images would make it smaller.
    """
    table = np.mean([_table(*pair) for pair in zip(ours, base, strict=True)], axis=0)
    per_training = differences(ours, base, folds)
    value, spread = float(np.mean(per_training)), spread or Spread.of(per_training)
    seeds, images = ours.shape
    each = len(per_training) // seeds
    clusters = Clusters.of(ours.mean(axis=0) - base.mean(axis=0), groups)
    room = value + margin

    def wanting(factor: float, more: int) -> float:
        more_images = replace(clusters, images=round(images * factor))
        over_images = _score_reach(table * factor, more_images.quantile(one_sided), -1)
        trainings = each * (seeds + more)
        over_trainings = spread.grown(len(per_training), trainings).reach(trainings, one_sided)
        join = math.hypot if folds is None or seeds + more > 1 else max
        return join(over_images, over_trainings) - room

    return more_evidence(wanting, images, len(per_training)) if room > 0 else (None, None)


def more_evidence(
    wanting: Callable[[float, int], float], images: int, trainings: int
) -> tuple[int | None, int | None]:
    """Return about how many more images, or seeds, are enough.

    Parameters
    ----------
    wanting : callable
        Takes how many times the images there are, and how many more seeds; returns what is wanting, below zero
        where that is enough.
    images, trainings : int
        How many there are. The spread over trainings is not known from one.

    Returns
    -------
    tuple of (int or None, int or None)
        As of `missing`.

    Examples
    --------
    >>> more_evidence(lambda factor, more: 3 - factor, 100, 1)
    (200, None)
    """
    most = LARGEST_FACTOR
    factor = float(optimize.brentq(wanting, 1, most, args=(0,))) if wanting(1, 0) > 0 >= wanting(most, 0) else None
    enough = (more for more in range(1, int(most)) if wanting(1, more) < 0)
    more_seeds = next(enough, None) if trainings > 1 else None
    return None if factor is None else math.ceil(images * (factor - 1)), more_seeds


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values of several tests for their number (Holm, Scandinavian Journal of Statistics 6, 1979).

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.maximum.accumulate(np.minimum(np.asarray(p_values, dtype=float)[order] * factors, 1.0))
    found: list[float] = corrected.tolist()
    return found


def _table(ours: Bools, base: Bools) -> tuple[int, int, int, int]:
    """Count images right in both, gained, lost, and wrong in both."""
    return (
        int((ours & base).sum()),
        int((ours & ~base).sum()),
        int((~ours & base).sum()),
        int((~ours & ~base).sum()),
    )


def _with_fewer_lost(table: Floats, unit: float) -> tuple[Floats, float]:
    """Return a table in which up to so many images are right in both instead of lost, and its difference."""
    both, gained, lost, neither = map(float, table)
    moved = min(unit, lost)
    fewer = np.array([both + moved, gained, lost - moved, neither])
    return fewer, (gained - lost + moved) / float(table.sum())


def _mcnemar(gained: int, lost: int, clusters: Clusters) -> float:
    """Test whether gains and losses are equally likely: exactly, but where images are in groups."""
    if clusters.size > 1 and gained + lost:
        return 2 * clusters.tail(abs(gained - lost) / math.sqrt(gained + lost))
    return min(2 * float(special.bdtr(min(gained, lost), gained + lost, 0.5)), 1.0) if gained + lost else 1.0


def _wilson(share: float, images: float, z: float) -> tuple[float, float]:
    """Return Wilson's interval, `z` standard deviations wide (J. Am. Stat. Assoc. 22, 1927)."""
    square = z * z / images
    centre = (share + square / 2) / (1 + square)
    half = math.sqrt(max(square * share * (1 - share) + square * square / 4, 0)) / (1 + square)
    return min(max(centre - half, 0.0), share), max(min(centre + half, 1.0), share)


def _score(gained: float, lost: float, images: float, difference: float) -> float:
    """Return Tango's score: standard errors between the found difference and a supposed one."""
    middle = gained + lost - difference * (2 * images - gained + lost)
    root = math.sqrt(max(middle * middle + 8 * images * lost * difference * (1 - difference), 0))
    # The share of lost images that is most likely where the difference is the supposed one.
    share = (middle + root) / (4 * images)
    variance = (2 * share + difference * (1 - difference)) / images
    off = (gained - lost) / images - difference
    return off / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, off) if off else 0.0


def _score_reach(table: Floats, z: float, side: int) -> float:
    """Return how far the score interval extends below (side -1) or above (1) the difference."""
    _, gained, lost, _ = map(float, table)
    images = float(table.sum())
    value = (gained - lost) / images
    if side * value >= 1:
        return 0.0

    def excess(reach: float) -> float:
        return abs(_score(gained, lost, images, value + side * reach)) - z

    most = 1 - side * value
    return most if excess(most) <= 0 else float(optimize.brentq(excess, 0, most, xtol=1e-12))


def crossing(excess: Callable[[float], float]) -> float:
    """Return the one-sided level, up to 0.5, at which a function of it is zero that is negative at small ones.

    Examples
    --------
    >>> round(crossing(lambda alpha: alpha - 0.1), 6)
    0.1
    """
    if excess(SMALLEST) >= 0:
        return SMALLEST
    if excess(0.5) <= 0:
        return 0.5
    return float(optimize.brentq(excess, SMALLEST, 0.5, xtol=1e-15))
