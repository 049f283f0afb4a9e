"""Intervals and comparisons of any metric, from the influence of each image on its value.

Accuracy has a method of its own, `agbench.analysis.intervals`, which is narrower.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from agbench.analysis.clusters import Clusters, Floats, Groups
from agbench.analysis.intervals import (
    MARGIN,
    ONE_SIDED,
    Comparison,
    Folds,
    Interval,
    by_fold,
    crossing,
    more_evidence,
)
from agbench.analysis.spread import Spread
from agbench.core.metric import Metric, Score


@dataclass(frozen=True)
class Influences:
    """Sums over groups of images of their influence on a value, those above zero and those below.

    Parameters
    ----------
    below, above : float
        Sum of those below zero, without the sign, and of those above.
    below_squares, above_squares : float
        Sums of their squares.
    largest : float
        The most that a group of images can change.
    clusters : Clusters
        Images and their groups, at worst.
    """

    below: float
    above: float
    below_squares: float
    above_squares: float
    largest: float
    clusters: Clusters

    @classmethod
    def of(cls, influence: Floats, largest: float, groups: Groups) -> Influences:
        """Sum up the influence of images.

        Parameters
        ----------
        influence : ndarray of float, shape (images,)
            Influence of each image, with a mean of 0.
        largest : float
            The most that one image can change.
        groups : ndarray of int, shape (images,)
            Group of each image.
        """
        _, places, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        sums = np.bincount(places, influence)
        below, above = -sums[sums < 0], sums[sums > 0]
        return cls(
            float(below.sum()),
            float(above.sum()),
            float((below**2).sum()),
            float((above**2).sum()),
            largest * float(sizes.max()),
            Clusters.of_groups(len(groups), groups),
        )

    def times(self, factor: float) -> Influences:
        """Return what so many times the images, of the same kind, would have."""
        return Influences(
            self.below * factor,
            self.above * factor,
            self.below_squares * factor,
            self.above_squares * factor,
            self.largest,
            replace(
                self.clusters,
                images=round(self.clusters.images * factor),
                count=round(self.clusters.count * factor),
            ),
        )

    def reach(self, alpha: float, side: int) -> float:
        """Return how far the interval of the value extends below (side -1) or above (1) it.

        The limits are those of Fay and Feuer, Statistics in Medicine 16, 1997, 791-801, for weighted counts: they
        take what was seen for Poisson, with one more of the largest change, so that they keep their level where
        few images change or none does. Those of what is above and below are joined by the root of squares
        (MOVER: Zou and Donner, Statistics in Medicine 27, 2008, 1693-1702). The level is the one at which the
        normal quantile is Student's, with as many degrees of freedom as `Clusters` has.

        Examples
        --------
        >>> same = Influences.of(np.zeros(400), 1.0, np.arange(400))
        >>> round(same.reach(0.025, -1), 4)
        0.0093
        """
        level = max(float(special.ndtr(special.stdtrit(self.clusters.freedom, alpha))), 1e-300)
        grown, squares = (self.below, self.below_squares) if side < 0 else (self.above, self.above_squares)
        shrunk, other = (self.above, self.above_squares) if side < 0 else (self.below, self.below_squares)
        more = grown + self.largest
        variance = squares + self.largest**2
        upper = variance / more * float(special.gammainccinv(more**2 / variance, level)) - grown
        lower = shrunk - other / shrunk * float(special.gammaincinv(shrunk**2 / other, level)) if other else 0.0
        count = self.clusters.count
        return math.hypot(upper, lower) * math.sqrt(count / max(count - 1, 1)) / self.clusters.images


def interval(metric: Metric, scores: Sequence[Score], groups: Groups) -> Interval:
    """Return a metric's mean over seeds with its 95 % interval over images, or groups of them.

    Parameters
    ----------
    metric : Metric
        What is measured.
    scores : sequence of Score
        One a seed.
    groups : ndarray of int, shape (images,)
        Group of each image.

    Examples
    --------
    >>> from agbench.core.metric import ACCURACY, Predicted
    >>> labels = np.zeros(100, int)
    >>> score = ACCURACY.score(Predicted(labels, (np.arange(100) < 10).astype(int)))
    >>> round(interval(ACCURACY, [score], np.arange(100)).low, 2)
    0.82
    """
    value = float(np.mean([score.value for score in scores]))
    sums = Influences.of(_mean(scores), max(score.largest for score in scores), groups)
    excess = _excess(scores, sums.clusters)
    low, high = (value + side * sums.reach(ONE_SIDED, side) for side in (-1, 1))
    return Interval(value, max(low - excess, 0.0), min(high, metric.most))


def compare(
    metric: Metric,
    ours: Sequence[Score],
    base: Sequence[Score],
    groups: Groups,
    margin: float = MARGIN,
    one_sided: float = ONE_SIDED,
    is_withheld: bool = False,
    spread: Spread | None = None,
    folds: Folds | None = None,
) -> Comparison:
    """Compare two conditions by a metric, on the same images and with the same seeds.

    Parameters
    ----------
    metric : Metric
        What is measured.
    ours, base : sequence of Score
        One a seed, of the same images.
    groups : ndarray of int, shape (images,)
        Group of each image.
    margin : float
        The loss that counts, in the metric's unit.
    one_sided, is_withheld, spread, folds
        As in `agbench.analysis.intervals.compare`.

    Returns
    -------
    Comparison
        The interval is that of `Influences.reach`, joined with Student's interval over the trainings as in
        `agbench.analysis.intervals.compare`. The calibration error's is wider by what its values may exceed the
        truth.

    Examples
    --------
    >>> from agbench.core.metric import METRICS, Predicted
    >>> balanced, labels = METRICS["balanced_accuracy"], np.arange(1000) % 2
    >>> base = balanced.score(Predicted(labels, labels))
    >>> worse = balanced.score(Predicted(labels, np.where(np.arange(1000) < 100, 0, labels)))
    >>> found = compare(balanced, [worse], [base], np.arange(1000))
    >>> round(found.difference.value, 3), str(found.verdict)
    (-0.05, 'inferior')
    """
    pair = _Pair.of(metric, ours, base, groups, spread, folds)
    if pair.gain > -margin:
        p_not_inferior = crossing(lambda alpha: margin + pair.end(alpha, -1))
        p_inferior = 1 - p_not_inferior
    else:
        p_inferior = crossing(lambda alpha: -margin - pair.end(alpha, 1))
        p_not_inferior = 1 - p_inferior
    return Comparison(
        difference=difference(metric, ours, base, groups, one_sided, spread, folds),
        p_values=tuple(
            _Pair.of(metric, [one], [other], groups).p_value() for one, other in zip(ours, base, strict=True)
        ),
        p_not_inferior=p_not_inferior,
        p_inferior=p_inferior,
        margin=margin,
        images=len(groups),
        seeds=len(ours),
        groups=pair.sums.clusters.count,
        folds=pair.trainings // pair.seeds,
        group_size=pair.sums.clusters.size,
        is_withheld=is_withheld,
        metric=metric,
    )


def difference(
    metric: Metric,
    ours: Sequence[Score],
    base: Sequence[Score],
    groups: Groups,
    one_sided: float = ONE_SIDED,
    spread: Spread | None = None,
    folds: Folds | None = None,
) -> Interval:
    """Return the difference of two conditions by a metric, ours minus base, with its interval.

    Parameters are those of `compare`, of which this is a part.
    """
    pair = _Pair.of(metric, ours, base, groups, spread, folds)
    ends = (metric.gain(pair.end(one_sided, side)) for side in (-1, 1))
    low, high = sorted(min(max(end, -metric.most), metric.most) for end in ends)
    return Interval(metric.gain(pair.gain), low, high)


def differences(ours: Sequence[Score], base: Sequence[Score], folds: Folds | None = None) -> list[float]:
    """Return the difference of the values of each training, as `agbench.analysis.intervals.differences` does."""
    by_seed = [one.value - other.value for one, other in zip(ours, base, strict=True)]
    if folds is None:
        return by_seed
    deviations = np.stack([one.influence - other.influence for one, other in zip(ours, base, strict=True)])
    return by_fold(float(np.mean(by_seed)), deviations, folds)


def missing(
    metric: Metric,
    ours: Sequence[Score],
    base: Sequence[Score],
    groups: Groups,
    margin: float = MARGIN,
    one_sided: float = ONE_SIDED,
    spread: Spread | None = None,
    folds: Folds | None = None,
) -> tuple[int | None, int | None]:
    """Return about how much more evidence of the same kind would exclude a loss of the margin.

    Parameters
    ----------
    metric, ours, base, groups, margin, one_sided, spread, folds
        As in `compare`, where that does not show it.

    Returns
    -------
    tuple of (int or None, int or None)
        As of `agbench.analysis.intervals.missing`.
    """
    pair = _Pair.of(metric, ours, base, groups, spread, folds)
    room = pair.gain + margin

    def wanting(factor: float, more: int) -> float:
        return pair.times(factor).with_more_seeds(more).reach(one_sided, -1) - room

    return more_evidence(wanting, len(groups), pair.trainings) if room > 0 else (None, None)


@dataclass(frozen=True)
class _Pair:
    """Two conditions that are compared.

    Parameters
    ----------
    gain : float
        How much better the one is than the base.
    sums : Influences
        Influences on it.
    excess : tuple of float
        How much less, and how much more, the gain may be, as values exceed the truth.
    seeds, trainings : int
        Numbers of seeds, and of trainings: with folds, several for each seed.
    spread : Spread
        Spread of the gain over trainings.
    """

    gain: float
    sums: Influences
    excess: tuple[float, float]
    seeds: int
    trainings: int
    spread: Spread

    @classmethod
    def of(
        cls,
        metric: Metric,
        ours: Sequence[Score],
        base: Sequence[Score],
        groups: Groups,
        spread: Spread | None = None,
        folds: Folds | None = None,
    ) -> _Pair:
        per_training = differences(ours, base, folds)
        influence = _mean(ours) - _mean(base)
        largest = max(score.largest for score in (*ours, *base))
        sums = Influences.of(influence if metric.is_higher_better else -influence, largest, groups)
        # What exceeds the truth at the base looks like a gain where lower is better, and at ours like a loss.
        low, high = _excess(base, sums.clusters), _excess(ours, sums.clusters)
        excess = (high, low) if metric.is_higher_better else (low, high)
        gain = metric.gain(float(np.mean(per_training)))
        return cls(gain, sums, excess, len(ours), len(per_training), spread or Spread.of(per_training))

    def reach(self, alpha: float, side: int) -> float:
        """Return how far the interval extends to a side."""
        over_trainings = self.spread.reach(self.trainings, alpha)
        # With one seed in folds, each training is measured on images of its own.
        join = max if self.trainings > self.seeds == 1 else math.hypot
        return self.excess[side > 0] + join(self.sums.reach(alpha, side), over_trainings)

    def end(self, alpha: float, side: int) -> float:
        return self.gain + side * self.reach(alpha, side)

    def times(self, factor: float) -> _Pair:
        """Return what so many times the images, of the same kind, would have."""
        low, high = (one / math.sqrt(factor) for one in self.excess)
        return replace(self, sums=self.sums.times(factor), excess=(low, high))

    def with_more_seeds(self, more: int) -> _Pair:
        """Return what so many more seeds would have, if the deviation stays as it is."""
        trainings = self.trainings + more * self.trainings // self.seeds
        spread = self.spread.grown(self.trainings, trainings)
        return replace(self, seeds=self.seeds + more, trainings=trainings, spread=spread)

    def p_value(self) -> float:
        """Return the two-sided p-value of no difference."""
        side = 1 if self.gain < 0 else -1
        return 2 * crossing(lambda alpha: abs(self.gain) - self.reach(alpha, side)) if self.gain else 1.0


def _mean(scores: Sequence[Score]) -> Floats:
    """Return the mean influence of each image over seeds."""
    mean: Floats = np.mean([score.influence for score in scores], axis=0)
    return mean


def _excess(scores: Sequence[Score], clusters: Clusters) -> float:
    """Return how much values exceed the truth at most, on average: more by groups of images that go together."""
    return float(np.mean([score.excess for score in scores])) * math.sqrt(clusters.size)
