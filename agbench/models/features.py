"""Features of an image for a tabular model: its pixels, and statistics of its DCT coefficients."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy.fft import dctn

from agbench import images, processes

PIXEL_SIDE = 32
BLOCK = 8
"""Side of JPEG's blocks, in pixels."""

CHUNK = 32

Extractor = Callable[[Image.Image], dict[str, float]]


def pixels(image: Image.Image) -> dict[str, float]:
    """Give the image's own values, scaled to 32x32.

    Parameters
    ----------
    image : PIL.Image.Image
        Mode ``"RGB"``.

    Returns
    -------
    dict of str to float
        3,072 values of 0 to 255: ``pixel_<channel>_<row>_<column>``.
    """
    small = np.asarray(image.resize((PIXEL_SIDE, PIXEL_SIDE), Image.Resampling.BICUBIC))
    return {
        f"pixel_{channel}_{row}_{column}": float(small[row, column, place])
        for place, channel in enumerate("rgb")
        for row in range(PIXEL_SIDE)
        for column in range(PIXEL_SIDE)
    }


def dct(image: Image.Image) -> dict[str, float]:
    """Give statistics of the coefficients of the image's 8x8 blocks, as JPEG cuts them.

    The coefficients are computed from the decoded pixels at every level, never taken from a file: a
    file's own hold exact zeros where these hold rounding noise.

    Parameters
    ----------
    image : PIL.Image.Image
        Mode ``"RGB"``; sides that are no multiple of 8 are padded with their last row or column.

    Returns
    -------
    dict of str to float
        384 values: mean and standard deviation over all blocks of each of the 64 coefficients of
        Y, Cb and Cr, ``dct_<statistic>_<channel>_<row>_<column>``.
    """
    planes = np.asarray(image.convert("YCbCr"), dtype=np.float64) - 128
    height, width, _ = planes.shape
    planes = np.pad(planes, ((0, -height % BLOCK), (0, -width % BLOCK), (0, 0)), mode="edge")
    rows, columns = planes.shape[0] // BLOCK, planes.shape[1] // BLOCK
    blocks = planes.reshape(rows, BLOCK, columns, BLOCK, 3)
    coefficients = dctn(blocks, axes=(1, 3), norm="ortho")
    statistics = {"mean": coefficients.mean(axis=(0, 2)), "std": coefficients.std(axis=(0, 2))}
    return {
        f"dct_{statistic}_{channel}_{row}_{column}": float(values[row, column, place])
        for statistic, values in statistics.items()
        for place, channel in enumerate(("y", "cb", "cr"))
        for row in range(BLOCK)
        for column in range(BLOCK)
    }


EXTRACTORS: dict[str, Extractor] = {"pixels": pixels, "dct": dct}
"""By name; a tabular model names one, or several with ``+`` between them."""


def extract(paths: list[Path], names: tuple[str, ...], workers: int) -> pd.DataFrame:
    """Compute the features of many images, on several cores.

    Parameters
    ----------
    paths : list of Path
        Images that convert to RGB faithfully.
    names : tuple of str
        Of `EXTRACTORS`.
    workers : int
        Processes.

    Returns
    -------
    DataFrame of float32
        A row an image in the order of `paths`.

    Raises
    ------
    UnreadableImageError
        If one can't be read whole.
    """
    with processes.pool(workers) as pool:
        rows = list(pool.map(partial(_extract, names=names), paths, chunksize=CHUNK))
    return pd.DataFrame(rows, dtype=np.float32)


def _extract(path: Path, names: tuple[str, ...]) -> dict[str, float]:
    with images.opened(path) as image:
        rgb = image.convert("RGB")
    return {feature: value for name in names for feature, value in EXTRACTORS[name](rgb).items()}
