"""What so many images can show, said before anything is run."""

from __future__ import annotations

import math
from bisect import bisect_left

from scipy import special

from agbench.analysis.clusters import Clusters
from agbench.analysis.intervals import MARGIN, ONE_SIDED, in_points

CHANGING, POWER = 0.05, 0.8
"""Expected before a run: share of images that change their outcome, and how often a margin will be shown."""


def outlook(clusters: Clusters, one_sided: float = ONE_SIDED) -> str:
    """Return which loss so many images can exclude, in a line.

    Parameters
    ----------
    clusters : Clusters
        Images that are tested, and their groups at worst (`Clusters.of_groups`).
    one_sided : float
        Level of the one-sided test of each loss.

    Examples
    --------
    >>> print(outlook(Clusters.of_groups(360)))
    360 images can exclude a loss of 1.06 points at best, and will probably exclude one of 3.31 points, ...
    >>> import numpy as np
    >>> print(outlook(Clusters.of_groups(360, np.arange(360) // 10)))
    360 images in 36 groups will probably exclude a loss of ... points, if nothing is lost and 5% of them ...
    """
    groups = "" if clusters.size == 1 else f" in {clusters.count:,} group{'s' if clusters.count > 1 else ''}"
    if clusters.count == 1:
        return f"{clusters.images:,} images{groups} can exclude no loss: images of another group may be others"
    probable = probable_margin(clusters, one_sided)
    amount = in_points(probable, is_bound=True)
    expected = f"if nothing is lost and {CHANGING:.0%} of them change"
    if clusters.size > 1:
        loss = f"a loss of {amount}" if probable < 1 else "none"
        return (
            f"{clusters.images:,} images{groups} will probably exclude {loss}, {expected}, those of a group all "
            "together; a smaller one where they change each on its own"
        )
    best = in_points(smallest_margin(clusters, one_sided), is_bound=True)
    loss = f"one of {amount}" if probable < 1 else "none"
    return (
        f"{clusters.images:,} images can exclude a loss of {best} at best, and will probably exclude {loss}, "
        f"{expected}"
    )


def out_of_reach(margin: float, clusters: Clusters, one_sided: float = ONE_SIDED) -> str:
    """Return that a margin is too small for so many images, and one that is not; empty where it can be shown.

    Parameters
    ----------
    margin : float
        Smallest loss that counts, 0 to 1.
    clusters, one_sided
        As in `outlook`.

    Examples
    --------
    >>> out_of_reach(0.01, Clusters.of_groups(276))
    'a margin of 1 point is out of reach of so few images: 4 points are in reach'
    >>> out_of_reach(0.05, Clusters.of_groups(276))
    ''
    """
    if margin > smallest_margin(clusters, one_sided):
        return ""
    reachable = math.ceil(100 * probable_margin(clusters, one_sided)) / 100
    instead = f"{in_points(reachable)} are in reach" if reachable < 1 else "no margin is in reach"
    few = "so few images" if clusters.size == 1 else "so few groups, if their images change all together"
    return f"a margin of {in_points(margin)} is out of reach of {few}: {instead}"


def smallest_margin(clusters: Clusters, one_sided: float = ONE_SIDED) -> float:
    """Return the smallest loss that so many images can exclude, if none is lost.

    Parameters
    ----------
    clusters : Clusters
        Number of images, and their groups.
    one_sided : float
        As in `agbench.analysis.intervals.compare`.

    Examples
    --------
    >>> round(smallest_margin(Clusters.of_groups(276)), 4)
    0.0137
    """
    # The lower end of Tango's interval is -z^2 / (n + z^2) there.
    square = clusters.quantile(one_sided) ** 2
    return square / (clusters.images + square)


def probable_margin(clusters: Clusters, one_sided: float = ONE_SIDED) -> float:
    """Return the loss that so many images will probably exclude, if nothing is lost.

    Probably: in four of five cases, where the share `CHANGING` of images is right at one of two levels alone.

    Parameters
    ----------
    clusters, one_sided
        As in `smallest_margin`.

    Examples
    --------
    >>> round(probable_margin(Clusters.of_groups(276)), 3)
    0.038
    """
    error = math.sqrt(CHANGING * clusters.effect / clusters.images)
    reach = clusters.quantile(one_sided) / math.sqrt(clusters.effect) - float(special.ndtri(1 - POWER))
    return min(max(reach * error, smallest_margin(clusters, one_sided)), 1.0)


def fewest_images(margin: float = MARGIN, one_sided: float = ONE_SIDED, group_size: float = 1.0) -> int:
    """Return the smallest number of images that can exclude a loss of the margin, if none is lost.

    Parameters
    ----------
    margin, one_sided
        As in `agbench.analysis.intervals.compare`.
    group_size : float
        As in `agbench.analysis.intervals.Comparison`.

    Examples
    --------
    >>> fewest_images(margin=0.05), fewest_images(margin=0.05, group_size=10)
    (73, 755)
    """

    def is_enough(images: int) -> bool:
        clusters = Clusters(images, round(images / group_size), group_size, group_size)
        return smallest_margin(clusters, one_sided) < margin

    most = 1
    while not is_enough(most):
        most *= 2
    return bisect_left(range(most), True, key=lambda images: is_enough(max(images, 1)))
