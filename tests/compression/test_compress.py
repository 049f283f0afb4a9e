"""A compressed copy of a folder, through the command line and from Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from agbench.compression.manifest import HOME
from agbench.core import images
from agbench.core.errors import UserError
from tests.compression.conftest import THEN, compress, contents, in_colour, names, pixels
from tests.conftest import environment


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


def test_nothing_of_the_users_is_touched(tmp_path, photos):
    before = contents(photos)
    (tmp_path / "link").symlink_to(photos)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "thesis.txt").write_text("all there is")
    for out in (photos, photos / "small", tmp_path / "link", tmp_path / "link" / "x", tmp_path):
        with pytest.raises(UserError, match="overlap"):
            compress(photos, out, level=0.3)
    with pytest.raises(UserError, match="is not empty"):
        compress(photos, tmp_path / "own", level=0.3)
    assert contents(photos) == before
    assert names(tmp_path / "own") == ["thesis.txt"]


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
        ("photos", {"level": 1.0}, "the original files"),
        ("photos", {}, "how small?"),
        ("photos", {"level": 0.3, "target_bytes": "0.3"}, "how small?"),
        ("photos", {"level": None, "target_bytes": "5GB"}, "is within 5GB already"),
        ("empty", {"level": 0.3}, "no images below"),
        ("photos/a/0.png", {"level": 0.3}, "neither a folder nor a CSV or TSV"),
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
