"""What is read of a file is what was written into it, or the file is refused: never other pixels."""

from __future__ import annotations

import base64
import io
import struct

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2lab
from skimage.data import astronaut

from agbench.core import images
from agbench.core.errors import UnreadableImageError
from tests.core import every_kind

PNGS, TIFFS = list(every_kind.pngs()), list(every_kind.tiffs())
ROUNDED = 1.6
"""Sixteen bits are cut or rounded to eight, and alpha is rounded."""


def read(content):
    """The pixels that a model gets, at level 1.0 by AutoMM's own ``convert``, and below it."""
    with images.opened(io.BytesIO(content)) as image:
        faithful = np.asarray(images.faithful(image).convert("RGB"), dtype=float)
        as_is = np.asarray(image.convert("RGB"), dtype=float) if images.reads_faithfully(image) else faithful
    return faithful, as_is


@pytest.mark.parametrize(("name", "content", "shown"), PNGS, ids=[name for name, *_ in PNGS])
def test_every_kind_of_png(name, content, shown):
    for pixels in read(content):
        assert np.abs(pixels - shown).max() < ROUNDED


@pytest.mark.parametrize(("name", "content", "shown"), TIFFS, ids=[name for name, *_ in TIFFS])
def test_no_kind_of_tiff_is_read_as_something_else(name, content, shown):
    try:
        both = read(content)
    except UnreadableImageError:
        return
    for pixels in both:
        assert np.abs(pixels - shown).max() < ROUNDED


def test_few_kinds_of_tiff_are_refused():
    refused = 0
    for _, content, _ in TIFFS:
        try:
            read(content)
        except UnreadableImageError:
            refused += 1
    assert refused < len(TIFFS) / 3


def test_which_pixels_are_transparent_is_known():
    for name, content, _ in PNGS:
        with images.opened(io.BytesIO(content)) as image:
            assert images.has_transparency(image) == ("clear" in name or "colour 4" in name or "colour 6" in name)


PHOTOGRAPH = np.ascontiguousarray(astronaut()[:256:2, :256:2])
GRAY = np.ascontiguousarray(PHOTOGRAPH[..., 1])


def cmyk(colour_space):
    inks = 255 - np.asarray(Image.fromarray(PHOTOGRAPH).convert("CMYK"))  # Adobe's are inverted
    return imagecodecs.jpeg8_encode(inks, level=95, colorspace="cmyk", outcolorspace=colour_space)


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        pytest.param(
            imagecodecs.jpeg8_encode(PHOTOGRAPH, level=95, outcolorspace="rgb"), PHOTOGRAPH, id="jpeg rgb"
        ),
        pytest.param(imagecodecs.jpeg8_encode(PHOTOGRAPH, level=95, outcolorspace="ycbcr"), PHOTOGRAPH, id="jpeg"),
        pytest.param(cmyk("cmyk"), PHOTOGRAPH, id="jpeg cmyk"),
        pytest.param(cmyk("ycck"), PHOTOGRAPH, id="jpeg ycck"),
        pytest.param(imagecodecs.jpeg8_encode(GRAY, level=95), GRAY, id="jpeg gray"),
        pytest.param(imagecodecs.webp_encode(PHOTOGRAPH, lossless=True), PHOTOGRAPH, id="webp lossless"),
        pytest.param(imagecodecs.jpegxl_encode(PHOTOGRAPH, level=95), PHOTOGRAPH, id="jxl"),
        pytest.param(
            imagecodecs.jpegxl_encode(GRAY.astype(np.uint16) * 257, level=95), GRAY, id="jxl gray, 16 bits"
        ),
        *(
            pytest.param(
                imagecodecs.avif_encode(
                    made if bits == 8 else made.astype(np.uint16) << (bits - 8), level=95, bitspersample=bits
                ),
                made,
                id=f"avif {bits} bits, {made.ndim} dimensions",
            )
            for bits in (8, 10, 12)
            for made in (PHOTOGRAPH, GRAY)
        ),
    ],
)
def test_photographs_in_other_formats_look_alike(content, shown):
    shown = shown if shown.ndim == 3 else np.repeat(shown[..., None], 3, axis=-1)
    for pixels in read(content):
        assert np.abs(pixels - shown).mean() < 3


# By jpegtran -arithmetic, and -progressive too: no encoder of arithmetic coding can be installed from PyPI.
ARITHMETIC = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAYEBQYFBAYGBQYHBwYIChAKCgkJChQODwwQFxQYGBcUFhYaHSUfGhsjHBYWICwgIyYn"
    "KSopGR8tMC0oMCUoKSj/2wBDAQcHBwoIChMKChMoGhYaKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgo"
    "KCgoKCgoKCj/yQARCAAQABADASIAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwD/ALhkZyJPCB6vHOY2eYlS1OQOEwTW"
    "mK0hB0hxyXu5hK04/9k="
)
ARITHMETIC_PROGRESSIVE = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAYEBQYFBAYGBQYHBwYIChAKCgkJChQODwwQFxQYGBcUFhYaHSUfGhsjHBYWICwgIyYn"
    "KSopGR8tMC0oMCUoKSj/2wBDAQcHBwoIChMKChMoGhYaKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgo"
    "KCgoKCgoKCj/ygARCAAQABADASIAAhEBAxEB/8wABgAQARD/2gAMAwEAAhADEAAAAf8AcLn6eoT/zAAEEAX/2gAIAQEAAQUCE4+o"
    "BmNLEP/MAAQRBf/aAAgBAwEBPwEWKOv/zAAEEQX/2gAIAQIBAT8BF6D/zAAEEAX/2gAIAQEABj8CwP/MAAQQBf/aAAgBAQABPyHV"
    "Ii/VgP/aAAwDAQACAAMAAAAQOP/MAAQRBf/aAAgBAwEBPxBQIP/MAAQRBf/aAAgBAgEBPxDw/8wABBAF/9oACAEBAAE/EEx6TbZY"
    "CP/Z"
)


@pytest.mark.parametrize("written", [ARITHMETIC, ARITHMETIC_PROGRESSIVE])
def test_a_jpeg_in_arithmetic_coding_is_read_whole_and_refused_in_halves(written):
    content = base64.b64decode(written)
    down, right = np.mgrid[:16, :16]
    shown = np.stack([right * 16, down * 16, (right + down) * 8], axis=-1)
    for pixels in read(content):
        assert np.abs(pixels - shown).mean() < 8
    with pytest.raises(UnreadableImageError, match="truncated"):
        read(content[:-20])


def test_twelve_bits_of_a_jpeg_are_refused():
    deep = imagecodecs.jpeg8_encode(PHOTOGRAPH.astype(np.uint16) << 4, level=95, bitspersample=12)
    with pytest.raises(UnreadableImageError):
        read(deep)


def test_lab_colours_of_a_tiff_are_those_of_the_photograph():
    lab = rgb2lab(PHOTOGRAPH)
    light = np.rint(lab[..., :1] * 2.55).astype(np.uint8)
    coded = np.concatenate([light, np.rint(lab[..., 1:]).astype(np.int8).view(np.uint8)], axis=-1)
    content = every_kind._tiff(coded, photometric="cielab")
    for pixels in read(content):
        assert np.abs(pixels - PHOTOGRAPH).mean() < 3


@pytest.mark.parametrize("background", [0, 1])
def test_what_a_gifs_first_frame_leaves_free_is_white(background):
    frame = Image.new("P", (20, 10), 1)
    frame.putpalette([10, 20, 30, 200, 100, 50])
    stream = io.BytesIO()
    frame.save(stream, "GIF", optimize=False)
    content = bytearray(stream.getvalue())
    content[6:10], content[11] = struct.pack("<HH", 40, 30), background
    for pixels in read(bytes(content)):
        assert pixels.shape == (30, 40, 3)
        assert (pixels[:10, :20] == (200, 100, 50)).all()
        assert (pixels[10:] == 255).all()
        assert (pixels[:, 20:] == 255).all()
