"""Features for tabular models, against the straightforward way."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.fft import dctn

from agbench.core.environment import available_cpus
from agbench.models import features
from benchmarks import photographs
from benchmarks.row import Row, paired

REPEATS = 3


def pixels(image: Image.Image) -> Any:
    """Resize."""
    return np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC))


def dct(image: Image.Image) -> Any:
    """Transform each block of 8x8 with scipy."""
    planes = np.asarray(image.convert("YCbCr"), dtype=float) - 128
    height, width, _ = planes.shape
    planes = np.pad(planes, ((0, -height % 8), (0, -width % 8), (0, 0)), mode="edge")
    blocks = planes.reshape(planes.shape[0] // 8, 8, -1, 8, 3)
    found = dctn(blocks, axes=(1, 3), norm="ortho")
    return found.mean(axis=(0, 2)), found.std(axis=(0, 2))


def rows() -> Iterator[Row]:
    """Measure each kind, on one core and on all."""
    with tempfile.TemporaryDirectory() as scratch:
        paths = photographs.write(Path(scratch))
        for name, way in {"pixels": pixels, "dct": dct}.items():

            def straightforward(way: Any = way) -> None:
                for path in paths:
                    way(Image.open(path).convert("RGB"))

            threads = {f"{count}": partial(features.extract, paths, (name,), count) for count in _counts()}
            seconds = paired({"straightforward": straightforward, **threads}, REPEATS)
            rate = {one: f"{len(paths) / taken:.0f} images/s" for one, taken in seconds.items()}
            for count in threads:
                yield Row(
                    f"{name} features of {len(paths)} photographs, {count} threads",
                    rate[count],
                    f"straightforward, one process: {rate['straightforward']}",
                    seconds["straightforward"] / seconds[count],
                    "at least 1.5 on all cores",
                )


def _counts() -> list[int]:
    return sorted({1, available_cpus()})
