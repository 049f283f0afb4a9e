"""Half a file is refused where its bytes tell, and a whole one never."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image

from agbench.core import images, truncation
from agbench.core.errors import UnreadableImageError
from tests.core import every_kind


def saved(image, kind="JPEG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def read(content):
    with images.opened(io.BytesIO(content)) as image:
        return image.size


END = b"\xff\xd9"
HALVES = {
    "and an end marker": lambda content: content[: len(content) // 2] + END,
    "and zeros": lambda content: content[: len(content) // 2] + bytes(len(content) // 2),
    "zeros and an end marker": lambda content: content[: len(content) // 2] + bytes(len(content) // 2) + END,
    "alone": lambda content: content[: len(content) // 2],
    "without an end marker": lambda content: content[:-2],
}


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}], ids=str)
def test_half_a_jpeg_is_refused(photograph, half, mode, options):
    content = saved(photograph.convert(mode), quality=90, **options)
    assert read(content) == photograph.size
    with pytest.raises(UnreadableImageError):
        read(half(content))


@pytest.mark.parametrize("count", range(1, 10))
def test_a_progressive_jpeg_without_its_last_scans_is_refused(photograph, count):
    content = saved(photograph, progressive=True)
    scans = [found.start() for found in re.finditer(rb"\xff\xda", content)]
    assert len(scans) == 10
    with pytest.raises(UnreadableImageError, match="last scans"):
        read(content[: scans[count]] + END)


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=str)
@pytest.mark.parametrize("end", [b"", b"\0" * 500, b"more", b"\xff" * 7, b"\xff\xda\0\3" * 300], ids=len)
def test_what_stands_behind_a_jpeg_does_not_matter(photograph, end, options):
    assert read(saved(photograph, **options) + end) == photograph.size


@pytest.mark.parametrize("value", [0, 127, 128, 255, (128, 128, 128), (0, 0, 0)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("size", [(1, 1), (7, 3), (64, 64), (500, 300)])
def test_an_image_of_one_colour_is_whole(value, kind, size):
    assert read(saved(Image.new("L" if isinstance(value, int) else "RGB", size, value), kind)) == size


def test_scans_without_end_are_refused_before_they_are_decoded(photograph):
    content = saved(photograph, progressive=True)
    scans = [found.start() for found in re.finditer(rb"\xff\xda", content)]
    again = content[scans[-1] : -2]
    with pytest.raises(UnreadableImageError, match=f"more than {truncation.MOST_SCANS}"):
        read(content[:-2] + again * 200 + END)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("colour", every_kind.DEPTHS)
def test_a_png_without_its_last_rows_is_refused(colour, interlaced):
    for depth in every_kind.DEPTHS[colour]:
        samples = np.ones((40, 30, every_kind.CHANNELS[colour]), dtype=int)
        extra = [(b"PLTE", bytes(range(6)))] if colour == 3 else []
        assert read(every_kind.png(samples, colour, depth, interlaced, extra)) == (30, 40)
        with pytest.raises(UnreadableImageError, match="truncated"):
            read(every_kind.png(samples, colour, depth, interlaced, extra, rows=-40))


@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "JXL", "GIF"])
def test_half_a_file_of_another_format_is_refused(photograph, kind):
    content = saved(photograph, kind)
    assert read(content) == photograph.size
    for half in (HALVES["alone"], HALVES["and zeros"]):
        with pytest.raises(UnreadableImageError) as refused:
            read(half(content))
        assert "\n" not in str(refused.value)


def test_bytes_that_fill_up_a_header_take_no_time(photograph):
    content = saved(photograph)
    # Each began a search to the last: a million took hours.
    filled = content[:2] + b"\xff" * 1_000_000 + b"\0" + content[2:]
    assert truncation.scans_of(filled).first == len(filled) - len(content) + truncation.scans_of(content).first
