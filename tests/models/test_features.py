from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.fft import dctn

from agbench.core.errors import UnreadableImageError
from agbench.models import features


def named(kind, image):
    extractor = features.EXTRACTORS[kind]
    return dict(zip(extractor.names, extractor.values(image).tolist(), strict=True))


def test_pixels_are_the_image_at_32x32():
    image = Image.fromarray(np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3))
    values = named("pixels", image)
    assert len(values) == 3072
    assert values["pixel_g_3_5"] == np.asarray(image)[3, 5, 1]


def by_the_book(image):
    """Mean and deviation of scipy's transform of each block by itself."""
    planes = np.asarray(image.convert("YCbCr"), dtype=float) - 128
    height, width, _ = planes.shape
    planes = np.pad(planes, ((0, -height % 8), (0, -width % 8), (0, 0)), mode="edge")
    blocks = [planes[y : y + 8, x : x + 8] for y in range(0, len(planes), 8) for x in range(0, planes.shape[1], 8)]
    book = np.array([dctn(block, axes=(0, 1), norm="ortho") for block in blocks])
    return {
        f"dct_{statistic}_{channel}_{row}_{column}": value[row, column, place]
        for statistic, value in (("mean", book.mean(axis=0)), ("std", book.std(axis=0)))
        for place, channel in enumerate(("y", "cb", "cr"))
        for row in range(8)
        for column in range(8)
    }


def test_dct_is_that_of_every_block_by_the_book(photograph):
    values = named("dct", photograph)
    assert len(values) == 384
    assert values == pytest.approx(by_the_book(photograph), rel=1e-6, abs=1e-6)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 255), st.integers(0, 1000))
def test_dct_is_so_for_images_of_any_size_and_contrast(width, height, contrast, seed):
    noise = np.random.default_rng(seed).integers(0, contrast + 1, (height, width, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    values = named("dct", image)
    assert values == pytest.approx(by_the_book(image), rel=1e-6, abs=1e-6)
    if contrast == 0:
        assert {value for name, value in values.items() if "std" in name} == {0}


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (9, 23), (1, 300)])
def test_images_of_any_size_have_finite_features(size):
    image = Image.new("RGB", size, (10, 200, 30))
    for extractor in features.EXTRACTORS.values():
        values = extractor.values(image)
        assert values.dtype == np.float32
        assert values.shape == (len(extractor.names),)
        assert np.isfinite(values).all()


def test_extraction_keeps_the_order_and_joins_what_is_asked_for(store_image, photograph):
    paths = [store_image(f"{shade}.png", Image.new("RGB", (9, 9), (shade,) * 3)) for shade in (10, 250, 90)]
    table = features.extract(paths, ("pixels", "dct"), workers=2)
    assert table.shape == (3, 3072 + 384)
    assert table["pixel_r_0_0"].tolist() == [10, 250, 90]


def test_half_an_image_has_no_features(store_image, photograph):
    path = store_image("half.jpg", photograph)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(UnreadableImageError):
        features.extract([path], ("dct",), workers=1)
