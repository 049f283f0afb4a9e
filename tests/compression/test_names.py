"""What the images of a copy are called."""

from __future__ import annotations

import os
import unicodedata

from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from agbench.compression.names import new_names
from tests.compression.conftest import compress, contents, names


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


def test_a_name_that_would_be_too_long_is_kept_and_said(tmp_path, photograph):
    root = tmp_path / "root"
    root.mkdir()
    photograph.save(root / "first.png")
    (root / ("w" * 255)).write_bytes((root / "first.png").read_bytes())
    photograph.rotate(9).save(root / ("x" * 251 + ".png"))
    photograph.rotate(5).save(root / ("é" * 125 + "a.png"))  # 255 bytes
    for target in ({"level": 0.3}, {"target_bytes": "0.9"}):
        out = tmp_path / f"small-{next(iter(target))}"
        done = compress(root, out, codec="webp", **target)
        made = {one.source: (one.state, one.name) for one in done.files}
        assert made["first.png"] == ("compressed", "first.webp")
        for name in ("w" * 255, "x" * 251 + ".png", "é" * 125 + "a.png"):
            assert made[name] == ("unfit for the codec", name)
            assert (out / name).read_bytes() == (root / name).read_bytes()
        assert any("longer than 255 bytes" in line for line in done.exceptions())


def test_only_names_that_avoid_others_are_counted(tmp_path, photograph):
    root = tmp_path / "root"
    root.mkdir()
    for name in ("a.png", "a.bmp", "b.png"):
        photograph.save(root / name)
    photograph.save(root / "bare", format="PNG")
    text = compress(root, tmp_path / "small", level=0.3).text()
    assert "names: 2 files with the old suffix before the new one" in text
