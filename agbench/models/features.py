"""Features of an image for a tabular model: its pixels, and statistics of its DCT coefficients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image
from scipy.fft import dct as transform
from threadpoolctl import threadpool_limits

from agbench.core import images, processes

PIXEL_SIDE = 32
BLOCK_SIDE = 8
"""Side of JPEG's blocks, in pixels."""

FeatureValues = npt.NDArray[np.float32]

_ONE_WAY = transform(np.eye(BLOCK_SIDE), axis=0, norm="ortho")
_BASIS = np.kron(_ONE_WAY, _ONE_WAY)
"""A block's 64 values times this are its 64 coefficients, both row by row."""


@dataclass(frozen=True)
class Extractor:
    """One kind of features.

    Parameters
    ----------
    names : tuple of str
        Names of its values.
    values : callable
        Function of an image in mode ``"RGB"`` that returns them as float32, in the order of `names`.
    """

    names: tuple[str, ...]
    values: Callable[[Image.Image], FeatureValues]


def pixels(image: Image.Image) -> FeatureValues:
    """Return the image's own values, scaled to 32x32.

    Parameters
    ----------
    image : PIL.Image.Image
        Mode ``"RGB"``.

    Returns
    -------
    ndarray of float32, shape (3072,)
        Values of 0 to 255 by channel, row and column.

    Examples
    --------
    >>> values = pixels(Image.new("RGB", (64, 48), (10, 20, 30)))
    >>> values.shape, float(values[0]), float(values[-1])
    ((3072,), 10.0, 30.0)
    """
    small = np.asarray(image.resize((PIXEL_SIDE, PIXEL_SIDE), Image.Resampling.BICUBIC))
    return small.transpose(2, 0, 1).astype(np.float32).ravel()


def dct(image: Image.Image) -> FeatureValues:
    """Return statistics of the coefficients of the image's 8x8 blocks, as JPEG cuts them.

    The coefficients are computed from the decoded pixels at every level, never taken from a file: a
    file's own hold exact zeros where these hold rounding noise. Their means and deviations follow from the means
    and covariances of the 64 pixels of all blocks, which are sums of integers, and exact: so a channel without
    variation has deviations of exactly zero, and the number of cores changes nothing.

    Parameters
    ----------
    image : PIL.Image.Image
        Mode ``"RGB"``; sides that are no multiple of 8 are padded with their last row or column.

    Returns
    -------
    ndarray of float32, shape (384,)
        Mean, then standard deviation, over all blocks, by channel (Y, Cb, Cr), row and column of the 64
        coefficients.

    Examples
    --------
    >>> values = dct(Image.new("L", (16, 8), 128).convert("RGB"))
    >>> values.shape, bool((values == 0).all())
    ((384,), True)
    """
    planes = np.asarray(image.convert("YCbCr"))
    height, width, _ = planes.shape
    if height % BLOCK_SIDE or width % BLOCK_SIDE:
        planes = np.pad(planes, ((0, -height % BLOCK_SIDE), (0, -width % BLOCK_SIDE), (0, 0)), mode="edge")
    rows, columns = planes.shape[0] // BLOCK_SIDE, planes.shape[1] // BLOCK_SIDE
    count = rows * columns
    blocks = planes.reshape(rows, BLOCK_SIDE, columns, BLOCK_SIDE, 3)
    means, deviations = [], []
    for channel in range(3):
        values = (
            blocks[..., channel].transpose(0, 2, 1, 3).reshape(count, BLOCK_SIDE * BLOCK_SIDE).astype(np.float64)
            - 128
        )
        total = values.sum(axis=0)
        scatter = count * (values.T @ values) - np.outer(total, total)
        variances = np.einsum("ij,jk,ik->i", _BASIS, scatter, _BASIS, optimize=True) / count**2
        means.append(_BASIS @ total / count)
        deviations.append(np.sqrt(np.maximum(variances, 0)))
    return np.concatenate(means + deviations).astype(np.float32)


EXTRACTORS = {
    "pixels": Extractor(
        tuple(
            f"pixel_{channel}_{row}_{column}"
            for channel in "rgb"
            for row in range(PIXEL_SIDE)
            for column in range(PIXEL_SIDE)
        ),
        pixels,
    ),
    "dct": Extractor(
        tuple(
            f"dct_{statistic}_{channel}_{row}_{column}"
            for statistic in ("mean", "std")
            for channel in ("y", "cb", "cr")
            for row in range(BLOCK_SIDE)
            for column in range(BLOCK_SIDE)
        ),
        dct,
    ),
}
"""Extractors by name; a tabular model names one, or several with ``+`` between them."""


def extract(paths: Sequence[Path], names: Sequence[str], workers: int) -> pd.DataFrame:
    """Compute the features of many images, on several cores.

    Parameters
    ----------
    paths : sequence of Path
        Images that convert to RGB faithfully.
    names : sequence of str
        Keys of `EXTRACTORS`.
    workers : int
        Number of threads; decoding, resizing and multiplying release Python's global lock.

    Returns
    -------
    DataFrame of float32
        One row per image in the order of `paths`, one column per feature.

    Raises
    ------
    UnreadableImageError
        If an image can't be decoded completely.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "grey.png"
    ...     Image.new("RGB", (40, 40), (90, 90, 90)).save(path)
    ...     extract([path], ("dct", "pixels"), workers=1).shape
    (1, 3456)
    """
    extractors = [EXTRACTORS[name] for name in names]

    def row(path: Path) -> FeatureValues:
        with images.opened(path) as image:
            rgb = image.convert("RGB")
        return np.concatenate([extractor.values(rgb) for extractor in extractors])

    # Strict reading is a setting of the process, so it begins before the threads. BLAS has threads of its own.
    with images.strictly(), threadpool_limits(1, "blas"), processes.threads(workers) as pool:
        rows = list(pool.map(row, paths))
    return pd.DataFrame(np.array(rows), columns=[name for extractor in extractors for name in extractor.names])
