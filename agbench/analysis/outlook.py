"""What so many images can show, said before anything is run."""

from __future__ import annotations

import math

from agbench.analysis.clusters import Clusters
from agbench.analysis.intervals import CHANGING, ONE_SIDED, in_points, probable_margin, smallest_margin


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
    """
    groups = "" if clusters.size == 1 else f" in {clusters.count:,} group{'s' if clusters.count > 1 else ''}"
    if clusters.count == 1:
        return f"{clusters.images:,} images{groups} can exclude no loss: images of another group may be others"
    best = in_points(smallest_margin(clusters, one_sided), is_bound=True)
    probable = probable_margin(clusters, one_sided)
    expected = f"one of {in_points(probable, is_bound=True)}" if probable < 1 else "none"
    return (
        f"{clusters.images:,} images{groups} can exclude a loss of {best} at best, and will probably exclude "
        f"{expected}, if nothing is lost and {CHANGING:.0%} of them change"
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
    'a margin of 1 point is out of reach of so few images, or groups of them: 4 points are in reach'
    >>> out_of_reach(0.05, Clusters.of_groups(276))
    ''
    """
    if margin > smallest_margin(clusters, one_sided):
        return ""
    reachable = math.ceil(100 * probable_margin(clusters, one_sided)) / 100
    instead = f"{in_points(reachable)} are in reach" if reachable < 1 else "no margin is in reach"
    return f"a margin of {in_points(margin)} is out of reach of so few images, or groups of them: {instead}"
