from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from agbench import images
from agbench.condition import Preprocessing
from agbench.errors import UserError
from agbench.preprocess import codec
from agbench.preprocess.variant import Recipe


def plain_save(image, quality):
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()


@pytest.mark.parametrize("quality", [1, 10, 30, 50, 95])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_level_is_exactly_what_pillow_saves(photograph, tmp_path, quality, mode):
    image = photograph.convert(mode)
    codec.CODECS["jpeg"].encode(image, 1, tmp_path / "x.jpg", quality)
    assert (tmp_path / "x.jpg").read_bytes() == plain_save(image, quality)


@pytest.mark.parametrize("entry", [codec.CODECS["jpeg"], codec.LOSSLESS])
def test_orientation_keeps_its_meaning(photograph, tmp_path, entry):
    path = tmp_path / f"x{entry.suffix}"
    entry.encode(photograph, 6, path, 90)
    with Image.open(path) as copy:
        assert copy.getexif()[images.ORIENTATION] == 6
        assert copy.size == photograph.size


def test_lossless_is_lossless_and_carries_no_profile(photograph, tmp_path):
    photograph.info["icc_profile"] = b"x" * 1000
    codec.LOSSLESS.encode(photograph, 1, tmp_path / "x.png", 0)
    with Image.open(tmp_path / "x.png") as copy:
        assert "icc_profile" not in copy.info
        assert np.array_equal(np.asarray(copy), np.asarray(photograph))


def test_an_unknown_codec_gets_a_hint():
    with pytest.raises(UserError, match="did you mean 'jpeg'"):
        assert Recipe(Preprocessing.at(0.3, codec="jpg")).writer
