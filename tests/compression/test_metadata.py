"""Metadata and colours of the images of a copy."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from agbench.core import images
from tests import profiles
from tests.compression.conftest import compress, in_colour, names, pixels


@pytest.fixture
def rich(tmp_path, photograph):
    """Photographs with all that a file can say beside its pixels, in several formats and modes."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 8
    exif.get_ifd(0x8825)[1] = "N"
    root = tmp_path / "rich"
    root.mkdir()
    said = {"exif": exif.tobytes(), "xmp": b"<x:xmpmeta/>"}
    photograph.save(root / "rgb.jpg", quality=98, icc_profile=profiles.swapped(), **said)
    photograph.save(root / "rgb.webp", lossless=True, icc_profile=profiles.swapped(), **said)
    photograph.save(root / "rgb.tif", icc_profile=profiles.swapped(), exif=said["exif"])
    photograph.convert("LA").save(root / "gray.png", icc_profile=profiles.gray(), exif=exif)
    photograph.convert("CMYK").save(root / "ink.jpg", quality=98, icc_profile=profiles.inks(), **said)
    photograph.convert("L").save(root / "wrong.png", icc_profile=profiles.swapped())
    return root


def saved(copied, source):
    (made,) = [one for one in copied.files if one.source == source]
    assert made.state == "compressed", made
    return copied.out / made.name


@pytest.mark.parametrize("codec", ["jpeg", "webp", "avif"])
def test_metadata_is_kept(tmp_path, rich, codec):
    done = compress(rich, tmp_path / "small", level=0.5, codec=codec)
    for name in ("rgb.jpg", "rgb.webp", "rgb.tif", "gray.png"):
        with images.opened(saved(done, name)) as copy:
            assert copy.getexif()[0x010F] == "Maker", name
            assert copy.getexif().get_ifd(0x8825)[1] == "N", name
            # Pillow turns a TIFF itself when it reads it, and there is nothing left for a viewer to do.
            assert (images.orientation(copy), copy.size) == ((1, (64, 96)) if name == "rgb.tif" else (8, (96, 64)))
            if name in ("rgb.jpg", "rgb.webp"):
                assert b"xmpmeta" in copy.info["xmp"]
            own = profiles.gray() if name == "gray.png" and copy.mode == "L" else profiles.swapped()
            if name != "gray.png" or copy.mode == "L":
                assert copy.info["icc_profile"] == own
    # Of these two, no profile is left that would be about their pixels.
    for name in ("ink.jpg", "wrong.png"):
        with images.opened(saved(done, name)) as copy:
            assert "icc_profile" not in copy.info
    assert done.dropped() == {"colour profile": 2}


def test_a_cmyk_image_with_a_profile_has_the_colours_of_its_inks(tmp_path, rich):
    done = compress(rich, tmp_path / "small", level=0.9)
    cyan = np.asarray(Image.open(rich / "ink.jpg"))[..., 0]
    copy = pixels(saved(done, "ink.jpg"))
    assert copy[cyan < 10].mean() > 235
    strong = copy[cyan > 230].mean(axis=0)
    assert strong[0] > strong[1] + 60


@pytest.mark.parametrize(("codec", "strip"), [("jpeg", True), ("webp", True), ("jxl", False), ("jxl", True)])
def test_without_a_profile_colours_stay_the_same(tmp_path, rich, codec, strip):
    done = compress(rich, tmp_path / "small", level=0.9, codec=codec, strip_metadata=strip)
    source, copy = in_colour(rich / "rgb.jpg"), in_colour(saved(done, "rgb.jpg"))
    assert np.abs(copy - source[..., [1, 0, 2]]).mean() < 8
    lighter = pixels(saved(done, "gray.png"))
    assert lighter.mean() > pixels(rich / "gray.png").mean() + 20
    assert done.dropped()["colour profile"] == 6
    for name in ("rgb.jpg", "rgb.tif"):
        with images.opened(saved(done, name)) as copy:
            assert images.orientation(copy) == (1 if name == "rgb.tif" or codec == "jxl" else 8)
            assert copy.size == ((64, 96) if name == "rgb.tif" or codec == "jxl" else (96, 64))
            assert (0x010F in copy.getexif()) is not strip
            if strip:
                assert "xmp" not in copy.info
                assert codec == "jxl" or "icc_profile" not in copy.info


def test_what_was_dropped_is_said(agbench, tmp_path, rich, photograph):
    photograph.save(rich / "tight.jpg", quality=5)
    done = agbench("compress", rich, "--level", "0.5", "--strip-metadata", "--out", tmp_path / "small")
    assert "dropped: EXIF, from 5 files" in done.stdout
    assert "dropped: XMP, from 3 files" in done.stdout
    assert "dropped: colour profile, from 6 files" in done.stdout
    assert "converted to sRGB" in done.stdout
    assert "metadata was not dropped from what was copied as it is: 1 file" in done.stdout


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photograph_is_upright_as_jpeg_xl(tmp_path, photograph, orientation):
    (tmp_path / "root").mkdir()
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", orientation
    photograph.save(tmp_path / "root" / "x.png", exif=exif)
    done = compress(tmp_path / "root", tmp_path / "small", level=0.9, codec="jxl", verify=True)
    assert not done.damaged
    copy, source = in_colour(saved(done, "x.png")), in_colour(tmp_path / "root" / "x.png")
    assert copy.shape == source.shape
    assert np.abs(copy - source).mean() < 8
    with images.opened(saved(done, "x.png")) as image:
        assert dict(image.getexif()) == {0x010F: "Maker"} | ({0x0112: 1} if orientation == 1 else {})


def test_what_no_compressed_file_keeps_is_said(tmp_path, photograph):
    (tmp_path / "root").mkdir()
    said = PngInfo()
    said.add_text("Author", "Ada")
    clear = photograph.convert("RGBA")
    clear.putalpha(128)
    clear.save(tmp_path / "root" / "clear.png", pnginfo=said, dpi=(300, 300))
    Image.fromarray(np.asarray(photograph.convert("L")).astype(np.uint16) * 257).save(
        tmp_path / "root" / "deep.png"
    )
    photograph.save(tmp_path / "root" / "said.jpg", quality=98, comment="by hand", dpi=(240, 240))
    done = compress(tmp_path / "root", tmp_path / "small", level=0.5)
    assert done.dropped() == {"transparency (laid on white)": 1, "text of a PNG": 1, "bits beyond 8 a channel": 1}
    with images.opened(saved(done, "said.jpg")) as copy:
        assert (copy.info["comment"], copy.info["dpi"]) == (b"by hand", (240, 240))
    with images.opened(saved(done, "clear.png")) as copy:
        assert copy.info["dpi"] == (300, 300)
    webp = compress(tmp_path / "root", tmp_path / "webp", level=0.5, codec="webp")
    assert webp.dropped() == done.dropped() | {"comment": 1, "pixels an inch": 2}


def test_a_photograph_with_a_second_picture_is_no_animation(tmp_path, photograph):
    (tmp_path / "root").mkdir()
    photograph.save(
        tmp_path / "root" / "phone.jpg", format="MPO", save_all=True, append_images=[photograph], quality=95
    )
    done = compress(tmp_path / "root", tmp_path / "small", level=0.3)
    assert [one.state for one in done.files] == ["compressed"]
    assert list(done.dropped()) == ["further pictures in one file (MPO)"]


def test_metadata_that_a_jpeg_can_not_hold_is_dropped_and_said(tmp_path, photograph):
    (tmp_path / "root").mkdir()
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "x" * 70_000, 3
    photograph.save(tmp_path / "root" / "x.png", exif=exif)
    done = compress(tmp_path / "root", tmp_path / "small", level=0.3)
    assert done.dropped() == {"EXIF": 1}
    with images.opened(tmp_path / "small" / "x.jpg") as copy:
        assert images.orientation(copy) == 3


@pytest.mark.parametrize("codec", ["jpeg", "webp", "avif", "jxl"])
def test_damaged_metadata_keeps_no_image_from_being_compressed(tmp_path, photograph, codec):
    (tmp_path / "root").mkdir()
    for name in ("x.jpg", "x.png", "x.webp"):
        path = tmp_path / "root" / name
        photograph.save(path, quality=98, exif=b"Exif\0\0MM\0*\xff\xff", icc_profile=b"not a profile")
    done = compress(tmp_path / "root", tmp_path / "small", level=0.3, codec=codec, verify=True)
    assert {one.state for one in done.files} == {"compressed"}
    assert not done.damaged


def test_an_image_too_large_for_the_codec_is_copied(tmp_path):
    (tmp_path / "root").mkdir()
    Image.new("RGB", (17_000, 1)).save(tmp_path / "root" / "wide.bmp")
    done = compress(tmp_path / "root", tmp_path / "small", level=0.3, codec="webp")
    assert done.files[0].state == "unfit for the codec"
    assert done.files[0].note
    assert names(tmp_path / "small") == ["wide.bmp"]


XMP_6 = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


@pytest.mark.parametrize("codec", ["jpeg", "webp", "avif", "jxl"])
def test_an_orientation_in_xmp_alone_turns_nothing(tmp_path, photograph, codec):
    root = tmp_path / "root"
    root.mkdir()
    photograph.save(root / "a.jpg", quality=95, xmp=XMP_6)
    done = compress(root, tmp_path / "small", level=0.5, codec=codec)
    (made,) = done.images
    with Image.open(tmp_path / "small" / made.name) as copy:
        assert copy.size == photograph.size
        tags = Image.Exif()
        tags.load(copy.info.get("exif", b""))
        assert ExifTags.Base.Orientation not in tags


@pytest.mark.parametrize("block", [b"JUNKJUNKJUNKJUNK", b"II*\0\x08\0\0\0\xff\xff", b"MM\0*\0\0\0\x08"])
@pytest.mark.parametrize("codec", ["jpeg", "webp", "avif", "jxl"])
def test_exif_that_can_not_be_read_is_dropped_and_said(tmp_path, photograph, codec, block):
    root = tmp_path / "root"
    root.mkdir()
    photograph.save(root / "a.jpg", quality=95, exif=b"Exif\0\0" + block)
    done = compress(root, tmp_path / "small", level=0.5, codec=codec)
    (made,) = done.images
    with Image.open(tmp_path / "small" / made.name) as copy:
        assert ImageOps.exif_transpose(copy).size == photograph.size
    if block.startswith(b"JUNK"):
        assert "EXIF (damaged)" in made.dropped
