"""Writing an image's files for several variants at once: decoded once, encoded for each."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from PIL import Image

from agbench.core import files, images
from agbench.core.codec import LOSSLESS, Codec, Metadata, find_codec
from agbench.core.condition import Preprocessing
from agbench.preprocess.noise import add_noise

FOLDER, IN_A_FOLDER = "images", 1000
"""Where a variant's files lie, and how many of them in each of its folders."""


@dataclass(frozen=True)
class VariantRecipe:
    """What makes a variant's pixels: a preprocessing, and the seed where it draws noise.

    Parameters
    ----------
    preprocessing : Preprocessing
        Preprocessing of the images.
    seed : int, optional
        Of the noise; ``None`` without noise, so that seeds share the variant.
    """

    preprocessing: Preprocessing
    seed: int | None = None

    @classmethod
    def of(cls, preprocessing: Preprocessing, seed: int) -> VariantRecipe:
        """Return the recipe for a condition's preprocessing and seed."""
        return cls(preprocessing, None if preprocessing.noise is None else seed)

    @property
    def writer(self) -> Codec:
        """How the variant's files are written."""
        name = self.preprocessing.codec
        return LOSSLESS if name is None else find_codec(name)


class SourceImage(NamedTuple):
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


def write_all(sources: Sequence[SourceImage], homes: Mapping[VariantRecipe, Path]) -> list[list[Written]]:
    """Write images' files into the variants' folders, and give their rows by variant."""
    wanted = [(recipe, recipe.writer, home) for recipe, home in homes.items()]
    with files.in_memory() as memory:
        by_image = [_write(source, wanted, memory) for source in sources]
    return [list(rows) for rows in zip(*by_image, strict=True)]


def _write(
    source: SourceImage, wanted: Sequence[tuple[VariantRecipe, Codec, Path]], memory: IO[bytes]
) -> list[Written]:
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
        started = time.perf_counter()
        data = _encoded(writer, seen, preprocessing.quality or 0, turned, memory)
        modified = files.write_bytes(f"{home}/{file}", data)
        seconds = time.perf_counter() - started
        counts = source.bytes if preprocessing.is_original else len(data)
        digest = hashlib.sha256(data).hexdigest()
        written.append(Written(source.image_id, counts, file, len(data), modified, digest, seconds))
    return written


def _encoded(writer: Codec, image: Image.Image, quality: int, metadata: Metadata, memory: IO[bytes]) -> bytes:
    """Encode an image in memory.

    Not to disk: Pillow's JPEG encoder does not notice where a disk takes less than it is given, and for what has
    no descriptor it does not let go of Python's lock.
    """
    memory.seek(0)
    memory.truncate()
    writer.encode(image, memory, quality, metadata)
    memory.write(b"\0")  # fails where a limit on the size of files has cut off what comes before
    size = memory.tell() - 1
    memory.seek(0)
    return memory.read(size)


def _folder(number: int) -> str:
    return f"{FOLDER}/{number // IN_A_FOLDER:03d}"
