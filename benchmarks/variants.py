"""Making the nine variants of a data set, against what people write, and against libjpeg alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
from PIL import Image

from agbench.core.condition import Preprocessing
from agbench.core.environment import available_cpus
from agbench.core.files import Content
from agbench.preprocess.variant import materialise
from agbench.preprocess.writing import VariantRecipe
from agbench.studies.study import PAPER_LEVELS
from benchmarks import photographs
from benchmarks.row import Row, paired

LEVELS, REPEATS = PAPER_LEVELS[1:], 3
LIMIT = "AGBENCH_JPEG_LIMIT"
"""Environment variable: what does the same with libjpeg alone: ``PROGRAM once FOLDER PROCESSES FILE...``."""


def recipes() -> list[VariantRecipe]:
    """Give those of the paper's levels."""
    return [VariantRecipe(Preprocessing.at(level)) for level in LEVELS]


def source_of(paths: list[Path]) -> pd.DataFrame:
    """Give what a data set's index says of images."""
    contents = [Content.of(path) for path in paths]
    return pd.DataFrame(
        {
            "image_id": [path.name for path in paths],
            "image": [str(path) for path in paths],
            "bytes": [one.bytes for one in contents],
            "sha256": [one.sha256 for one in contents],
        }
    )


def rows() -> Iterator[Row]:
    """Measure on tmpfs where there is one, and in the folder for temporary files."""
    for place in ("/dev/shm", tempfile.gettempdir()):
        if os.access(place, os.W_OK):
            with tempfile.TemporaryDirectory(dir=place) as scratch:
                yield from _rows(Path(scratch), "tmpfs" if place == "/dev/shm" else "disk")


def _rows(scratch: Path, where: str) -> Iterator[Row]:
    paths = photographs.write(scratch / "photographs")
    source, cpus = source_of(paths), available_cpus()
    out = scratch / "out"

    def naive() -> None:
        for level in LEVELS:
            folder = out / f"{level:g}"
            folder.mkdir(parents=True)
            for path in paths:
                Image.open(path).save(folder / path.name, quality=round(100 * level))
        shutil.rmtree(out)

    def ours() -> None:
        materialise(source, "benchmark", recipes(), out, cpus)
        shutil.rmtree(out)

    ways: dict[str, Callable[[], None]] = {"naive": naive, "ours": ours}
    program = os.environ.get(LIMIT)
    if program:

        def limit() -> None:
            for quality in range(10, 100, 10):
                (out / f"q{quality:03d}").mkdir(parents=True)
            command = [program, "once", str(out), str(cpus), *map(str, paths)]
            subprocess.run(command, check=True, capture_output=True)
            shutil.rmtree(out)

        ways["limit"] = limit
    seconds = paired(ways, REPEATS)
    rate = {name: f"{len(paths) / one:.0f} images/s" for name, one in seconds.items()}
    what = f"nine variants of {len(paths)} photographs, {where}, {cpus} cores"
    asked = "at least 5" if where == "tmpfs" else "at least 4.5"
    yield Row(
        what,
        rate["ours"],
        f"open and save in one process: {rate['naive']}",
        seconds["naive"] / seconds["ours"],
        asked,
    )
    if program:
        ratio = seconds["limit"] / seconds["ours"]
        yield Row(what, rate["ours"], f"libjpeg alone: {rate['limit']}", ratio, "at least 0.8")
