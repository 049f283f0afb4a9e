"""How much trainings differ: the spread over seeds or folds, estimated over all levels of a model together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

SHARED_VARIANCE = 0.5
"""Correlation of the differences at two levels, as all are differences to the same trainings on originals.

One half is what levels have that vary as the original does.
"""


@dataclass(frozen=True)
class Spread:
    """Spread of a difference over trainings.

    Parameters
    ----------
    deviation : float
        Standard deviation over trainings, as a share of images.
    freedom : float
        Degrees of freedom that it is estimated with; 0 for one training, which has no spread.
    """

    deviation: float = 0.0
    freedom: float = 0.0

    @classmethod
    def of(cls, differences: Sequence[float]) -> Spread:
        """Estimate the spread from one difference per training.

        Examples
        --------
        >>> Spread.of([0.01, 0.03]).freedom, Spread.of([0.01])
        (1, Spread(deviation=0.0, freedom=0.0))
        """
        if len(differences) < 2:
            return cls()
        return cls(float(np.std(differences, ddof=1)), len(differences) - 1)

    def grown(self, trainings: int, more: int) -> Spread:
        """Return the spread as more trainings would estimate it, if the deviation stays as it is.

        Examples
        --------
        >>> Spread.of([0.01, 0.03]).grown(2, 4).freedom
        3.0
        """
        return self if trainings == 1 else replace(self, freedom=self.freedom * (more - 1) / (trainings - 1))

    def reach(self, trainings: int, alpha: float) -> float:
        """Return how far the interval of a mean over trainings extends to a side, by Student's t; 0 for one.

        Parameters
        ----------
        trainings : int
            Number of trainings of the mean.
        alpha : float
            One-sided level.
        """
        if not self.freedom:
            return 0.0
        return -float(special.stdtrit(self.freedom, alpha)) * self.deviation / math.sqrt(trainings)


def pooled(differences: Mapping[float, Sequence[float]]) -> dict[float, Spread]:
    """Estimate the spread at each level from the differences at all levels of a model.

    The variance at a level is that of all levels together, or where it is larger, the one that an isotonic
    regression over the levels gives it: compressing more may make trainings differ more, which the lowest levels
    must not hide behind the others. Degrees of freedom are Satterthwaite's for levels that are correlated by
    `SHARED_VARIANCE`.

    Parameters
    ----------
    differences : mapping of float to sequence of float
        Accuracy minus that of the original, one value a training, by level.

    Returns
    -------
    dict of float to Spread
        By level; levels with one training have no spread, and add nothing to that of the others.

    Examples
    --------
    >>> found = pooled({0.9: [0.01, -0.01, 0.0], 0.5: [0.0, 0.02, 0.01], 0.1: [-0.3]})
    >>> round(found[0.9].deviation, 3), found[0.9].freedom, found[0.1].freedom
    (0.01, 3.2, 0.0)
    """
    several = sorted((level for level, values in differences.items() if len(values) > 1), reverse=True)
    if len(several) < 2:
        return {level: Spread.of(values) for level, values in differences.items()}
    variances = np.array([np.var(differences[level], ddof=1) for level in several])
    weights = np.array([len(differences[level]) - 1.0 for level in several])
    together = float(np.average(variances, weights=weights))
    rising = optimize.isotonic_regression(variances, weights=weights)
    found = {}
    for start, end in pairwise(rising.blocks):
        # A variance counts with the degrees of freedom of the levels that it is the mean of.
        is_larger = float(rising.x[start]) > together
        variance, among = (float(rising.x[start]), slice(start, end)) if is_larger else (together, slice(None))
        spread = Spread(math.sqrt(variance), _freedom(weights[among]))
        found.update(dict.fromkeys(several[start:end], spread))
    return {level: found.get(level, Spread()) for level in differences}


def _freedom(weights: npt.NDArray[np.float64]) -> float:
    """Return Satterthwaite's degrees of freedom of the mean of variances that are correlated."""
    return float(weights.sum()) / (1 + (len(weights) - 1) * SHARED_VARIANCE**2)
