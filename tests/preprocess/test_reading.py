from __future__ import annotations

import io

import pytest
from PIL import Image

from agbench.preprocess import reading


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}, {"restart_marker_rows": 1}])
def test_the_header_of_a_jpeg_is_all_but_its_scans(photograph, options):
    plain, commented = io.BytesIO(), io.BytesIO()
    photograph.save(plain, "jpeg", quality=30, **options)
    photograph.save(commented, "jpeg", quality=30, comment=b"x" * 500, **options)
    header = reading.header_bytes(plain.getvalue())
    assert 300 < header < 0.9 * len(plain.getvalue())
    # The comment marker, its length, its text.
    assert reading.header_bytes(commented.getvalue()) == header + 504
    assert reading.header_bytes(plain.getvalue() + b"behind the end") == header + len(b"behind the end")


def test_a_jpeg_of_one_colour_is_nearly_all_header():
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "jpeg")
    # One block each of Y, Cb, Cr: no more than a few bytes of scan.
    assert 0 < len(file.getvalue()) - reading.header_bytes(file.getvalue()) < 20


def test_the_header_of_a_png_is_all_but_its_pixels(photograph):
    file = io.BytesIO()
    photograph.save(file, "png")
    # Signature, IHDR, IEND, and twelve bytes around the one IDAT.
    assert reading.header_bytes(file.getvalue()) == 8 + 25 + 12 + 12


def test_other_formats_tell_no_header(photograph, store_image):
    path = store_image("a.webp", photograph)
    measured = reading.measure([path])
    assert measured.header is None
    assert "reading_header_share" not in measured.metrics()


def test_files_are_read_and_decoded(photograph, store_image):
    paths = [store_image(f"{number}.jpg", photograph, quality=30) for number in range(3)]
    measured = reading.measure(paths)
    assert measured.images == 3
    assert measured.bytes == sum(path.stat().st_size for path in paths)
    assert 0 < measured.metrics()["reading_header_share"] < 1
    assert measured.seconds_read > 0
    assert measured.seconds_decode > 0
    assert reading.measure(paths, limit=2).images == 2
