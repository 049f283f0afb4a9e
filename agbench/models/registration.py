"""Whether two images show one scene, seen a little otherwise: one is moved onto the other, then they are compared.

The affine map is found by Gauss-Newton steps, coarse to fine (Lucas and Kanade, 1981; Baker and Matthews, 2004).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

THUMBNAIL = 48
"""Side in pixels of the thumbnails that are compared."""

SCALES = ((3.0, 9.0), (2.0, 6.0), (1.0, 6.0))
"""Standard deviations in pixels of two Gaussians, whose difference is compared: coarse structure first."""

STEPS = 12
"""Maximum number of steps at each scale."""

LEAST_OVERLAP = 0.4
"""Share of a thumbnail that the other must cover."""

_LONGEST_STEP, _SMALLEST_STEP = 0.15, 0.002
"""In half sides of the thumbnail: a step is cut to the first, and one below the second is the last."""

_RIDGE = 1e-3
"""Share of its mean diagonal that is added to the normal matrix, where flat images leave the map open."""

Bands = npt.NDArray[np.float64]


def bands(image: Image.Image) -> Bands:
    """Return a thumbnail's structure at each scale: without its mean brightness, and of equal contrast everywhere.

    Parameters
    ----------
    image : PIL.Image.Image
        Any image; its proportions are given up, which an affine map makes good.

    Returns
    -------
    ndarray of float64, shape (scales, THUMBNAIL, THUMBNAIL)

    Examples
    --------
    >>> bands(Image.new("RGB", (640, 480))).shape
    (3, 48, 48)
    """
    from scipy.ndimage import gaussian_filter

    gray = np.asarray(image.convert("L").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX), np.float64)
    found = []
    for fine, coarse in SCALES:
        band = gaussian_filter(gray, fine) - gaussian_filter(gray, coarse)
        # One gray level at least: noise of flat areas is no structure.
        found.append(band / np.sqrt(gaussian_filter(band**2, coarse) + 1))
    return np.stack(found)


def correlation(fixed: Bands, moving: Bands) -> float:
    """Return the correlation of an image with another one that was moved, turned, sheared and scaled onto it.

    Parameters
    ----------
    fixed, moving : ndarray of float64, shape (scales, THUMBNAIL, THUMBNAIL)
        As `bands` returns them.

    Returns
    -------
    float
        -1 to 1, at the finest scale; 0 where they hardly overlap.

    Examples
    --------
    >>> noise = np.random.default_rng(0).integers(0, 256, (6, 6), np.uint8)
    >>> scene = Image.fromarray(noise).resize((96, 96), Image.Resampling.BICUBIC)
    >>> correlation(bands(scene.crop((0, 0, 90, 90))), bands(scene.crop((6, 4, 96, 92)))) > 0.95
    True
    """
    from scipy.ndimage import map_coordinates

    centre = (THUMBNAIL - 1) / 2
    y, x = (np.mgrid[:THUMBNAIL, :THUMBNAIL].reshape(2, -1) - centre) / centre
    affine = np.stack([np.ones_like(x), x, y])
    found = 0.0
    move = np.zeros((2, 3))
    for still, other in zip(fixed, moving, strict=True):
        slopes = np.gradient(other)
        for _ in range(STEPS):
            at = affine[1:] + move @ affine
            inside = (np.abs(at) <= 1).all(axis=0)
            if inside.mean() < LEAST_OVERLAP:
                return 0.0
            places = centre * (at[::-1, inside] + 1)
            values = map_coordinates(other, places, order=1)
            wanted = still.ravel()[inside]
            found = float(np.corrcoef(wanted, values)[0, 1]) if values.std() and wanted.std() else 0.0
            down, right = (centre * map_coordinates(slope, places, order=1) for slope in slopes)
            jacobian = np.concatenate([right * affine[:, inside], down * affine[:, inside]])
            normal = jacobian @ jacobian.T
            normal += (_RIDGE * np.trace(normal) / len(normal) + np.finfo(float).tiny) * np.eye(len(normal))
            step = np.linalg.solve(normal, jacobian @ (wanted - values))
            if np.abs(step).max() < _SMALLEST_STEP:
                break
            move = move + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP).reshape(2, 3)
    return found
