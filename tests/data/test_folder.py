from __future__ import annotations

import contextlib
import csv
import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agbench.core.errors import UserError
from agbench.data.card import Columns
from agbench.data.catalogue import Catalogue
from agbench.data.folder import check_labels, class_folders, look_alikes, table, walk
from tests.data.published import encoded

COLUMNS = Columns(image="image", label="label")

ODD_NAMES = [
    "with space",
    "com,ma",
    "semi;colon",
    'quo"te',
    unicodedata.normalize("NFC", "café"),
    unicodedata.normalize("NFD", "café"),
    "=1+1",
    "None",
    "nan",
    "NA",
    "true",
    "01",
    "1",
    "1.0",
    "a|b",
    "<b>bold<b>",
    "$x$ *y* _z_ `c`",
    "日本",
]


def fill(root, *paths):
    for number, path in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(encoded(number))
    return root


def several(root, *labels, each=5):
    return fill(root, *(f"{label}/{number}.jpg" for label in labels for number in range(each)))


def found(root):
    return {one.path: one.skipped for one in walk(root)}


def test_an_image_is_known_by_its_name_in_any_case_or_by_its_content(tmp_path):
    names = ["a.jpg", "b.JPEG", "c.Png", "d.bmp", "e.GIF", "f.webp", "g.TIF", "h.tiff", "i.avif", "none", "x.dat"]
    fill(tmp_path, *names)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "empty").touch()
    assert {path for path, skipped in found(tmp_path).items() if not skipped} == set(names)
    assert found(tmp_path)["notes.txt"] == found(tmp_path)["empty"] == "not an image"


def test_hidden_files_and_folders_are_left_aside(tmp_path):
    fill(tmp_path, "a/1.jpg", "a/._1.jpg", ".git/2.jpg")
    assert found(tmp_path) == {".git": "hidden", "a/._1.jpg": "hidden", "a/1.jpg": ""}


def test_links_are_followed_inside_and_nowhere_else(tmp_path):
    root = fill(tmp_path / "root", "a/1.jpg", "b/2.jpg")
    outside = fill(tmp_path / "outside", "3.jpg")
    (root / "a" / "same.jpg").symlink_to("1.jpg")
    (root / "c").symlink_to("b")
    (root / "out").symlink_to(outside)
    (root / "out.jpg").symlink_to(outside / "3.jpg")
    (root / "b" / "loop").symlink_to("..")
    (root / "b" / "self.jpg").symlink_to("self.jpg")
    (root / "gone.jpg").symlink_to("nowhere")
    assert found(root) == {
        "a/1.jpg": "",
        "a/same.jpg": "a link to something else in the folder, which counts once",
        "b/2.jpg": "",
        "b/loop": "a link to a folder that it lies in",
        "b/self.jpg": "a link to nowhere",
        "c": "a link to something else in the folder, which counts once",
        "gone.jpg": "a link to nowhere",
        "out": "a link out of the folder",
        "out.jpg": "a link out of the folder",
    }


def test_pipes_are_not_opened(tmp_path):
    fill(tmp_path, "a/1.jpg")
    os.mkfifo(tmp_path / "a" / "pipe.jpg")
    os.mkfifo(tmp_path / "pipe")
    assert found(tmp_path) == {"a/1.jpg": "", "a/pipe.jpg": "not a file", "pipe": "not a file"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_an_error_and_not_empty(tmp_path):
    several(tmp_path, "a", "b")
    (tmp_path / "b").chmod(0)
    with pytest.raises(UserError, match="can't be read"):
        class_folders(tmp_path)


def test_a_class_holds_all_that_is_below_its_folder(tmp_path):
    fill(tmp_path, "a/1.jpg", "a/deep/er/2.jpg", "b/3.jpg", "4.jpg")
    listing = class_folders(tmp_path)
    assert listing.rows == (("a/1.jpg", "a"), ("a/deep/er/2.jpg", "a"), ("b/3.jpg", "b"))
    assert listing.skipped == (("4.jpg", "in no class's folder"),)


def test_nested_classes_are_whole_paths(tmp_path):
    fill(tmp_path, "a/1.jpg", "a/deep/2.jpg", "b/deep/3.jpg")
    assert [label for _, label in class_folders(tmp_path, nested=True).rows] == ["a", "a/deep", "b/deep"]


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        ((), r"no images in class folders .*\(nothing\)"),
        (("1.jpg", "2.jpg"), "2 in no class's folder"),
        (("a/1.jpg", "a/2.jpg"), "one class folder, 'a'"),
        (("train/a/1.jpg", "test/a/2.jpg"), "parts of a split"),
    ],
)
def test_a_folder_that_is_no_data_set_says_why(tmp_path, paths, said):
    with pytest.raises(UserError, match=said):
        class_folders(fill(tmp_path, *paths))


def test_odd_class_names_stay_what_they_are(tmp_path, prepared):
    root = several(tmp_path / "root", *ODD_NAMES)
    dataset = prepared(Catalogue(tmp_path / "work").own_folder(root), tmp_path / "work")
    assert set(dataset.classes) == set(ODD_NAMES)
    assert dataset.index["label"].value_counts().eq(5).all()
    for row in dataset.index.to_dict("records"):
        assert row["image_id"].startswith(f"{row['label']}/")
    assert any("look the same" in remark for remark in dataset.remarks())


@pytest.mark.parametrize("name", [b"tab\there", b"line\nbreak", b"not utf-8 \xff", "sepa\u2028rator".encode()])
def test_class_names_that_no_table_can_show_are_refused_by_name(tmp_path, prepared, name):
    root = several(tmp_path / "root", "fine", os.fsdecode(name))
    with pytest.raises(UserError, match="rename it"):
        prepared(Catalogue(tmp_path / "work").own_folder(root), tmp_path / "work")


@given(st.lists(st.text(min_size=1), min_size=2, unique=True))
def test_labels_are_accepted_or_refused_but_never_changed(labels):
    unfit = [label for label in labels if any(ord(letter) < 32 or letter in "\x7f\u2028" for letter in label)]
    with pytest.raises(UserError) if unfit else contextlib.suppress(UserError) as caught:
        check_labels(labels)
    if unfit:
        assert any(repr(label) in str(caught.value) for label in labels)


def test_labels_that_look_the_same_are_found():
    assert look_alikes(["é", "e\u0301", "e", "a b", "a  b"]) == [("a  b", "a b"), ("e\u0301", "é")]


def write(tmp_path, text, name="labels.csv"):
    (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return tmp_path / name


def test_a_table_is_taken_literally(tmp_path):
    text = '\ufeffimage,label,more\r\na.jpg,01,x\r\n"b,1.jpg",nan,\r\nsub/../c.jpg,None,\r\nd.jpg,"=""1""",\r\n'
    listing = table(write(tmp_path, text), COLUMNS)
    assert listing.root == tmp_path.resolve()
    assert listing.rows == (("a.jpg", "01"), ("b,1.jpg", "nan"), ("c.jpg", "None"), ("d.jpg", '="1"'))


def test_tabs_separate_where_the_name_says_so(tmp_path):
    text = "file\tkind\na.jpg\tx,y\n"
    assert table(write(tmp_path, text, "x.TSV"), Columns(image="file", label="kind")).rows == (("a.jpg", "x,y"),)


def test_semicolons_separate_where_they_part_the_names(tmp_path):
    assert table(write(tmp_path, "image;label\na.jpg;1,5\n"), COLUMNS).rows == (("a.jpg", "1,5"),)
    assert table(write(tmp_path, "image,label\na;b.jpg,x\n"), COLUMNS).rows == (("a;b.jpg", "x"),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image,labels\na.jpg,x\n", "did you mean 'labels'"),
        ("image,label\na.jpg\n", "line 2: it needs a value"),
        ("image,label\na.jpg,\n", "line 2: it needs a value"),
        ("image,label\na.jpg,x,y\n", "line 2: it needs a value"),
        ("image,label\na.jpg,x\n./a.jpg,y\n", "two labels, 'x' and 'y'"),
        ("image,label\n", "names no images"),
        ("image,label,label\na.jpg,x,y\n", "several columns called 'label'"),
        ("", "no column called 'image'"),
        (b"image,label\n\xff.jpg,x\n", "not a CSV in UTF-8"),
        ('image,label\n"a.jpg,x\n', "not a CSV in UTF-8"),
    ],
)
def test_a_wrong_table_is_one_line(tmp_path, text, said):
    with pytest.raises(UserError, match=said) as caught:
        table(write(tmp_path, text), COLUMNS)
    assert "\n" not in str(caught.value)


@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), min_size=1, unique_by=lambda row: row[0]))
def test_any_label_survives_a_table(tmp_path_factory, rows):
    rows = [(f"{number}.jpg", label) for number, (_, label) in enumerate(rows)]
    rows = [(path, label) for path, label in rows if not set(label) & {"\r", "\n", "\0"}]
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    try:
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([("image", "label"), *rows])
    except UnicodeEncodeError:
        return
    if rows:
        assert table(path, COLUMNS).rows == tuple(rows)


def test_a_table_of_images_is_a_data_set(tmp_path, prepared):
    several(tmp_path / "root", "x", "y")
    lines = [
        f"root/{label}/{number}.jpg,{code}" for label, code in (("x", "1"), ("y", "01")) for number in range(5)
    ]
    known = Catalogue(tmp_path / "work").own_table(
        write(tmp_path, "\n".join(["image,label", *lines, "root/gone.jpg,1"])), COLUMNS, "mine"
    )
    dataset = prepared(known, tmp_path / "work")
    assert dataset.classes == ["01", "1"]
    assert dataset.quarantined.to_dict("records") == [{"image_id": "root/gone.jpg", "problem": "no such file"}]
    assert Path(dataset.index["image"].iloc[0]).is_file()


def test_columns_that_are_not_used_are_said(tmp_path, prepared):
    several(tmp_path / "root", "x", "y")
    lines = [f"root/{label}/{number}.jpg,{label},train,p{number}" for label in "xy" for number in range(5)]
    text = "\n".join(["image,label,split,patient", *lines])
    known = Catalogue(tmp_path / "work").own_table(write(tmp_path, text), COLUMNS, "mine")
    (said,) = prepared(known, tmp_path / "work").remarks()
    assert said.startswith(
        "columns of its table that are not used: 'split', 'patient'; the split is drawn at random"
    )


def test_a_class_folder_without_an_image_is_said(tmp_path):
    several(tmp_path, "a", "b")
    (tmp_path / "empty").mkdir()
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    listing = class_folders(tmp_path)
    reason = "a class folder without an image"
    assert [path for path, why in listing.skipped if why == reason] == ["deep", "empty"]


def test_a_link_to_another_class_is_no_class_and_its_images_count_once(tmp_path):
    several(tmp_path, "a", "b", ".store")
    (tmp_path / "c").symlink_to("a")
    (tmp_path / "b" / "again.jpg").symlink_to("0.jpg")
    (tmp_path / "d").symlink_to(".store")
    listing = class_folders(tmp_path)
    assert {label for _, label in listing.rows} == {"a", "b", "d"}
    assert len(listing.rows) == 15
    assert (
        dict(listing.skipped)["c"]
        == dict(listing.skipped)["b/again.jpg"]
        == ("a link to something else in the folder, which counts once")
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_may_be_parted_by_semicolons_or_tabs(tmp_path, delimiter):
    several(tmp_path, "a", "b", each=1)
    lines = [("image", "label"), ("a/0.jpg", "x"), ("b/0.jpg", "y")]
    (tmp_path / "labels.csv").write_text("\n".join(delimiter.join(line) for line in lines))
    assert table(tmp_path / "labels.csv", COLUMNS).rows == (("a/0.jpg", "x"), ("b/0.jpg", "y"))


def test_paths_may_be_those_of_windows(tmp_path):
    several(tmp_path, "a", "b", each=1)
    (tmp_path / "labels.csv").write_text("image,label\na\\0.jpg,x\nb\\0.jpg,y\n")
    assert table(tmp_path / "labels.csv", COLUMNS).rows == (("a/0.jpg", "x"), ("b/0.jpg", "y"))


def test_a_table_in_another_encoding_is_told_where(tmp_path):
    (tmp_path / "labels.csv").write_bytes("image,label\na.jpg,x\ncafé.jpg,y\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"\(byte 0xe9 in line 3\): save it as UTF-8"):
        table(tmp_path / "labels.csv", COLUMNS)


def test_a_name_too_long_for_a_file_is_only_a_row(tmp_path):
    file = write(tmp_path, f"image,label\na\\{'x' * 300},cat\n")
    assert table(file, COLUMNS).rows == ((f"a/{'x' * 300}", "cat"),)


def test_columns_with_lines_in_their_names_are_said_in_one(tmp_path):
    with pytest.raises(UserError, match="known: a b, c") as caught:
        table(write(tmp_path, '"a\n\nb",c\n1,2\n'), COLUMNS)
    assert "\n" not in str(caught.value)
