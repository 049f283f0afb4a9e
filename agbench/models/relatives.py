"""Related images: crops, copies and frames of one origin, found by a backbone's embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from agbench.core import images
from agbench.core.step import OnProgress, Step, no_progress
from agbench.models.backbone import Backbone, embed

BACKBONE = "efficientnet_lite0"
"""Its weights come as a package."""

LOOK_SIDE = 96
"""Side in pixels at which images are embedded."""

ALIKE = 0.95
"""Cosine of two centred embeddings above which their images are related.

Of crops and frames 94 to 98 % have such a neighbour, of distinct photographs none in 276.
"""

AT_ONCE = 256
"""Images between two words on the progress."""


def find(paths: Sequence[Path], cpus: int, on_progress: OnProgress = no_progress) -> list[list[int]]:
    """Return groups of images that look like crops, copies or frames of one another.

    Parameters
    ----------
    paths : sequence of Path
        Images.
    cpus : int
        Number of cores.
    on_progress : callable
        Told how many images have been looked at.

    Returns
    -------
    list of list of int
        Places of the images of each group, two or more, in their order.
    """
    backbone = Backbone.load(BACKBONE, LOOK_SIDE)
    parts = []
    for start in range(0, len(paths), AT_ONCE):
        on_progress(Step("looking for related images", start, len(paths), "images"))
        some = paths[start : start + AT_ONCE]
        parts.append(embed(some, backbone, cpus, 0, _seen))
    on_progress(Step("looking for related images", len(paths), len(paths), "images"))
    return groups_of(np.concatenate(parts)) if parts else []


def _seen(image: Image.Image) -> Image.Image:
    """Return an image's faithful pixels, not turned: images of one origin are turned alike."""
    return images.faithful(image).convert("RGB")


def groups_of(embeddings: npt.NDArray[np.float32]) -> list[list[int]]:
    """Return groups of rows that are alike, each with at least one other of its group.

    Parameters
    ----------
    embeddings : ndarray of float32, shape (images, features)
        One row per image.

    Examples
    --------
    >>> groups_of(np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0.01], [0, 0, 1]], np.float32))
    [[1, 2]]
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    centred = embeddings - embeddings.mean(axis=0)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    first, second = [], []
    for start in range(0, len(centred), AT_ONCE):
        rows, columns = np.nonzero(centred[start : start + AT_ONCE] @ centred.T > ALIKE)
        first.append(rows + start)
        second.append(columns)
    pairs = np.concatenate(first), np.concatenate(second)
    links = coo_matrix((np.ones(len(pairs[0]), bool), pairs), shape=(len(centred), len(centred)))
    _, labels = connected_components(links, directed=False)
    order = np.argsort(labels, kind="stable")
    found = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    return sorted(group.tolist() for group in found if len(group) > 1)
