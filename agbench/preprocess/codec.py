"""The codecs: how an image is written at a quality."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import PIL
from PIL import Image, features

from agbench import images


@dataclass(frozen=True)
class Codec:
    """One way of writing images.

    Parameters
    ----------
    suffix : str
        Of its files.
    settings : str
        What it does beside the quality, in words for the manifest.
    library : callable
        Gives name and version of the library at work.
    encode : callable
        Writes a faithful image (mode ``"L"`` or ``"RGB"``), of an EXIF orientation, to a path at a quality.
    """

    suffix: str
    settings: str
    library: Callable[[], str]
    encode: Callable[[Image.Image, int, Path, int], None]


def _encode_jpeg(image: Image.Image, orientation: int, path: Path, quality: int) -> None:
    # A viewer turns the copy as it turns the original; an upright image stays the plain save.
    exif = _orientation_only(orientation)
    image.save(path, format="JPEG", quality=quality, **({"exif": exif} if exif else {}))


def _encode_png(image: Image.Image, orientation: int, path: Path, quality: int) -> None:
    exif = _orientation_only(orientation)
    image.save(path, format="PNG", icc_profile=None, **({"exif": exif} if exif else {}))


def _orientation_only(orientation: int) -> Image.Exif | None:
    if orientation == 1:
        return None
    exif = Image.Exif()
    exif[images.ORIENTATION] = orientation
    return exif


def _jpeg_library() -> str:
    turbo = features.check_feature("libjpeg_turbo")
    library = "libjpeg-turbo" if turbo else "libjpeg"
    version = features.version_feature("libjpeg_turbo") if turbo else features.version_codec("jpg")
    return f"Pillow {PIL.__version__}, {library} {version}"


def _png_library() -> str:
    return f"Pillow {PIL.__version__}, zlib {features.version_codec('zlib')}"


CODECS = {
    "jpeg": Codec(
        suffix=".jpg",
        settings="Image.save(quality=q): baseline, 4:2:0, standard Huffman tables, no metadata but orientation",
        library=_jpeg_library,
        encode=_encode_jpeg,
    ),
}
"""By name. Pillow's ``save(quality=q)`` with its defaults is the definition of a JPEG level."""

LOSSLESS = Codec(
    suffix=".png",
    settings="Image.save(): lossless, no metadata but orientation",
    library=_png_library,
    encode=_encode_png,
)
"""How pixels are kept that no file of the data set holds: noisy ones, and faithful copies."""
