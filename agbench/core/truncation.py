"""Whether an image file is whole, where its bytes tell and Pillow does not look.

Pillow decodes a PNG or JPEG whose data end early without an error: what is missing is black, or gray.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import simplejpeg
from PIL import Image

from agbench.core.errors import UnreadableImageError
from agbench.core.pixels import content_of

MOST_SCANS = 100
"""Scans of a JPEG, at most: an encoder makes about ten, and each costs as much as decoding the image."""

_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
"""Any marker but those that restart a scan (ITU T.81, B.1.1.2); more of 0xFF may stand before it."""

_START_OF_SCAN, _PROGRESSIVE = 0xDA, {0xC2, 0xCA}
_CORRUPT = ("Corrupt JPEG data", "Premature end")
"""How libjpeg's warnings begin that mean missing data."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples of a pixel, by a PNG's colour type."""

_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Passes of an interlaced PNG: first column and row, steps across and down."""

_SCAN_MARKER, _END_MARKER = b"\xff\xda", b"\xff\xd9"
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_STANDALONE = {0x01, *range(0xD0, 0xD9)}
_LAST_COEFFICIENT = 63
_SHORTEST_HEADER = 6
"""Bytes of a scan's header with one component, without its length."""

_LONG_RUN = bytes(64)
"""Zero bytes that a scan hardly has: they stand where a file was filled up."""

_DARKER, _LIGHTER = 127, 128
"""What is missing in a JPEG is middle gray: 128, and 127 of inverted inks."""

_EDGE = 8
"""Side of a block of a JPEG in pixels."""


@dataclass(frozen=True)
class Scans:
    """The scans of a JPEG.

    Parameters
    ----------
    count : int
        Number of scans; of a sequential JPEG that ends with an end marker, only the first is counted.
    first : int
        Where the first scan begins, in bytes.
    has_end : bool
        Whether an end marker follows the last scan.
    is_complete : bool
        Whether they hold all bits of all coefficients; a progressive JPEG can lack its last scans.
    """

    count: int
    first: int
    has_end: bool
    is_complete: bool


def scans_of(content: bytes) -> Scans:
    """Return the scans of a JPEG.

    Parameters
    ----------
    content : bytes
        The whole file.

    Examples
    --------
    >>> from io import BytesIO
    >>> stream = BytesIO()
    >>> Image.new("L", (8, 8)).save(stream, "JPEG")
    >>> scans = scans_of(stream.getvalue())
    >>> scans.count, scans.has_end, scans.is_complete
    (1, True, True)
    """
    is_progressive, components = False, set[int]()
    first = len(content)
    for marker, place, body in _segments(content):
        if marker in _FRAMES:
            is_progressive = marker in _PROGRESSIVE
            components = {body[at] for at in range(6, len(body) - 2, 3)}
        elif marker == _START_OF_SCAN:
            first = place
            break
    # Within scans, 0xFF stands before a marker alone, or before a zero (ITU T.81, B.1.1.5).
    if not is_progressive and content.endswith(_END_MARKER):
        return Scans(1, first, has_end=True, is_complete=True)
    end = content.find(_END_MARKER, first)
    left: dict[tuple[int, int], int] = {}
    count, place, stop = 0, first - 2, len(content) if end < 0 else end
    while (place := content.find(_SCAN_MARKER, place, stop)) >= 0:
        place += len(_SCAN_MARKER)
        length = int.from_bytes(content[place : place + 2], "big")
        if count <= MOST_SCANS:
            left |= _bits_left(content[place + 2 : place + length])
        count += 1
    wanted = ((one, at) for one in components for at in range(_LAST_COEFFICIENT + 1))
    complete = not is_progressive or all(left.get(key) == 0 for key in wanted)
    return Scans(count, first, end >= 0, complete)


@contextmanager
def checked(image: Image.Image) -> Iterator[None]:
    """Refuse an image that is not whole: by its markers before it is decoded, by its pixels afterwards.

    What is missing leaves traces, gray in a JPEG and black in a PNG: only images with these are looked at closely.

    Parameters
    ----------
    image : PIL.Image.Image
        An image that was opened, and is decoded within the block.

    Raises
    ------
    UnreadableImageError
        If its data end early, or it is a JPEG of more than `MOST_SCANS` scans.
    """
    if image.format not in ("JPEG", "MPO", "PNG", "WEBP", "AVIF"):
        yield
        return
    content = content_of(image)
    if image.format in ("WEBP", "AVIF"):
        if content[: _end_of_boxes(content, image.format)].endswith(_LONG_RUN):
            raise UnreadableImageError("filled up with zeros where its data should end")
        yield
        return
    if image.format == "PNG":
        yield
        if _ends_black(image):
            _check_rows(content)
        return
    scans = scans_of(content)
    if scans.count > MOST_SCANS:
        raise UnreadableImageError(f"a JPEG of {scans.count:,} scans; more than {MOST_SCANS} take too long")
    if not scans.has_end:
        raise UnreadableImageError("truncated: no end marker follows its last scan")
    if not scans.is_complete:
        raise UnreadableImageError("truncated: the last scans of a progressive JPEG are missing")
    yield
    if _ends_gray(image) or content.find(_LONG_RUN, scans.first) >= 0:
        _decode_strictly(content, image.mode)


def _end_of_boxes(content: bytes, kind: str) -> int:
    """Return where the data of a WebP or AVIF end: what stands behind is no part of the image."""
    if kind == "WEBP":
        return 8 + int.from_bytes(content[4:8], "little")
    place = 0
    while place + 8 <= len(content):
        size = int.from_bytes(content[place : place + 4], "big")
        if size < 8:  # a box that goes on to the end of the file, or whose size needs more bytes; or no box
            return len(content) if place == 0 or content[place + 4 : place + 8].isalpha() else place
        place += size
    return min(place, len(content))


def _segments(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield markers before the first scan, where they end, and what stands in their segments."""
    place = 0
    while found := _MARKER.search(content, place):
        marker, place = content[found.end() - 1], found.end()
        if marker in _STANDALONE:
            continue
        length = int.from_bytes(content[place : place + 2], "big")
        yield marker, place, content[place + 2 : place + length]
        place += max(length, 2)


def _bits_left(body: bytes) -> dict[tuple[int, int], int]:
    """Return how many bits each coefficient of a component still lacks after a scan, by its header."""
    if len(body) < _SHORTEST_HEADER:
        return {}
    components, (start, end, bits) = body[1:-3:2], body[-3:]
    return {(one, at): bits & 0x0F for one in components for at in range(start, end + 1)}


def _ends_gray(image: Image.Image) -> bool:
    corner = (max(image.width - _EDGE, 0), image.height - 1, image.width, image.height)
    values = np.asarray(image.crop(corner))
    return bool(values.min() >= _DARKER and values.max() <= _LIGHTER)


def _decode_strictly(content: bytes, mode: str) -> None:
    try:
        simplejpeg.decode_jpeg(content, colorspace={"L": "GRAY", "CMYK": "CMYK"}.get(mode, "RGB"), strict=True)
    except ValueError as error:
        if str(error).startswith(_CORRUPT):
            raise UnreadableImageError(f"damaged, or filled up: {error}") from error


def _ends_black(image: Image.Image) -> bool:
    # The last rows of two: of an interlaced image, every other row is decoded last.
    rows = np.asarray(image.crop((0, max(image.height - 2, 0), image.width, image.height)))
    return not rows.any(axis=tuple(range(1, rows.ndim))).all()


def png_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the chunks of a PNG: kind, where its data begin, and how many bytes they are by the header."""
    place = len(PNG_SIGNATURE)
    while place + 8 <= len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        yield content[place + 4 : place + 8], place + 8, length
        place += 12 + length


def _check_rows(content: bytes) -> None:
    """Raise `UnreadableImageError` if a PNG has fewer bytes of pixels than its header says."""
    header, data = b"", bytearray()
    for kind, place, length in png_chunks(content):
        if kind == b"IHDR":
            header = content[place : place + length]
        elif kind == b"IDAT":
            data += content[place : place + length]
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    bits = depth * _CHANNELS[colour]
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    wanted = 0
    for left, top, across, down in passes:
        columns, rows = len(range(left, width, across)), len(range(top, height, down))
        wanted += rows * (1 + (columns * bits + 7) // 8) if columns else 0
    decoder = zlib.decompressobj()
    found = len(decoder.decompress(bytes(data), wanted))
    if found < wanted:
        raise UnreadableImageError(f"truncated: {found:,} of {wanted:,} bytes of its pixels are there")
