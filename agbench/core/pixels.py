"""Where Pillow decodes other pixels than a file holds: corrected, or refused.

Found by comparing every kind of PNG and TIFF with the pixels that were written (``tests/core/test_pixels.py``).
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from agbench.core.errors import UnreadableImageError

_BITS, _COMPRESSION, _SAMPLES, _PLANES = 258, 259, 277, 284
"""Tags of a TIFF: BitsPerSample, Compression, SamplesPerPixel, PlanarConfiguration."""

_SEPARATE, _UNCOMPRESSED = 2, 1
_LARGEST_PALETTE = 256
_GRAY_BITS = {"L;2": 2, "L;4": 4}
"""Bits of a gray PNG's samples by Pillow's raw mode."""


def content_of(image: Image.Image) -> bytes:
    """Return all bytes of the file of an image that was opened and not yet decoded."""
    stream: Any = image.fp  # type: ignore[attr-defined]
    place = stream.tell()
    stream.seek(0)
    content: bytes = stream.read()
    stream.seek(place)
    return content


def check(image: Image.Image) -> None:
    """Refuse kinds of files whose pixels Pillow takes for others.

    Parameters
    ----------
    image : PIL.Image.Image
        An image that was opened and not yet decoded.

    Raises
    ------
    UnreadableImageError
        For TIFFs in separate planes whose planes Pillow mixes up: gray with alpha, and 16 bits uncompressed.

    Examples
    --------
    >>> check(Image.new("RGB", (2, 2)))
    """
    if image.format != "TIFF":
        return
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    if tags.get(_PLANES) != _SEPARATE or tags.get(_SAMPLES, 1) == 1:
        return
    deep = max(tags.get(_BITS, (1,))) > 8 and tags.get(_COMPRESSION) == _UNCOMPRESSED
    if deep or tags.get(_SAMPLES) == 2:
        raise UnreadableImageError(
            "a TIFF in separate planes that Pillow decodes wrongly: store it in one plane (chunky)"
        )


def bits(image: Image.Image) -> int:
    """Return how many bits a sample of a gray image has, where these are more than 8.

    Parameters
    ----------
    image : PIL.Image.Image
        In a mode of 16 or more bits.

    Examples
    --------
    >>> bits(Image.new("I;16", (2, 2)))
    16
    """
    if image.format != "TIFF":
        return 16
    return int(max(image.tag_v2.get(_BITS, (16,))))  # type: ignore[attr-defined]


def load(image: Image.Image) -> None:
    """Decode an image, with the transparency that its file says.

    Of a PNG, Pillow scales samples of 2 and 4 bits to 8, and cuts those of 16 bits in colour to 8, but leaves the
    value that means transparent as it is.

    Parameters
    ----------
    image : PIL.Image.Image
        An image that was opened. Where one colour of a PNG of 16 bits is transparent, or a GIF has a frame smaller
        than its canvas, its mode becomes ``"RGBA"``.

    Raises
    ------
    UnreadableImageError
        If its palette is missing, or its transparency is none. Pillow's own errors are raised, too.

    Examples
    --------
    >>> load(Image.new("RGB", (2, 2)))
    """
    hidden = image.info.get("transparency") if image.format == "PNG" else None
    if isinstance(hidden, int) and (depth := _GRAY_BITS.get(_raw_mode(image))):
        image.info["transparency"] = hidden * 255 // (2**depth - 1)
    if isinstance(hidden, tuple) and _raw_mode(image) == "RGB;16B":
        _load_deep(image, hidden)
    elif image.format == "GIF":
        _load_on_canvas(image)
    else:
        image.load()
    _check_colours(image)


def _check_colours(image: Image.Image) -> None:
    """Refuse a palette and a transparency that Pillow decodes, and later can't convert."""
    if image.mode in ("P", "PA") and image.palette is None:
        raise UnreadableImageError("damaged: its palette is missing")
    hidden = image.info.get("transparency")
    if isinstance(hidden, str):
        raise UnreadableImageError(
            "a PNG with a text called transparency, which Pillow takes for that of its pixels: remove the text"
        )
    if image.mode == "P" and isinstance(hidden, bytes) and len(hidden) > _LARGEST_PALETTE:
        raise UnreadableImageError("damaged: more transparent colours than a palette has")
    if image.mode == "P" and isinstance(hidden, int) and not 0 <= hidden < _LARGEST_PALETTE:
        raise UnreadableImageError("damaged: its transparent colour is none of its palette")
    if len(image.getbands()) == 1 and isinstance(hidden, tuple):
        raise UnreadableImageError("damaged: its transparent colour is one of three channels, and it has one")


def _raw_mode(image: Image.Image) -> str:
    (tile, *_) = image.tile  # type: ignore[attr-defined]
    return str(tile.args if isinstance(tile.args, str) else tile.args[0])


def _load_on_canvas(image: Image.Image) -> None:
    """Decode a GIF; where its first frame is smaller than the canvas, the rest is transparent, as in browsers.

    Pillow fills it with the background colour, which no viewer shows.
    """
    frame = tuple(image.tile[0].extents) if image.tile else None  # type: ignore[attr-defined]
    image.load()
    if frame is None or frame == (0, 0, *image.size) or image.has_transparency_data:
        return
    shown = Image.new("L", image.size, 0)
    shown.paste(255, frame)
    image.putalpha(shown)


def _load_deep(image: Image.Image, hidden: tuple[int, ...]) -> None:
    with Image.open(io.BytesIO(content_of(image)), formats=("PNG",)) as again:
        # Read as if its bytes were swapped, Pillow keeps the lower byte of each sample.
        again.tile = [tile._replace(args="RGB;16L") for tile in again.tile]
        low = np.asarray(again)
    image.load()
    key = np.array(hidden)
    is_hidden = ((np.asarray(image) == key >> 8) & (low == key & 0xFF)).all(axis=2)
    del image.info["transparency"]
    image.putalpha(Image.fromarray(np.where(is_hidden, 0, 255).astype(np.uint8)))
