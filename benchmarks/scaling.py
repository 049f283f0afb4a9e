"""Making the nine variants of many tiny images: rate and memory, up to as many images as SUN397 has."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from agbench.core.environment import available_cpus
from agbench.preprocess.variant import make_missing
from benchmarks.row import Row
from benchmarks.variants import recipes, source_of

FEW, MANY, SIDE = 10_000, 108_754, 32
SHARED = "/dev/shm"
"""A million files on a disk would measure that."""


def rows() -> Iterator[Row]:
    """Measure each number of images in a process of its own, whose largest memory is known."""
    rate, memory = zip(*(_measured(count) for count in (FEW, MANY)), strict=True)
    yield Row(
        f"nine variants of {MANY:,} images of {SIDE}x{SIDE} pixels, beside those of {FEW:,}",
        f"{rate[1]:.0f} images/s, {memory[1]:.0f} MB",
        f"{rate[0]:.0f} images/s, {memory[0]:.0f} MB",
        rate[1] / rate[0],
        "linear: about 1",
    )


def _measured(count: int) -> tuple[float, float]:
    command = [sys.executable, "-m", "benchmarks.scaling", str(count)]
    rate, memory = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(rate), float(memory)


def _main(count: int) -> None:
    with tempfile.TemporaryDirectory(dir=SHARED if os.access(SHARED, os.W_OK) else None) as scratch:
        generator = np.random.default_rng(0)
        paths = []
        for number in range(count):
            folder = Path(scratch) / f"{number // 1000}"
            folder.mkdir(exist_ok=True)
            paths.append(folder / f"{number:06d}.jpg")
            coarse = Image.fromarray(generator.integers(0, 256, (4, 4, 3), dtype=np.uint8))
            coarse.resize((SIDE, SIDE)).save(paths[-1], quality=90)
        source, out = source_of(paths), Path(scratch) / "out"
        started = time.perf_counter()
        make_missing(source, "benchmark", recipes(), out, available_cpus())
        taken = time.perf_counter() - started
        print(count / taken, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
        shutil.rmtree(out)


if __name__ == "__main__":
    _main(int(sys.argv[1]))
