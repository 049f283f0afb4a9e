"""How much less images of one group tell than independent ones do."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

PRIOR = 1.0
"""Groups that are added as if all of their images had changed together.

Where few images differ, nothing is known of their correlation: then groups count, not images.
"""

Floats = npt.NDArray[np.float64]
Groups = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Clusters:
    """What the groups of images do to the variance of a mean over images.

    Parameters
    ----------
    images, count : int
        Numbers of images and of groups.
    size : float
        Number of images in the group of an average image, itself included; 1 where each image is a group.
    effect : float
        Design effect: variance of the mean over that of as many independent images, 1 to `size`.
    unit : float
        Number of images of the largest group that count as one change, by the correlation that was found.
    """

    images: int
    count: int
    size: float = 1.0
    effect: float = 1.0
    unit: float = 1.0

    def quantile(self, alpha: float) -> float:
        """Return the upper `alpha` quantile of the mean's standardised error, times the root of the effect.

        Student's with as many degrees of freedom as groups of the average image's size, less one; the normal's
        where each image is a group.

        Examples
        --------
        >>> round(Clusters(100, 100).quantile(0.025), 2), round(Clusters(100, 10, 10.0, 10.0).quantile(0.025), 2)
        (1.96, 7.15)
        """
        if self.size == 1:
            return -float(special.ndtri(alpha))
        return -float(special.stdtrit(self.freedom, alpha)) * math.sqrt(self.effect)

    def tail(self, score: float) -> float:
        """Return the one-sided p-value of a score that was computed as if images were independent.

        Examples
        --------
        >>> round(Clusters(100, 100).tail(1.96), 3), round(Clusters(100, 10, 10.0, 10.0).tail(7.15), 3)
        (0.025, 0.025)
        """
        if self.size == 1:
            return float(special.ndtr(-score))
        return float(special.stdtr(self.freedom, -score / math.sqrt(self.effect)))

    @property
    def freedom(self) -> float:
        """Degrees of freedom of Student's t: as many groups as there would be of the average image's, less one."""
        return max(self.images / self.size - 1, 1.0)

    @classmethod
    def of_groups(cls, images: int, groups: Groups | None = None) -> Clusters:
        """Return what groups do at worst: where images of a group change all together.

        Parameters
        ----------
        images : int
            Number of images.
        groups : ndarray of int, shape (images,), optional
            As in `of`.

        Examples
        --------
        >>> Clusters.of_groups(4, np.array([0, 0, 1, 1])).effect
        2.0
        """
        return cls.of(np.zeros(images), groups)

    @classmethod
    def of(cls, values: Floats, groups: Groups | None = None) -> Clusters:
        """Estimate the design effect of the mean of values.

        The larger of two estimates counts: the variance of the groups' sums, and the one that the correlation
        within groups implies for groups of these sizes, as large groups may not have shown what they can do.

        Parameters
        ----------
        values : ndarray of float, shape (images,)
            One value per image, such as the difference of two conditions, -1 to 1.
        groups : ndarray of int, shape (images,), optional
            Group of each image; by default each image is one.

        Examples
        --------
        >>> Clusters.of(np.zeros(6), np.array([0, 0, 1, 1, 2, 2])).effect
        2.0
        >>> Clusters.of(np.zeros(6)).effect
        1.0
        """
        images = len(values)
        if groups is None:
            return cls(images, images)
        _, places, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        if len(sizes) == images:
            return cls(images, images)
        off = values - values.mean()
        sums = np.bincount(places, off)
        squares = np.bincount(places, off**2)
        size = float((sizes**2).sum() / images)
        added = PRIOR * size
        count = len(sizes)
        spread = count / max(count - 1, 1) * float((sums**2).sum())
        by_sums = (spread + added * size) / (float(squares.sum()) + added)
        several = sizes > 1
        pairs = ((sums**2 - squares)[several] / (sizes[several] - 1)).sum()
        correlation = (float(pairs) + added) / (float(squares[several].sum()) + added)
        effect = min(max(by_sums, 1 + (size - 1) * min(max(correlation, 0.0), 1.0), 1.0), size)
        unit = 1 + (float(sizes.max()) - 1) * (effect - 1) / (size - 1)
        return cls(images, count, size, effect, unit)
