from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFile
from PIL.PngImagePlugin import PngInfo

from agbench.core import images
from agbench.core.errors import UnreadableImageError
from tests.core import every_kind


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
    exif[ExifTags.Base.Orientation] = 6
    path = store_image("turned.jpg", photograph, exif=exif)
    with images.opened(path) as image:
        assert images.orientation(image) == 6
        assert images.faithful(image).size == photograph.size


def test_ink_comes_out_the_right_way_up(store_image, photograph):
    path = store_image("ink.jpg", photograph.convert("CMYK"), quality=95)
    difference = np.abs(np.asarray(read(path)).astype(int) - np.asarray(photograph).astype(int))
    assert difference.mean() < 12, "inverted inks differ by about a hundred"


def test_a_transparent_colour_of_a_palette_is_laid_on_white(store_image):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    path = store_image("palette.gif", image, transparency=0)
    with images.opened(path) as opened:
        assert not images.reads_faithfully(opened)
    assert np.asarray(read(path)).tolist() == [[[255, 255, 255], [0, 0, 255]]]


def test_an_animation_is_its_first_frame(store_image):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    path = store_image("moving.gif", frames[0], save_all=True, append_images=frames[1:])
    assert np.asarray(read(path))[0, 0].tolist() == [255, 0, 0]


def test_pixels_without_an_agreed_range_are_refused(store_image):
    for name, values in (
        ("float.tif", np.full((2, 2), 0.5, np.float32)),
        ("long.tif", np.full((2, 2), 7, np.int32)),
    ):
        with pytest.raises(UnreadableImageError, match="no agreed range"):
            read(store_image(name, values))


def test_what_needs_another_program_to_be_read_is_no_image(store_image, photograph):
    path = store_image("photo.eps", photograph)
    with pytest.raises(UnreadableImageError, match="cannot identify"):
        read(path)


def test_a_real_bomb_is_refused_from_its_header(tmp_path):
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1_000_000))), (b"IEND", b"")]
    content = b"".join(struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks)
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    tracemalloc.start()
    with pytest.raises(UnreadableImageError, match="decompression bomb"):
        read(tmp_path / "bomb.png")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "content", "is_one"),
    [
        ("x.JPG", b"", True),
        ("x", b"\xff\xd8\xff\xe0", True),
        ("x.bin", b"RIFF\0\0\0\0WEBPVP8 ", True),
        ("x.bin", b"\0\0\0\x20ftypavif", True),
        ("x.bin", b"RIFF\0\0\0\0WAVEfmt ", False),
        ("x", b"II*\0", True),
        ("raw.nef", b"II*\0", False),
        ("notes.txt", b"BMW is a maker of cars", False),
        ("x.bin", b"%!PS-Adobe-3.0 E", False),
        ("Thumbs.db", b"\xd0\xcf\x11\xe0", False),
        ("x", b"", False),
    ],
)
def test_a_file_is_an_image_by_its_name_or_its_first_bytes(tmp_path, name, content, is_one):
    (tmp_path / name).write_bytes(content)
    assert images.looks_like_one(tmp_path / name) is is_one


def test_a_transparent_value_of_sixteen_bits_is_laid_on_white(tmp_path):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    pixels = zlib.compress(b"\0" + struct.pack(">HH", 257, 32896))
    header = struct.pack(">IIBBBBB", 2, 1, 16, 0, 0, 0, 0)
    content = [(b"IHDR", header), (b"tRNS", struct.pack(">H", 257)), (b"IDAT", pixels), (b"IEND", b"")]
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in content))
    assert np.asarray(read(tmp_path / "x.png")).tolist() == [[255, 128]]


def test_sixteen_bits_with_white_as_zero_are_refused(store_image):
    path = store_image("negative.tif", np.array([[0, 65535]], np.uint16), tiffinfo={262: 0})
    with pytest.raises(UnreadableImageError, match="white as zero"):
        read(path)


@pytest.mark.parametrize("block", [b"Exif\0\0", b"Exif\0\0MM", b"Exif\0\0what is this", b"Exif\0\0MM\0*\0\0"])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_damaged_exif_block_leaves_the_image_upright(store_image, photograph, block, suffix):
    with images.opened(store_image(f"x{suffix}", photograph, exif=block)) as image:
        assert images.orientation(image) == 1


@pytest.mark.parametrize(
    ("colour", "extra", "said"),
    [
        (3, [(b"PLTE", bytes(30)), (b"tRNS", bytes(300))], "more transparent colours"),
        (3, [], "its palette is missing"),
        (2, [(b"tEXt", b"transparency\0none")], "a text called transparency"),
    ],
)
def test_colours_that_pillow_can_decode_and_not_convert_are_refused(colour, extra, said):
    samples = np.ones((2, 3, every_kind.CHANNELS[colour]), np.uint8)
    with pytest.raises(UnreadableImageError, match=said):
        read(io.BytesIO(every_kind.png(samples, colour, 8, extra=extra)))


def test_an_exif_block_that_is_no_hexadecimal_text_is_there_and_turns_nothing(store_image):
    text = PngInfo()
    text.add_text("Raw profile type exif", "\nexif\n4\nwords")
    with images.opened(store_image("text.png", Image.new("RGB", (3, 2)), pnginfo=text)) as image:
        assert images.exif_block(image)
        assert images.orientation(image) == 1
