"""Checking every image of a data set, against decoding it alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

from PIL import Image

from agbench.core import images, processes
from agbench.core.environment import available_cpus
from agbench.data.check import check_image
from benchmarks import photographs
from benchmarks.row import Row, paired

COPIES, REPEATS = 10, 3


def decode(path: Path) -> None:
    """Decode an image, and do nothing with it."""
    with Image.open(path) as image:
        image.load()


def _through(pool: Executor, way: Callable[[Path], object], paths: list[Path]) -> None:
    for _ in processes.in_order(pool, way, paths):
        pass


def rows() -> Iterator[Row]:
    """Measure both with the same threads."""
    cpus = available_cpus()
    with tempfile.TemporaryDirectory() as scratch:
        paths = photographs.write(Path(scratch)) * COPIES
        with images.strictly(), processes.threads(cpus) as pool:
            both: dict[str, Callable[[Path], object]] = {"decode": decode, "check": check_image}
            ways = {name: partial(_through, pool, way, paths) for name, way in both.items()}
            seconds = paired(ways, REPEATS)
    rate = {name: f"{len(paths) / one:.0f} images/s" for name, one in seconds.items()}
    yield Row(
        f"checking {len(paths)} photographs: read once, hashed, decoded; {cpus} cores",
        rate["check"],
        f"decoding alone: {rate['decode']}",
        seconds["check"] / seconds["decode"],
        "at most 1.3",
    )
