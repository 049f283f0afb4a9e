from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFile

from agbench import images
from agbench.images import UnreadableImageError


def read(path):
    with images.opened(path) as image:
        return images.faithful(image)


def test_half_a_file_is_refused_even_where_pillow_was_told_to_be_lenient(store_image, photograph, monkeypatch):
    path = store_image("photo.jpg", photograph)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    # What importing autogluon.multimodal does to the whole process.
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    Image.open(path).load()
    with pytest.raises(UnreadableImageError, match="truncated"):
        read(path)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n\x00\x00"])
def test_what_is_no_image_is_refused(tmp_path, content):
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(UnreadableImageError):
        read(path)


def test_a_decompression_bomb_is_refused(store_image, monkeypatch):
    path = store_image("large.png", Image.new("L", (100, 100)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 6_000)  # below which Pillow only warns
    with pytest.raises(UnreadableImageError, match="decompression bomb"):
        read(path)


def test_sixteen_bit_gray_is_scaled_and_not_all_white(store_image):
    values = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    path = store_image("deep.png", values)
    with images.opened(path) as image:
        assert not images.reads_faithfully(image)
    assert np.asarray(read(path)).tolist() == [[0, 1, 128, 255]]


def test_transparency_is_laid_on_white(store_image):
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    image.putpixel((1, 0), (255, 0, 0, 255))
    path = store_image("alpha.png", image)
    with images.opened(path) as opened:
        assert not images.reads_faithfully(opened)
    assert np.asarray(read(path)).tolist() == [[[255, 255, 255], [255, 0, 0]]]


def test_alpha_that_hides_nothing_leaves_the_file_as_it_is(store_image):
    path = store_image("opaque.png", Image.new("RGBA", (2, 1), (255, 0, 0, 255)))
    with images.opened(path) as opened:
        assert images.reads_faithfully(opened)


def test_a_palette_with_transparency_is_laid_on_white(store_image):
    image = Image.new("P", (1, 1))
    image.putpalette([0, 0, 255] * 256)
    path = store_image("palette.png", image, transparency=0)
    assert read(path).getpixel((0, 0)) == (255, 255, 255)


def test_floating_point_is_refused(store_image):
    path = store_image("float.tif", np.zeros((2, 2), dtype=np.float32))
    with pytest.raises(UnreadableImageError, match="floating-point"):
        read(path)


@pytest.mark.parametrize(("mode", "expected"), [("1", "L"), ("L", "L"), ("RGB", "RGB"), ("CMYK", "RGB")])
def test_gray_stays_gray_and_the_rest_becomes_rgb(store_image, photograph, mode, expected):
    path = store_image("image.tif", photograph.convert(mode))
    assert read(path).mode == expected


def test_pixels_are_not_turned(store_image, photograph):
    exif = Image.Exif()
    exif[images.ORIENTATION] = 6
    path = store_image("turned.jpg", photograph, exif=exif)
    with images.opened(path) as image:
        assert images.orientation(image) == 6
        assert images.faithful(image).size == photograph.size
