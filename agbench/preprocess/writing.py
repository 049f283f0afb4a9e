"""Writing an image's files for several variants at once: decoded once, encoded for each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from agbench import files, images
from agbench.condition import Preprocessing
from agbench.preprocess.codec import LOSSLESS, Codec, Metadata, find
from agbench.preprocess.noise import add_noise

FOLDER, IN_A_FOLDER = "images", 1000
"""Where a variant's files lie, and how many of them in each of its folders."""


@dataclass(frozen=True)
class Recipe:
    """What makes a variant's pixels: a preprocessing, and the seed where it draws noise.

    Parameters
    ----------
    preprocessing : Preprocessing
        What is done.
    seed : int, optional
        Of the noise; ``None`` without noise, so that seeds share the variant.
    """

    preprocessing: Preprocessing
    seed: int | None = None

    @classmethod
    def of(cls, preprocessing: Preprocessing, seed: int) -> Recipe:
        """Give the recipe for a condition's preprocessing and seed."""
        return cls(preprocessing, None if preprocessing.noise is None else seed)

    @property
    def writer(self) -> Codec:
        """How the variant's files are written."""
        name = self.preprocessing.codec
        return LOSSLESS if name is None else find(name)


class Source(NamedTuple):
    """An image of the data set: its place there, id, path and bytes."""

    number: int
    image_id: str
    path: str
    bytes: int


class Written(NamedTuple):
    """A row of a variant's index.

    ``bytes`` are those that count: of the file, or of the source where the images are as they are. Without a
    ``file`` (relative) the source's own is read. ``seconds`` are for encoding and writing.
    """

    image_id: str
    bytes: int
    file: str | None = None
    file_bytes: int = 0
    modified: int = 0
    sha256: str = ""
    seconds: float = 0.0


def make_folders(home: Path, count: int) -> None:
    """Make the folders in a variant's that so many images take."""
    for first in range(0, count, IN_A_FOLDER):
        (home / _folder(first)).mkdir(parents=True)


def write_all(sources: Sequence[Source], homes: Mapping[Recipe, Path]) -> list[list[Written]]:
    """Write images' files into the variants' folders, and give their rows by variant."""
    wanted = [(recipe, recipe.writer, home) for recipe, home in homes.items()]
    by_image = [_write(source, wanted) for source in sources]
    return [list(rows) for rows in zip(*by_image, strict=True)]


def _write(source: Source, wanted: Sequence[tuple[Recipe, Codec, Path]]) -> list[Written]:
    with images.opened(Path(source.path)) as image:
        # AutoMM takes a semicolon for the end of a path.
        as_is = images.reads_faithfully(image) and ";" not in source.path
        pixels = images.faithful(image)
        turned = Metadata.of_orientation(images.orientation(image))
    noisy: dict[tuple[float, int | None], Image.Image] = {}
    written = []
    for recipe, writer, home in wanted:
        preprocessing = recipe.preprocessing
        if preprocessing.is_original and as_is:
            written.append(Written(source.image_id, source.bytes))
            continue
        seen = pixels
        if preprocessing.noise is not None:
            drawn = (preprocessing.noise, recipe.seed)
            if drawn not in noisy:
                noisy[drawn] = add_noise(pixels, preprocessing.noise, recipe.seed or 0, source.image_id)
            seen = noisy[drawn]
        file = f"{_folder(source.number)}/{source.number:06d}{writer.suffix}"
        # Opened once: what was written is read back, and where all files are small, opening takes as long as that.
        with open(f"{home}/{file}", "w+b") as stream:  # noqa: PTH123
            started = time.perf_counter()
            writer.encode(seen, stream, preprocessing.quality or 0, turned)
            stream.flush()
            seconds = time.perf_counter() - started
            stream.seek(0)
            content, _ = files.read_open(stream)
        counts = source.bytes if preprocessing.is_original else content.bytes
        written.append(
            Written(source.image_id, counts, file, content.bytes, content.modified, content.sha256, seconds)
        )
    return written


def _folder(number: int) -> str:
    return f"{FOLDER}/{number // IN_A_FOLDER:03d}"
