"""What the original files are: their formats, and the quality of JPEGs, which says what is left to be saved."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

_JPEG = "JPEG"


@dataclass(frozen=True)
class Originals:
    """Formats of a data set's files.

    Parameters
    ----------
    formats : dict of str to int
        Number of images by Pillow's name of their format, the most frequent first.
    quality : int, optional
        Median of the JPEGs' estimated qualities, 1 to 100; ``None`` where there is no JPEG.
    """

    formats: dict[str, int]
    quality: int | None = None

    @classmethod
    def of(cls, index: pd.DataFrame) -> Originals:
        """Count the formats of checked images.

        Parameters
        ----------
        index : DataFrame
            A row an image, with the columns ``format`` and ``quality`` of `agbench.data.check.Checked`.

        Examples
        --------
        >>> Originals.of(pd.DataFrame({"format": ["PNG", "JPEG", "JPEG"], "quality": [0, 90, 80]}))
        Originals(formats={'JPEG': 2, 'PNG': 1}, quality=85)
        """
        counts = index["format"].value_counts()
        qualities = index.loc[index["format"] == _JPEG, "quality"]
        return cls(
            {str(name): int(count) for name, count in counts.items()},
            round(qualities.median()) if len(qualities) else None,
        )

    def text(self) -> str:
        """Return the formats with their numbers, in words.

        Examples
        --------
        >>> Originals({"JPEG": 1200, "PNG": 30}, 92).text()
        '1,200 JPEG of quality about 92 (median, estimated) and 30 PNG'
        """
        quality = {} if self.quality is None else {_JPEG: f" of quality about {self.quality} (median, estimated)"}
        return " and ".join(f"{count:,} {name}{quality.get(name, '')}" for name, count in self.formats.items())


def described(facts: Mapping[str, Any]) -> str:
    """Return a data set's formats in words, by the facts that its results keep; empty where they don't say.

    Examples
    --------
    >>> described({"originals": {"formats": {"PNG": 30}, "quality": None}}), described({})
    ('30 PNG', '')
    """
    return Originals(**facts["originals"]).text() if facts.get("originals") else ""


def format_of(image: Image.Image) -> str:
    """Return Pillow's name of a file's format; JPEG for several of them in one file, too.

    Examples
    --------
    >>> format_of(Image.new("RGB", (2, 2)))
    ''
    """
    return _JPEG if isinstance(image, JpegImageFile) else image.format or ""


def jpeg_quality(image: Image.Image) -> int:
    """Return libjpeg's quality, 1 to 100, whose quantisation of brightness is nearest to a JPEG's; 0 for others.

    Encoders with tables of their own (cameras, Photoshop) have no such quality: it says how coarse theirs are.

    Examples
    --------
    >>> stream = io.BytesIO()
    >>> Image.new("RGB", (8, 8)).save(stream, "JPEG", quality=83)
    >>> with Image.open(stream) as written:
    ...     jpeg_quality(written)
    83
    """
    if not isinstance(image, JpegImageFile) or 0 not in image.quantization:
        return 0
    return int(np.abs(_tables() - np.array(image.quantization[0])).sum(axis=1).argmin()) + 1


@cache
def _tables() -> npt.NDArray[np.int64]:
    """Return libjpeg's quantisation of brightness at each quality from 1 to 100, shape (100, 64)."""
    tables = []
    for quality in range(1, 101):
        stream = io.BytesIO()
        Image.new("L", (8, 8)).save(stream, _JPEG, quality=quality)
        with Image.open(stream, formats=[_JPEG]) as written:
            tables.append(written.quantization[0])  # type: ignore[attr-defined]
    return np.array(tables, np.int64)
