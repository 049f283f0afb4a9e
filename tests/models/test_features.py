from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dct

from agbench.images import UnreadableImageError
from agbench.models import features


def test_pixels_are_the_image_at_32x32():
    image = Image.fromarray(np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3))
    values = features.pixels(image)
    assert len(values) == 3072
    assert values["pixel_g_3_5"] == np.asarray(image)[3, 5, 1]


def test_dct_is_that_of_every_block_by_the_book(photograph):
    values = features.dct(photograph)
    luma = np.asarray(photograph.convert("YCbCr"), dtype=float)[..., 0] - 128
    blocks = [luma[y : y + 8, x : x + 8] for y in range(0, 64, 8) for x in range(0, 96, 8)]
    book = np.array([dct(dct(block, axis=0, norm="ortho"), axis=1, norm="ortho") for block in blocks])
    assert len(values) == 384
    assert values["dct_mean_y_0_0"] == pytest.approx(book[:, 0, 0].mean())
    assert values["dct_std_y_2_5"] == pytest.approx(book[:, 2, 5].std())


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (9, 23), (1, 300)])
def test_images_of_any_size_have_finite_features(size):
    image = Image.new("RGB", size, (10, 200, 30))
    for extractor in features.EXTRACTORS.values():
        assert np.isfinite(list(extractor(image).values())).all()


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
