"""Tables of a folder, which name the files of the copy."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agbench.compression import tables
from tests.compression.conftest import names


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


def test_what_a_table_names_and_is_not_there_is_named(agbench, tmp_path, photos):
    (photos / "labels.csv").write_text("image,label\na/0.png,a\na/1000.png,a\n")
    done = agbench("compress", photos / "labels.csv", "--level", "0.3", "--out", tmp_path / "small")
    assert done.returncode == 2
    assert "a/1000.png: not copied: No such file or directory" in done.stderr
    assert "agbench: could not be read, and not in" in done.stderr
    assert "1 compressed" in done.stdout


@pytest.mark.parametrize("folder", ["/\0", "/\ud800"])
def test_a_folder_that_no_system_can_have_names_no_image(folder):
    copied = tables.Copied(Path("/photos"), Path("/small"), {"a.png": "a.jpg"})
    assert copied.named(f"{folder}/a.png", "") is None


def test_a_table_in_utf_16_that_is_cut_off_stays_and_is_doubtful():
    copied = tables.Copied(Path("/photos"), Path("/small"), {"a.png": "a.jpg"})
    data = "\ufeffa.png,cat\n".encode("utf-16-le")[:-1]
    made = tables.rewrite(data, "labels.csv", copied)
    assert (made.data, made.doubtful) == (data, 1)
    assert "cut off" in made.words()
