"""Related images: crops, copies, frames and other views of one scene, found by a backbone's embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from agbench.core import images, processes
from agbench.core.step import OnProgress, Step, no_progress
from agbench.models import registration
from agbench.models.backbone import Backbone, embed

BACKBONE = "efficientnet_lite0"
"""Its weights come as a package."""

LOOK_SIDE = 96
"""Side in pixels at which images are embedded."""

ALIKE = 0.95
"""Cosine of two centred embeddings above which their images are related: crops, copies and frames."""

NEAR = 0.6
"""Cosine above which an image and its nearest neighbour are compared more closely."""

CONGRUENT = 0.94
"""Correlation, after one is moved onto the other, above which these show one scene."""

AT_ONCE = 256
"""Images between two words on the progress."""

Pairs = npt.NDArray[np.int64]


def find(paths: Sequence[Path], cpus: int, on_progress: OnProgress = no_progress) -> list[list[int]]:
    """Return groups of images that look like crops, copies, frames or other views of one another.

    Two images are related if their embeddings are alike. So are nearest neighbours that are only near, if one can
    be moved onto the other: cameras of one scene differ in exposure and perspective, which embeddings see.

    Parameters
    ----------
    paths : sequence of Path
        Images that were decoded strictly before.
    cpus : int
        Number of cores.
    on_progress : callable
        Told how many images have been looked at.

    Returns
    -------
    list of list of int
        Places of the images of each group, two or more, in their order.
    """
    if not paths:
        return []
    backbone = Backbone.load(BACKBONE, LOOK_SIDE)
    parts = []
    for start in range(0, len(paths), AT_ONCE):
        on_progress(Step("looking for related images", start, len(paths), "images"))
        parts.append(embed(paths[start : start + AT_ONCE], backbone, cpus, 0, _seen))
    on_progress(Step("looking for related images", len(paths), len(paths), "images"))
    alike, near = pairs_of(np.concatenate(parts))

    def is_congruent(pair: Sequence[int]) -> bool:
        first, second = (registration.bands(_seen(paths[place])) for place in pair)
        return registration.correlation(first, second) > CONGRUENT

    congruent = []
    with processes.threads(cpus) as pool:
        for place, answer in enumerate(processes.in_order(pool, is_congruent, near.tolist())):
            on_progress(Step("comparing images that look alike", place + 1, len(near), "images"))
            congruent.append(answer)
    return _groups(np.concatenate([alike, near[np.array(congruent, bool)]]), len(paths))


def _seen(path: Path) -> Image.Image:
    """Return an image's faithful pixels, not turned: images of one origin are turned alike."""
    return images.glimpse(path, 2 * LOOK_SIDE)


def pairs_of(embeddings: npt.NDArray[np.float32]) -> tuple[Pairs, Pairs]:
    """Return pairs of rows that are alike, and pairs of nearest neighbours that are only near.

    Parameters
    ----------
    embeddings : ndarray of float32, shape (images, features)
        One row per image.

    Returns
    -------
    tuple of two ndarrays of int, shape (pairs, 2)
        Places of the rows, the smaller one first, each pair once.

    Examples
    --------
    >>> rows = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0.01], [0, 0, 1], [0, 0.3, 1]], np.float32)
    >>> [pairs.tolist() for pairs in pairs_of(rows)]
    [[[1, 2]], [[3, 4]]]
    """
    centred = embeddings - embeddings.mean(axis=0)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    alike, near = [], []
    for start in range(0, len(centred), AT_ONCE):
        cosines = centred[start : start + AT_ONCE] @ centred.T
        own = np.arange(len(cosines))
        cosines[own, start + own] = -1
        rows, columns = np.nonzero(cosines > ALIKE)
        alike.append(np.stack([rows + start, columns], axis=1))
        nearest = cosines.argmax(axis=1)
        is_near = (cosines[own, nearest] > NEAR) & (cosines[own, nearest] <= ALIKE)
        near.append(np.stack([start + own, nearest], axis=1)[is_near])
    return _unique(alike), _unique(near)


def _unique(pairs: Sequence[Pairs]) -> Pairs:
    return np.unique(np.sort(np.concatenate(pairs), axis=1), axis=0)


def _groups(pairs: Pairs, count: int) -> list[list[int]]:
    """Return groups of places that pairs connect, each with two or more."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    links = coo_matrix((np.ones(len(pairs), bool), pairs.T), shape=(count, count))
    _, labels = connected_components(links, directed=False)
    order = np.argsort(labels, kind="stable")
    found = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    return sorted(group.tolist() for group in found if len(group) > 1)
