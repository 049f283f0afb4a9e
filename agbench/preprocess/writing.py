"""Writing an image's files for several variants at once: decoded once, encoded for each."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from agbench import images
from agbench.condition import Preprocessing
from agbench.preprocess.codec import Codec, Metadata
from agbench.preprocess.noise import add_noise

FOLDER, IN_A_FOLDER = "images", 1000
"""Where a variant's files lie, and how many of them in each of its folders."""


@dataclass(frozen=True)
class Wanted:
    """A variant that is made.

    Parameters
    ----------
    preprocessing : Preprocessing
        What is done to the images.
    seed : int, optional
        Of the noise.
    writer : Codec
        How the files are written.
    home : Path
        The variant's folder.
    """

    preprocessing: Preprocessing
    seed: int | None
    writer: Codec
    home: Path

    def make_folders(self, images_: int) -> None:
        """Make those of so many images."""
        for part in range(0, images_, IN_A_FOLDER):
            (self.home / _folder(part)).mkdir(parents=True)


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


def write_all(sources: Sequence[Source], wanted: Sequence[Wanted]) -> list[list[Written]]:
    """Write images' files for all variants, and give their rows by variant."""
    by_image = [_write(source, wanted) for source in sources]
    return [list(rows) for rows in zip(*by_image, strict=True)]


def _write(source: Source, wanted: Sequence[Wanted]) -> list[Written]:
    with images.opened(Path(source.path)) as image:
        # AutoMM takes a semicolon for the end of a path.
        as_is = images.reads_faithfully(image) and ";" not in source.path
        pixels = images.faithful(image)
        turned = Metadata.of_orientation(images.orientation(image))
    noisy: dict[tuple[float, int | None], Image.Image] = {}
    written = []
    for one in wanted:
        preprocessing = one.preprocessing
        if preprocessing.is_original and as_is:
            written.append(Written(source.image_id, source.bytes))
            continue
        seen = pixels
        if preprocessing.noise is not None:
            drawn = (preprocessing.noise, one.seed)
            if drawn not in noisy:
                noisy[drawn] = add_noise(pixels, preprocessing.noise, one.seed or 0, source.image_id)
            seen = noisy[drawn]
        file = f"{_folder(source.number)}/{source.number:06d}{one.writer.suffix}"
        path = f"{one.home}/{file}"
        started = time.perf_counter()
        one.writer.encode(seen, path, preprocessing.quality or 0, turned)
        seconds = time.perf_counter() - started
        with open(path, "rb") as stream:  # noqa: PTH123 (a Path for each of a million files takes a while)
            data, modified = stream.read(), os.fstat(stream.fileno()).st_mtime_ns
        counts = source.bytes if preprocessing.is_original else len(data)
        sha256 = hashlib.sha256(data).hexdigest()
        written.append(Written(source.image_id, counts, file, len(data), modified, sha256, seconds))
    return written


def _folder(number: int) -> str:
    return f"{FOLDER}/{number // IN_A_FOLDER:03d}"
