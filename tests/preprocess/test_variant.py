from __future__ import annotations

import io
import json
import os
import resource
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from agbench.core.codec import CODECS
from agbench.core.condition import Preprocessing
from agbench.core.errors import UnreadableImageError, UserError
from agbench.core.files import Content
from agbench.preprocess.index import GrowingIndex
from agbench.preprocess.noise import add_noise
from agbench.preprocess.variant import materialise
from agbench.preprocess.writing import VariantRecipe, Written

ORIGINAL = VariantRecipe(Preprocessing())
JPEG = VariantRecipe(Preprocessing.at(0.3))
NOISY = VariantRecipe(Preprocessing(noise=1.0), seed=4)
NOISY_JPEG = VariantRecipe(Preprocessing.at(0.3, noise=1.0), seed=4)


@pytest.fixture
def source(store_image, photograph):
    paths = [
        store_image("source/photo.png", photograph),
        store_image("source/gray.png", photograph.convert("L")),
        store_image("source/photo.jpg", photograph, quality=90),
        store_image("source/deep.png", np.full((8, 8), 32896, dtype=np.uint16)),
    ]
    rows = []
    for path in paths:
        content = Content.of(path)
        row = {"image_id": path.name, "image": str(path), "bytes": content.bytes, "sha256": content.sha256}
        rows.append(row)
    return pd.DataFrame(rows)


@pytest.fixture
def make(source, tmp_path):
    return lambda *recipes: materialise(source, "f", recipes, tmp_path / "variants", workers=2)


@pytest.fixture
def limit_files():
    """Limit the size of files, as a disk that fills up does: what is beyond is not written."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def folders(tmp_path):
    return sorted(path for path in (tmp_path / "variants").iterdir() if path.is_dir())


def flip_a_bit(path):
    """As a failing disk does: neither size nor time tell."""
    content, times = bytearray(path.read_bytes()), path.stat()
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_flipped_bit_in_a_variant_is_made_good(make):
    path = Path(make(JPEG)[JPEG].index.loc["photo.png", "image"])
    before = path.read_bytes()
    flip_a_bit(path)
    make(JPEG)
    assert path.read_bytes() == before


@pytest.mark.parametrize("recipe", [ORIGINAL, JPEG])
def test_a_flipped_bit_in_the_data_set_is_refused(make, source, recipe):
    make(recipe)
    flip_a_bit(Path(source["image"][1]))
    with pytest.raises(UserError, match=r"gray\.png is gone or changed since it was checked"):
        make(recipe)


def test_the_original_is_the_files_themselves(make, source):
    index = make(ORIGINAL)[ORIGINAL].index
    assert index["bytes"].tolist() == source["bytes"].tolist()
    assert index["image"].tolist()[:3] == source["image"].tolist()[:3]


def test_what_a_model_would_misread_becomes_a_faithful_copy_and_keeps_its_size(make, source):
    index = make(ORIGINAL)[ORIGINAL].index
    copy = index.loc["deep.png"]
    assert copy["image"] != source.set_index("image_id").loc["deep.png", "image"]
    assert Image.open(copy["image"]).convert("RGB").getpixel((0, 0)) == (128, 128, 128)
    assert copy["bytes"] == source.set_index("image_id").loc["deep.png", "bytes"]


def test_a_level_is_pillows_bytes_counted_exactly(make, photograph):
    variant = make(JPEG)[JPEG]
    path = Path(variant.index.loc["photo.png", "image"])
    expected = io.BytesIO()
    photograph.save(expected, format="JPEG", quality=30)
    assert path.read_bytes() == expected.getvalue()
    assert variant.index.loc["photo.png", "bytes"] == len(expected.getvalue())
    assert variant.bytes == sum(Path(image).stat().st_size for image in variant.index["image"])


def test_dimensions_never_change(make, source):
    made = make(ORIGINAL, JPEG, NOISY, NOISY_JPEG)
    sizes = [Image.open(path).size for path in source["image"]]
    for variant in made.values():
        assert [Image.open(path).size for path in variant.index["image"]] == sizes


def test_noise_is_lossless_and_the_codec_is_applied_to_exactly_that(make, photograph):
    made = make(NOISY, NOISY_JPEG)
    noisy = add_noise(photograph, 1.0, 4, "photo.png")
    kept = Image.open(made[NOISY].index.loc["photo.png", "image"])
    assert np.array_equal(np.asarray(kept), np.asarray(noisy))
    expected = io.BytesIO()
    noisy.save(expected, format="JPEG", quality=30)
    path = Path(made[NOISY_JPEG].index.loc["photo.png", "image"])
    assert path.read_bytes() == expected.getvalue()


@pytest.mark.parametrize("name", CODECS)
def test_the_seconds_of_encoding_are_kept_for_what_a_codec_wrote(make, name):
    level, original = VariantRecipe(Preprocessing.at(0.3, name)), VariantRecipe(Preprocessing())
    made = make(level, original)
    kept = made[level].writing()
    assert kept["writing_images"] == 4
    assert 0 < kept["writing_seconds_encode"] < 60
    assert made[original].writing() == {}
    assert make(level)[level].writing() == kept, "a variant that is used again has the time it was made in"


def test_a_variant_of_an_older_release_has_no_seconds_of_encoding(make, tmp_path):
    make(JPEG)
    file = folders(tmp_path)[0] / "manifest.json"
    manifest = json.loads(file.read_text())
    del manifest["seconds_encode"]
    file.write_text(json.dumps(manifest))
    assert make(JPEG)[JPEG].writing() == {}


def test_without_noise_seeds_share_a_variant():
    assert VariantRecipe.of(Preprocessing.at(0.3), 0) == VariantRecipe.of(Preprocessing.at(0.3), 1)
    assert VariantRecipe.of(Preprocessing(noise=1.0), 0) != VariantRecipe.of(Preprocessing(noise=1.0), 1)


def test_variants_are_reused(make, tmp_path):
    make(ORIGINAL, JPEG)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "variants").rglob("*")}
    make(JPEG, ORIGINAL)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "variants").rglob("*")} == before


def without_columns(home):
    pd.read_parquet(home / "index.parquet")[["image_id", "bytes"]].to_parquet(home / "index.parquet")


def without_files(home):
    """An index that has the originals read as this level."""
    grown = pd.read_parquet(home / "index.parquet")
    with GrowingIndex(home / "index.parquet") as index:
        index.add([Written(*row) for row in zip(grown["image_id"], grown["bytes"], strict=True)])


def of_other_images(home):
    grown = pd.read_parquet(home / "index.parquet")
    with GrowingIndex(home / "index.parquet") as index:
        rows = grown.assign(image_id=[*grown["image_id"]][::-1]).itertuples(index=False)
        index.add([Written(*row) for row in rows])


HARMS = {
    "alter": lambda home: next(home.rglob("000000.jpg")).write_bytes(b"altered"),
    "delete": lambda home: next(home.rglob("000000.jpg")).unlink(),
    "no manifest": lambda home: (home / "manifest.json").unlink(),
    "junk manifest": lambda home: (home / "manifest.json").write_text("junk"),
    "empty manifest": lambda home: (home / "manifest.json").write_text("{}"),
    "list for a manifest": lambda home: (home / "manifest.json").write_text("[]"),
    "junk index": lambda home: (home / "index.parquet").write_text("junk"),
    "no columns": without_columns,
    "no files": without_files,
    "of other images": of_other_images,
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_variant_that_was_tampered_with_is_made_anew(make, tmp_path, harm):
    before = make(JPEG)[JPEG]
    contents = [Path(image).read_bytes() for image in before.index["image"]]
    HARMS[harm](folders(tmp_path)[0])
    after = make(JPEG)[JPEG]
    assert after.index.equals(before.index)
    assert [Path(image).read_bytes() for image in after.index["image"]] == contents
    assert after.bytes == before.bytes


def test_an_unreadable_source_leaves_no_variant(source, make, tmp_path):
    path = Path(source["image"][0])
    path.write_bytes(path.read_bytes()[:100])
    source.loc[0, ["bytes", "sha256"]] = [100, Content.of(path).sha256]
    with pytest.raises(UnreadableImageError):
        make(JPEG)
    assert folders(tmp_path) == []


def test_the_manifest_says_what_made_it(make, tmp_path):
    manifest = make(JPEG)[JPEG].manifest
    assert json.loads((folders(tmp_path)[0] / "manifest.json").read_text()) == manifest
    assert manifest["preprocessing"] == {"codec": "jpeg", "quality": 30, "noise": None}
    assert manifest["images"] == 4
    assert manifest["bytes"] > 0
    assert "Pillow" in manifest["library"]
    assert "4:2:0" in manifest["settings"]


def test_a_file_that_is_cut_off_is_an_error_not_a_variant(source, tmp_path, limit_files):
    small = source[source["image_id"] == "photo.jpg"]
    home = tmp_path / "whole"
    (whole,) = materialise(small, "f", [JPEG], home, workers=1).values()
    limit_files(whole.bytes - 100)
    with pytest.raises(OSError, match="File too large"):
        materialise(small, "f", [JPEG], tmp_path / "variants", workers=1)
    assert not folders(tmp_path)
