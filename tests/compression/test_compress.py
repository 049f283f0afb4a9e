"""A compressed copy of a folder, through the command line and from Python."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import unicodedata
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from agbench.compression import compress as compressing
from agbench.compression import manifest, tables
from agbench.compression.manifest import HOME
from agbench.compression.names import new_names
from agbench.compression.target import Target, search
from agbench.core import images
from agbench.core.errors import UserError
from tests import profiles
from tests.conftest import environment

compress = partial(compressing.compress_folder, workers=1)

THEN = 1_600_000_000 * 10**9


def contents(folder):
    """Every file but our own: path, bytes, time."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and HOME not in path.parts
    }


def names(folder):
    return sorted(contents(folder))


def pixels(path):
    with images.opened(path) as image:
        return np.asarray(images.faithful(image), dtype=int)


def in_colour(path):
    """What a viewer shows: it turns a JPEG XL by its codestream alone, and all others by their EXIF block."""
    with images.opened(path) as image:
        shown = images.faithful(image).convert("RGB")
        if image.format != "JXL":
            shown.info["exif"] = image.info.get("exif", b"")
            shown = ImageOps.exif_transpose(shown)
        return np.asarray(shown, dtype=int)


@pytest.fixture
def photos(tmp_path, photograph):
    """Eight photographs in two folders, and a table of them."""
    root = tmp_path / "photos"
    for number in range(8):
        path = root / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        photograph.rotate(number).save(path)
        os.utime(path, ns=(THEN, THEN + number * 10**9))
    lines = [f"{path.relative_to(root).as_posix()},{path.parent.name}" for path in sorted(root.rglob("*.png"))]
    (root / "labels.csv").write_text("\n".join(["image,label", *lines]) + "\n")
    return root


def test_the_copy_has_the_tree_and_says_what_was_saved(agbench, tmp_path, photos):
    (photos / "notes.txt").write_text("hello")
    (photos / ".git").mkdir()
    (photos / ".git" / "icon.png").write_bytes(b"not read")
    (photos / "later").mkdir()
    before = contents(photos)
    done = agbench("compress", photos, "--level", "0.3", "--out", tmp_path / "small", "--verify")
    assert done.returncode == 0, done.stderr
    small = tmp_path / "small"
    expected = [name.replace(".png", ".jpg") if name[0] in "ab" else name for name in before]
    assert names(small) == sorted(expected)
    assert (small / "later").is_dir()
    for number in range(8):
        path = small / "ab"[number % 2] / f"{number}.jpg"
        assert path.stat().st_mtime_ns == THEN + number * 10**9
        assert np.abs(pixels(path) - pixels(photos / path.parent.name / f"{number}.png")).mean() < 12
    assert (small / "labels.csv").read_text() == (photos / "labels.csv").read_text().replace(".png", ".jpg")
    total = sum((small / name).stat().st_size for name in names(small) if name.endswith(".jpg"))
    assert f"{total / 1000:.1f} kB after" in done.stdout
    assert "images: 8 compressed (jpeg, quality 30)\n" in done.stdout
    assert "labels.csv: rows rewritten: 8" in done.stdout
    assert "other files: 2 copied" in done.stdout
    assert "read back: 8 of 8 images\n" in done.stdout
    assert contents(photos) == before


@pytest.mark.parametrize("codec", ["jpeg", "webp", "avif", "jxl"])
def test_odd_images_look_in_the_copy_as_a_viewer_shows_them(tmp_path, odd_images, codec):
    root = tmp_path / "odd"
    root.mkdir()
    for name, image, options in odd_images:
        image.save(root / name, **options)
    (root / "half.jpg").write_bytes((root / "ink.jpeg").read_bytes()[:400])
    done = compress(root, tmp_path / "small", level=0.95, codec=codec, verify=True)
    made = {one.source: one for one in done.files}
    assert made["half.jpg"].state == "unreadable"
    assert {made[name].state for name in ("moving.gif", "pages.tiff")} == {"animation"}
    for name in ("half.jpg", "moving.gif", "pages.tiff"):
        assert (tmp_path / "small" / name).read_bytes() == (root / name).read_bytes()
    assert made["wide.tif"].state == "compressed"
    for one in done.of("compressed"):
        assert one.after < one.before
        copy, source = in_colour(tmp_path / "small" / one.name), in_colour(root / one.source)
        assert copy.shape == source.shape
        # They are noise: 4:2:0 keeps their light and their colour on the whole, not each pixel's.
        assert np.abs(copy.mean(axis=(0, 1)) - source.mean(axis=(0, 1))).max() < 8, one
        assert np.abs(copy.mean(axis=2) - source.mean(axis=2)).mean() < 25, one
    for one in done.of("would grow"):
        assert one.name == one.source
    assert not done.damaged
    with images.opened(tmp_path / "small" / made["turned.jpg"].name) as turned:
        # Viewers don't turn a JPEG XL by its EXIF block: its pixels are.
        assert images.orientation(turned) == (1 if codec == "jxl" else 6)


def test_files_of_one_name_never_overwrite_each_other(tmp_path, photograph):
    root = tmp_path / "root"
    (root / "b.jpg").mkdir(parents=True)
    for name in ("a.png", "a.bmp", "b.bmp", "c.JPEG", "c.tif", "d.e.png"):
        photograph.save(root / name)
    photograph.save(root / "a.png.jpg", quality=90)
    photograph.save(root / "b.jpg" / "x.png")
    photograph.save(root / "bare", format="PNG")
    done = compress(root, tmp_path / "small", level=0.3)
    assert {one.source: one.name for one in done.files} == {
        "a.png": "a.png.jpg.jpg",
        "a.bmp": "a.bmp.jpg",
        "a.png.jpg": "a.png.jpg",
        "b.bmp": "b.bmp.jpg",
        "b.jpg/x.png": "b.jpg/x.jpg",
        "c.JPEG": "c.JPEG",
        "c.tif": "c.jpg",
        "d.e.png": "d.e.jpg",
        "bare": "bare.jpg",
    }


STEM = st.text(alphabet="aAé", min_size=1, max_size=2)
NAME = st.builds(
    lambda folder, stem, *suffixes: folder + stem + "".join(suffixes),
    st.sampled_from(["", "a.jpg/"]),
    STEM,
    st.sampled_from(["", ".png", ".jpg", ".JPG", ".jpeg", ".txt"]),
    st.sampled_from(["", ".jpg", ".webp", ".gif"]),
)


def alike(name):
    return unicodedata.normalize("NFC", name).casefold()


@given(st.lists(NAME, min_size=1, max_size=12, unique_by=alike), st.integers(0, 12))
def test_whatever_grows_no_two_files_meet(paths, some):
    folders = {alike(path.split("/")[0]) for path in paths if "/" in path}
    assume(not folders & {alike(path) for path in paths})
    pictures, others = paths[:some], paths[some:]
    assume(pictures)
    renamed = new_names(pictures, others, ".jpg")
    assert set(renamed) == set(pictures)
    possible = [{alike(path), alike(renamed[path])} for path in pictures] + [{alike(path)} for path in others]
    taken = [name for each in possible for name in each] + list(folders)
    assert len(taken) == len(set(taken))


def test_what_would_grow_keeps_its_bytes_and_its_name(tmp_path, photograph):
    root = tmp_path / "root"
    root.mkdir()
    photograph.save(root / "tight.jpg", quality=10)
    Image.new("L", (64, 64)).save(root / "flat.png")
    (root / "labels.tsv").write_text("file\tkind\nflat.png\tx\ntight.jpg\ty\n")
    done = compress(root, tmp_path / "small", level=0.9)
    assert {one.state for one in done.images} == {"would grow"}
    assert contents(tmp_path / "small") == contents(root)
    assert done.saved == 0


# ---- tables


def table_of(text, path="labels.csv", **renamed):
    copied = tables.Copied(root=Path("/source"), out=Path("/copy"), names=renamed.pop("of"))
    rewritten = tables.rewrite(os.fsencode(text), path, copied)
    assert rewritten.is_changed == (rewritten.data != os.fsencode(text))
    return os.fsdecode(rewritten.data) if rewritten.is_changed else rewritten.doubtful


MANY = {
    "a/1.png": "a/1.jpg",
    "b/1.png": "b/1.png",
    "b/2.png": "b/2.jpg",
    "c/3.png": "",
    "x;y, z.png": "x;y, z.jpg",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("image,label\na/1.png,1.png\n", "image,label\na/1.jpg,1.png\n"),  # 1.png could be either
        ("image;label\r\n./b/2.png;1,5\r\n", "image;label\r\n./b/2.jpg;1,5\r\n"),
        ("\ufeffimage\n2.png\n", "\ufeffimage\n2.jpg\n"),  # relative to a folder that only its readers know
        ("k,image\n1,/source/b/1.png\n", "k,image\n1,/copy/b/1.png\n"),
        ("image,n\nc/3.png,1\nb/2.png,2\n", "image,n\nb/2.jpg,2\n"),
        ('image,n\n"x;y, z.png",2\n', 'image,n\n"x;y, z.jpg",2\n'),
        ("image, n\n a/1.png , 1\n", "image, n\n a/1.jpg , 1\n"),
        ("image,n\nb\\2.png,1\n", "image,n\nb\\2.jpg,1\n"),
        ("image,n\nsource/a/1.png,1\n", "image,n\nsource/a/1.jpg,1\n"),  # the root is called source
        ("k,image\n1, /source/a/1.png \n", "k,image\n1, /copy/a/1.jpg \n"),
        # Rows that don't change keep their bytes, whatever another writer would make of them.
        ('image,note\r\n"b/1.png",5" pipe\r\na/1.png,x\n', 'image,note\r\n"b/1.png",5" pipe\r\na/1.jpg,x\n'),
        ('image,note\n"two\nlines",a/1.png', 'image,note\n"two\nlines",a/1.jpg'),
        ('image, caption\na/1.png, "p, q"\n', 'image, caption\na/1.jpg, "p, q"\n'),
        ('"a/1.png","1","007",""\n', '"a/1.jpg","1","007",""\n'),
        ('a/1.png,"' + "x" * 200_000 + '"\n', 'a/1.jpg,"' + "x" * 200_000 + '"\n'),
        # What is not understood is not touched, and its rows are counted that may be wrong now.
        ('image,note\na/1.png,"never ends\nb/2.png,x\n', 2),
        ("A/1.PNG,x\n1.png\n", 2),
        ("elsewhere/2.png,x\n", 1),
        ("nothing,here\n1,2\n", 0),
        ("b/1.png\n", 0),
        ("\0\0", 0),
        ("both\na/1.png b/2.png\n", 1),
        ("image,all\nb/1.png,\"['1.png', 'b/2.png']\"\n", 1),
        ("b/2.png,b/2.png?x\n11.png,x\n", "b/2.jpg,b/2.png?x\n11.png,x\n"),
    ],
)
def test_tables_name_the_files_of_the_copy(text, expected):
    assert table_of(text, of=MANY) == expected


def test_a_table_in_a_folder_names_files_relative_to_itself_first():
    assert table_of("1.png\n", "a/labels.csv", of=MANY) == "1.jpg\n"
    assert table_of("1.png\n", "b/labels.csv", of=MANY) == 0


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_tables_of_spreadsheets_keep_their_encoding(encoding):
    copied = tables.Copied(Path("/source"), Path("/copy"), {"é.png": "é.jpg"})
    rewritten = tables.rewrite("image\tn\né.png\t1\n".encode(encoding), "x.tsv", copied)
    assert rewritten.data == "image\tn\né.jpg\t1\n".encode(encoding)
    assert tables.rewrite("e\u0301.png\n".encode(encoding), "x.tsv", copied).doubtful == 1


def test_why_a_table_is_not_read_is_said():
    copied = tables.Copied(Path("/source"), Path("/copy"), {"a.png": "a.jpg"})
    words = tables.rewrite(b'image,n\n"a.png" , 2\na.png,1\n', "x.csv", copied).words()
    assert words.startswith("rows that may still name files of the source: 2, not read as a table: line 2: ")


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0\r\n"), min_size=1, max_size=8)


@given(st.dictionaries(CELL, CELL, min_size=1, max_size=6), st.sampled_from(",\t;|"))
def test_any_name_survives_a_table(cells, delimiter):
    renamed = {f"{name}.png": f"{name}.jpg" for name in cells}
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    for name, kind in cells.items():
        writer.writerow([f"{name}.png", f"{kind}?"])
    # Where names hold delimiters themselves, only one of them gives all of the images.
    found = table_of(stream.getvalue(), of=renamed)
    assert isinstance(found, str)
    rows = list(csv.reader(io.StringIO(found, newline=""), delimiter=delimiter))
    assert rows == [[f"{name}.jpg", f"{kind}?"] for name, kind in cells.items()]


def test_the_folder_may_be_a_table(agbench, tmp_path, photos, photograph):
    photograph.save(photos / "not-named.png")
    table = photos / "own.tsv"
    table.write_text(f"file\tkind\na/0.png\tx\n{photos}/b/1.png\ty\n")
    command = ("compress", table, "--image-column", "file", "--label-column", "kind", "--level", "0.3", "--out")
    done = agbench(*command, photos / "small")
    assert done.returncode == 0, done.stderr
    small = photos / "small"
    assert names(small) == ["a/0.jpg", "b/1.jpg", "own.tsv"]
    assert (small / "own.tsv").read_text() == f"file\tkind\na/0.jpg\tx\n{small}/b/1.jpg\ty\n"
    assert agbench(*command, photos / "small").returncode == 0
    (tmp_path / "link").symlink_to(photos)
    semicolons = photos / "more.csv"
    semicolons.write_text(f"file;kind\n{tmp_path}/link/b/1.png;1,5\n")
    done = agbench("compress", semicolons, *command[2:], tmp_path / "third")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "third" / "more.csv").read_text() == f"file;kind\n{tmp_path}/third/b/1.jpg;1,5\n"
    table.write_text("file\tkind\n../x.png\tx\n")
    outside = agbench(*command, tmp_path / "other")
    assert outside.returncode == 2
    assert "outside its folder" in outside.stderr


# ---- metadata and colours


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


# ---- unreadable, links


def test_unreadable_images_are_named_and_copied_or_left_out(agbench, tmp_path, photos):
    (photos / "a" / "0.png").write_bytes((photos / "a" / "0.png").read_bytes()[:500])
    copied = agbench("compress", photos, "--level", "0.3", "--out", tmp_path / "copied", "--verify")
    assert copied.returncode == 0
    assert "read back: 7 of 8 images; unreadable in the source, and copied as they are: 1 file" in copied.stdout
    assert "a/0.png: unreadable, copied: " in copied.stderr
    assert (tmp_path / "copied" / "a" / "0.png").read_bytes() == (photos / "a" / "0.png").read_bytes()
    assert "a/0.png,a" in (tmp_path / "copied" / "labels.csv").read_text()
    out = ("--out", tmp_path / "skipped", "--unreadable", "skip")
    skipped = agbench("compress", photos, "--level", "0.3", *out)
    assert "a/0.png: unreadable, left out: " in skipped.stderr
    assert "left out as unreadable: 1 file, whose 500 bytes count as saved" in skipped.stdout
    assert "rows removed with the image that they name: 1" in skipped.stdout
    assert "0.png" not in (tmp_path / "skipped" / "labels.csv").read_text()
    assert "a/0.png" not in names(tmp_path / "skipped")


def test_links_neither_loop_nor_lead_outside(agbench, tmp_path, photos):
    (tmp_path / "secret.png").write_bytes((photos / "a" / "0.png").read_bytes())
    (photos / "loop").symlink_to(photos)
    (photos / "out.png").symlink_to(tmp_path / "secret.png")
    (photos / "c").symlink_to(photos / "b")
    done = agbench("compress", photos, "--level", "0.3", "--out", tmp_path / "small")
    assert done.returncode == 0, done.stderr
    assert "loop: left out" in done.stderr
    assert "out.png: left out" in done.stderr
    found = names(tmp_path / "small")
    assert "c/1.jpg" in found
    assert not any("loop" in name or "out" in name for name in found)
    assert not any(path.is_symlink() for path in (tmp_path / "small").rglob("*"))


# ---- going on


def test_the_same_again_does_only_what_changed(agbench, tmp_path, photos, photograph):
    small = tmp_path / "small"
    command = ("compress", photos, "--level", "0.3", "--out", small)
    first = compress(photos, small, level=0.3)
    inodes = {path: path.stat().st_ino for path in small.rglob("*.jpg")}
    assert compress(photos, small, level=0.3) == first
    assert inodes == {path: path.stat().st_ino for path in small.rglob("*.jpg")}
    photograph.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(photos / "a" / "0.png")
    photograph.save(photos / "a" / "2.jpg", quality=95)  # whose name 2.png had
    (photos / "b" / "1.png").unlink()
    (small / "a" / "4.jpg").unlink()
    changed = agbench(*command)
    assert changed.returncode == 0, changed.stderr
    assert "left in the copy, though their sources are gone: 1 file" in changed.stdout
    assert np.abs(pixels(small / "a" / "0.jpg") - pixels(photos / "a" / "0.png")).mean() < 12
    assert np.abs(pixels(small / "a" / "2.png.jpg") - pixels(photos / "a" / "2.png")).mean() < 12
    assert {"a/2.jpg", "a/4.jpg", "b/1.jpg"} < set(names(small))
    assert "a/2.png.jpg,a" in (small / "labels.csv").read_text()
    assert (small / "b" / "3.jpg").stat().st_ino == inodes[small / "b" / "3.jpg"]


@pytest.fixture
def many(tmp_path):
    from skimage.data import astronaut

    root = tmp_path / "many"
    for number in range(48):
        path = root / str(number % 3) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(astronaut()[number : number + 200, :200]).save(path, compress_level=1)
    (root / "all.csv").write_text("\n".join(path.name for path in sorted(root.rglob("*.png"))))
    return root


def started(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "agbench", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
        # Where the tests run in the background of a shell, Ctrl-C is ignored, and so it would be here.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for_files(small, count):
    deadline = time.monotonic() + 60
    while len([*small.rglob("?/*.avif")]) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_killed_anywhere_it_goes_on_to_the_same_bytes(agbench, tmp_path, many):
    options = ("compress", many, "--level", "0.5", "--codec", "avif", "--out")
    compress(many, tmp_path / "whole", level=0.5, codec="avif", workers=2)
    for count in (1, 17):
        killed = started(*options, tmp_path / "small")
        wait_for_files(tmp_path / "small", count)
        killed.kill()
        killed.communicate()
        assert len([*(tmp_path / "small").glob("?/*.avif")]) < 48
    resumed = agbench(*options, tmp_path / "small")
    assert resumed.returncode == 0, resumed.stderr
    assert contents(tmp_path / "small") == contents(tmp_path / "whole")
    assert "48 compressed" in resumed.stdout


def test_ctrl_c_says_that_it_goes_on(tmp_path, many):
    # The slowest of codecs, so that it is not done before it is stopped.
    for number in range(4):
        shutil.copytree(many, tmp_path / "more" / str(number))
    options = ("compress", tmp_path / "more", "--level", "0.5", "--codec", "avif", "--out", tmp_path / "small")
    running = started(*options)
    wait_for_files(tmp_path / "small", 1)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "the same command goes on from here" in said
    assert "Traceback" not in said


# ---- refusing


def test_another_level_or_codec_into_the_same_copy_is_refused(agbench, tmp_path, photos):
    small = tmp_path / "small"
    compress(photos, small, level=0.3)
    before = contents(small)
    for other in (
        {"level": 0.4},
        {"level": 0.3, "codec": "webp"},
        {"level": 0.3, "strip_metadata": True},
        {"target_bytes": "0.3"},
    ):
        with pytest.raises(UserError, match="was made with"):
            compress(photos, small, **other)
    refused = agbench("compress", photos / "a", "--level", "0.3", "--out", small)
    assert refused.returncode == 2
    assert f"was made with folder {photos}, not {photos}/a" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert contents(small) == before


def test_nothing_of_the_users_is_touched(tmp_path, photos):
    before = contents(photos)
    (tmp_path / "link").symlink_to(photos)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "thesis.txt").write_text("all there is")
    for out in (photos, photos / "small", tmp_path / "link", tmp_path / "link" / "x", tmp_path):
        with pytest.raises(UserError, match="lie in each other"):
            compress(photos, out, level=0.3)
    with pytest.raises(UserError, match="is not empty"):
        compress(photos, tmp_path / "own", level=0.3)
    assert contents(photos) == before
    assert names(tmp_path / "own") == ["thesis.txt"]


def test_two_encoders_in_one_copy_are_said(agbench, tmp_path, photos):
    command = ("compress", photos, "--level", "0.3", "--out", tmp_path / "small")
    assert agbench(*command).returncode == 0
    settings = tmp_path / "small" / HOME / "settings.json"
    settings.write_text(re.sub(r"libjpeg-turbo [\d.]+", "libjpeg-turbo 1.0", settings.read_text()))
    assert "written by several encoders, as it went on under another: Pillow" in agbench(*command).stdout


def test_two_at_once_into_the_same_copy_are_refused(tmp_path, photos):
    with manifest.opened(tmp_path / "small"), pytest.raises(UserError, match="another agbench compress works on"):
        compress(photos, tmp_path / "small", level=0.3)
    assert compress(photos, tmp_path / "small", level=0.3).saved > 0


def test_where_no_folder_can_be_made_one_line_says_so(agbench, tmp_path, photos):
    (tmp_path / "file").write_text("x")
    done = agbench("compress", photos, "--level", "0.3", "--out", tmp_path / "file" / "small")
    assert done.returncode == 2
    assert done.stderr == f"agbench: {tmp_path}/file/small: Not a directory\n"


def test_a_file_in_the_way_is_not_replaced(tmp_path, photos):
    small = tmp_path / "small"
    compress(photos, small, level=0.3)
    (small / "a" / "0.jpg").write_text("mine now")
    with pytest.raises(UserError, match=r"a/0\.jpg is in the way"):
        compress(photos, small, level=0.3)
    assert (small / "a" / "0.jpg").read_text() == "mine now"
    (small / "a" / "0.jpg").unlink()
    (photos / "new").mkdir()
    shutil.copy(photos / "a" / "0.png", photos / "new")
    (tmp_path / "elsewhere").mkdir()
    (small / "new").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="is a link"):
        compress(photos, small, level=0.3)
    assert names(tmp_path / "elsewhere") == []


@pytest.mark.parametrize(
    ("folder", "options", "words"),
    [
        ("nowhere", {"level": 0.3}, "there is no folder or table"),
        ("photos", {"level": 0.3, "codec": "jpg"}, "did you mean"),
        ("photos", {"level": 0}, "not a level"),
        ("photos", {"level": float("nan")}, "not a level"),
        ("photos", {"level": 1.0}, "the images as they are"),
        ("photos", {}, "how small?"),
        ("photos", {"level": 0.3, "target_bytes": "0.3"}, "how small?"),
        ("photos", {"level": None, "target_bytes": "5GB"}, "is within 5GB already"),
        ("empty", {"level": 0.3}, "no images below"),
        ("photos/a/0.png", {"level": 0.3}, "no CSV or TSV"),
    ],
)
def test_what_can_not_be_done_is_refused(tmp_path, photos, folder, options, words):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=words) as refused:
        compress(tmp_path / folder, tmp_path / "small", **options)
    assert "\n" not in str(refused.value)


def test_a_home_that_nobody_has_is_one_line(agbench, tmp_path):
    for command in (
        ("compress", "~nosuch/x", "--level", "0.3", "--out", tmp_path),
        ("prepare", "--dataset", "~nosuch/x"),
    ):
        done = agbench(*command)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert "there is no such user" in done.stderr


@pytest.mark.parametrize("size", ["5 parsecs", "0.00001"])
def test_a_users_error_is_one_line(agbench, tmp_path, photos, size):
    done = agbench("compress", photos, "--target-bytes", size, "--out", tmp_path / "small", "--codec", "webp")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("agbench: ")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_what_a_table_names_and_is_not_there_is_named(agbench, tmp_path, photos):
    (photos / "labels.csv").write_text("image,label\na/0.png,a\na/1000.png,a\n")
    done = agbench("compress", photos / "labels.csv", "--level", "0.3", "--out", tmp_path / "small")
    assert done.returncode == 2
    assert "a/1000.png: not copied: No such file or directory" in done.stderr
    assert "agbench: could not be read, and not in" in done.stderr
    assert "1 compressed" in done.stdout


def test_names_that_are_no_utf8_come_along(agbench, tmp_path, photograph):
    stems = [os.fsdecode(b"caf\xe9"), "new\nline", "-rf", "\u202egnp"]
    root = tmp_path / "odd"
    root.mkdir()
    for stem in stems:
        photograph.save(tmp_path / "x.png")
        (tmp_path / "x.png").rename(root / f"{stem}.png")
    (root / "labels.csv").write_bytes(b'image,label\ncaf\xe9.png,\xe9\n"new\nline.png",x\n')
    done = agbench("compress", root, "--level", "0.3", "--out", tmp_path / "small", "--verify")
    assert done.returncode == 0, done.stderr
    small = tmp_path / "small"
    assert names(small) == sorted([*(f"{stem}.jpg" for stem in stems), "labels.csv"])
    assert (small / "labels.csv").read_bytes() == b'image,label\ncaf\xe9.jpg,\xe9\n"new\nline.jpg",x\n'


def test_a_disk_that_is_full_ends_in_one_line_and_goes_on(agbench, tmp_path, photos):
    (photos / "large.bin").write_bytes(bytes(3_000_000))
    command = ("compress", photos, "--level", "0.3", "--out", tmp_path / "small")
    shell = f"ulimit -f 1000; exec {sys.executable} -m agbench " + " ".join(map(str, command))
    full = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, env=environment(), check=False)
    assert full.returncode == 2, full.stderr
    assert "File too large; what is done is kept" in full.stderr
    assert "Traceback" not in full.stderr
    assert agbench(*command).returncode == 0
    assert (tmp_path / "small" / "large.bin").stat().st_size == 3_000_000
    assert not any((tmp_path / "small" / HOME).glob("half-made/*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("wanted", ["copy", "skip"])
def test_what_may_not_be_read_is_named(agbench, tmp_path, photos, wanted):
    (photos / "a" / "0.png").chmod(0)
    options = ("--level", "0.3", "--unreadable", wanted, "--out", tmp_path / "small")
    done = agbench("compress", photos, *options)
    assert done.returncode == 2
    assert "a/0.png: not copied: Permission denied" in done.stderr
    assert "7 compressed" in done.stdout


def test_damage_on_the_disk_is_found(agbench, tmp_path, photos):
    compress(photos, tmp_path / "small", level=0.3)
    path = tmp_path / "small" / "a" / "0.jpg"
    status = path.stat()
    path.write_bytes(bytes(status.st_size))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    found = agbench("compress", photos, "--level", "0.3", "--out", tmp_path / "small", "--verify")
    assert found.returncode == 2
    assert "a/0.jpg: cannot identify" in found.stderr
    path.unlink()
    assert not compress(photos, tmp_path / "small", level=0.3, verify=True).damaged


# ---- target


def test_a_target_is_reached_and_said(agbench, tmp_path, photos):
    small = tmp_path / "small"
    command = ("compress", photos, "--target-bytes", "0.12", "--out", small)
    done = agbench(*command)
    assert done.returncode == 0, done.stderr
    before = sum(path.stat().st_size for path in photos.rglob("*.png"))
    after = sum(path.stat().st_size for path in small.rglob("*.jpg"))
    assert after <= 0.12 * before
    quality = int(done.stdout.partition("(jpeg, quality ")[2].partition(")")[0])
    assert f"target 0.12: quality {quality} reaches {after:,} bytes" in done.stdout
    above = compress(photos, tmp_path / "above", level=(quality + 1) / 100)
    assert above.after > 0.12 * before
    steps = []
    assert compress(photos, small, target_bytes="0.12", on_progress=steps.append).after == after
    assert steps == []


def test_a_target_out_of_reach_is_said_with_the_closest_and_another_may_follow(tmp_path, photos):
    small, steps = tmp_path / "small", []
    with pytest.raises(UserError, match="can't be reached with jpeg") as refused:
        compress(photos, small, target_bytes="1kB")
    assert names(small) == []
    closest = compress(photos, tmp_path / "least", level=0.01).after
    assert f"quality 1 takes {closest:,} " in str(refused.value)
    reached = compress(photos, small, target_bytes=str(closest), on_progress=steps.append)
    assert reached.after == closest
    assert "measuring quality 1" not in {step.what for step in steps}  # it was, the last time


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("0.3", 300),
        (".25", 250),
        ("30%", 300),
        ("12.5 %", 125),
        ("70", 70),
        ("5GB", 5 * 10**9),
        ("500kB", 500_000),
        ("1.5 MiB", 3 * 2**19),
        ("2KiB", 2048),
    ],
)
def test_sizes_are_read(text, limit):
    assert Target.of(text).limit(1000) == limit


@pytest.mark.parametrize(
    "text", ["", "0", "0.0", "0%", "-1", "1.0", "1.5", "nan", "inf", "5XB", "GB", "1e3", "0B"]
)
def test_what_is_no_size_is_refused(text):
    with pytest.raises(UserError, match="is no size"):
        Target.of(text)


@given(st.lists(st.integers(0, 1000), min_size=99, max_size=99), st.integers(0, 1000), st.booleans())
def test_the_search_keeps_its_word(sizes, limit, in_order):
    sizes = sorted(sizes) if in_order else sizes
    found = search(limit, lambda quality: sizes[quality - 1])
    assert len(found.measured) <= 7
    assert all(sizes[quality - 1] == size for quality, size in found.measured.items())
    if found.quality is None:
        assert sizes[0] > limit
        assert found.closest[1] == min(found.measured.values()) > limit
    else:
        assert sizes[found.quality - 1] <= limit
        assert found.quality == 99 or found.measured[found.quality + 1] > limit
        assert found.quality == max(quality for quality, size in found.measured.items() if size <= limit)
    if in_order:
        within = [quality for quality in range(1, 100) if sizes[quality - 1] <= limit]
        assert found.quality == (max(within) if within else None)
