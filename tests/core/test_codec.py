from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from agbench.core import codec, images
from agbench.core.condition import Preprocessing
from agbench.core.errors import UnreadableImageError, UserError
from agbench.preprocess.writing import VariantRecipe


def plain_save(image, quality):
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()


@pytest.mark.parametrize("quality", [1, 10, 30, 50, 95])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_level_is_exactly_what_pillow_saves(photograph, tmp_path, quality, mode):
    image = photograph.convert(mode)
    codec.CODECS["jpeg"].encode(image, tmp_path / "x.jpg", quality, codec.Metadata())
    assert (tmp_path / "x.jpg").read_bytes() == plain_save(image, quality)


@pytest.mark.parametrize("entry", [*codec.CODECS.values(), codec.LOSSLESS])
def test_orientation_keeps_its_meaning(photograph, tmp_path, entry):
    path = tmp_path / f"x{entry.suffix}"
    entry.encode(photograph, path, 90, codec.Metadata.of_orientation(6))
    with Image.open(path) as copy:
        assert copy.getexif()[ExifTags.Base.Orientation] == 6
        assert copy.size == photograph.size


def test_lossless_is_lossless_and_carries_no_profile(photograph, tmp_path):
    photograph.info["icc_profile"] = b"x" * 1000
    codec.LOSSLESS.encode(photograph, tmp_path / "x.png", 0, codec.Metadata())
    with Image.open(tmp_path / "x.png") as copy:
        assert "icc_profile" not in copy.info
        assert np.array_equal(np.asarray(copy), np.asarray(photograph))


def test_an_unknown_codec_gets_a_hint():
    with pytest.raises(UserError, match="did you mean"):
        assert VariantRecipe(Preprocessing.at(0.3, codec="jpg")).writer


@pytest.mark.parametrize("name", codec.CODECS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_every_codec_keeps_size_and_picture_and_no_metadata_of_the_source(photograph, tmp_path, name, mode):
    entry = codec.CODECS[name]
    photograph.info |= {"icc_profile": b"x" * 1000, "exif": b"y" * 1000}
    source, sizes = photograph.convert(mode), []
    for quality in (1, 30, 90):
        path = tmp_path / f"{quality}{entry.suffix}"
        entry.encode(source, path, quality, codec.Metadata())
        sizes.append(path.stat().st_size)
        with images.opened(path) as copy:
            assert copy.size == source.size
            assert copy.info.get("icc_profile") != photograph.info["icc_profile"]
            assert not copy.getexif()
            apart = np.abs(
                np.asarray(copy.convert("RGB"), dtype=int) - np.asarray(source.convert("RGB"), dtype=int)
            )
            assert apart.mean() < {1: 40, 30: 12, 90: 6}[quality]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("name", codec.CODECS)
@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (7, 5)])
def test_every_codec_takes_odd_sizes(photograph, tmp_path, name, size):
    entry = codec.CODECS[name]
    path = tmp_path / f"x{entry.suffix}"
    entry.encode(photograph.resize(size), path, 30, codec.Metadata())
    with images.opened(path) as copy:
        assert copy.size == size


@pytest.mark.parametrize("name", codec.CODECS)
def test_half_a_file_of_every_codec_is_unreadable(photograph, tmp_path, name):
    entry = codec.CODECS[name]
    path = tmp_path / f"x{entry.suffix}"
    entry.encode(photograph, path, 60, codec.Metadata())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnreadableImageError), images.opened(path):
        pass
