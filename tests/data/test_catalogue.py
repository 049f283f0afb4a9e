from __future__ import annotations

import os
from itertools import pairwise

import pytest

from agbench.core.errors import UserError
from agbench.data.card import file_name, write_card
from agbench.data.catalogue import Catalogue
from agbench.data.layouts import LAYOUTS
from agbench.data.prepare import Request, prepare
from tests.data.test_folder import several


def test_every_shipped_card_is_valid_and_has_a_layout(tmp_path):
    catalogue = Catalogue(tmp_path)
    assert {"patches", "digits"} <= set(catalogue.names())
    for name in catalogue.names():
        assert catalogue.card(name).layout in LAYOUTS


def test_a_workspace_card_comes_first(tmp_path):
    card = "title: Mine\nlayout: digits\nclasses: 10\nimages: 1797\nlicence: x\ncitation: y\n"
    (tmp_path / "digits.yaml").write_text(card)
    assert Catalogue(tmp_path).card("digits").title == "Mine"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title: [", "mine.yaml is not YAML"),
        ("just words", "mine.yaml: the file"),
        ("title: a\nlayout: digits\nclasses: ten\nimages: 3\nlicence: x\ncitation: y\n", "mine.yaml: classes"),
        ("title: a\nlayout: d\nclasses: 1\nimages: 3\nlicence: x\ncitation: y\ncolour: red\n", "colour"),
    ],
)
def test_a_wrong_card_is_one_line_with_file_and_key(tmp_path, text, said):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        Catalogue(tmp_path).card("mine")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mistyped_name_gets_a_hint(tmp_path):
    with pytest.raises(UserError, match="did you mean 'patches'"):
        Catalogue(tmp_path).card("pathces")


def test_names_are_the_same_in_any_case(tmp_path):
    card = "title: Mine\nlayout: digits\nclasses: 10\nimages: 1797\nlicence: x\ncitation: y\n"
    (tmp_path / "MyDigits.yaml").write_text(card)
    (tmp_path / "folder.yaml").mkdir()
    assert "mydigits" in Catalogue(tmp_path).names()
    assert "folder" not in Catalogue(tmp_path).names()
    assert Catalogue(tmp_path).card("MYDIGITS").title == "Mine"


def test_the_papers_six_data_sets_are_there_with_its_table_one(tmp_path):
    table = {
        "cifar100": (100, 60_000, 36_000, 12_000, 12_000),
        "caltech256": (257, 30_592, 18_356, 6_119, 6_117),
        "pets": (37, 7_400, 4_440, 1_480, 1_480),
        "sun397": (397, 108_754, 65_251, 21_751, 21_752),
        "dtd": (47, 5_640, 3_384, 1_128, 1_128),
        "cifar10": (10, 60_000, 36_000, 12_000, 12_000),
    }
    for name, row in table.items():
        card = Catalogue(tmp_path).card(name.upper())
        assert card.paper is not None
        assert tuple(card.paper.model_dump().values()) == row
        assert card.addresses
        assert card.checksums
        assert "not stated" not in (card.licence, card.citation)


GOOD = "title: a\nlayout: folders\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("adresses: [/x]", "mine.yaml: adresses: "),
        ("addresses: [ftp://x/y.tar]", "mine.yaml: addresses.0: an address is"),
        ("addresses: [relative/x.tar]", "mine.yaml: addresses.0: an address is"),
        ("addresses: ['https:///x.tar']", "mine.yaml: addresses.0: an address needs a host"),
        ("addresses: /x.tar", "mine.yaml: addresses: "),
        ("checksums: [abc]", "mine.yaml: checksums.0: a checksum is"),
        ("checksums: ['md5:FFF73e5086ae6bdbea199a49dfb8a4c1']", "mine.yaml: checksums.0: a checksum is"),
        ("unpacked_limit: much", "mine.yaml: unpacked_limit: "),
        ("unpacked_limit: 0", "mine.yaml: unpacked_limit: "),
        ("images: -1", "mine.yaml: images: "),
        ("paper: {classes: 1}", "mine.yaml: paper.images: "),
        ("columns: {image: a}", "mine.yaml: columns.label: "),
        ("columns: {image: a, label: b}", "mine.yaml: columns: go with the layout csv"),
        ("classes: true", "mine.yaml: classes: "),
    ],
)
def test_a_bad_key_or_value_is_one_line_with_file_and_key(tmp_path, line, said):
    (tmp_path / "mine.yaml").write_text(GOOD + line + "\n")
    with pytest.raises(UserError) as caught:
        Catalogue(tmp_path).find("mine")
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_an_unknown_layout_gets_a_hint(tmp_path):
    (tmp_path / "mine.yaml").write_text("title: a\nlayout: folder\n")
    with pytest.raises(UserError, match=r"mine.yaml: layout: .*did you mean 'folders'"):
        Catalogue(tmp_path).find("mine")


def test_a_card_is_written_as_it_is_read(tmp_path):
    card = Catalogue(tmp_path).card("pets")
    (tmp_path / "mine.yaml").write_text(write_card(card))
    assert Catalogue(tmp_path).card("mine") == card


def test_a_folder_does_not_take_another_data_sets_name(tmp_path, prepared):
    first, second = several(tmp_path / "a" / "dtd", "x", "y"), several(tmp_path / "b" / "pics", "x", "y")
    work = tmp_path / "work"
    with pytest.raises(UserError, match="another data set called 'dtd'"):
        Catalogue(work).own_folder(first)
    prepared(Catalogue(work).own_folder(first, "mine"), work)
    assert Catalogue(work).own_folder(first, "mine").new is False
    with pytest.raises(UserError, match="another data set called 'mine'"):
        Catalogue(work).own_folder(second, "mine")


def test_a_workspace_among_the_images_is_refused(tmp_path):
    root = several(tmp_path / "pics", "x", "y")
    with pytest.raises(UserError, match="the workspace is inside"):
        Catalogue(root / "datasets").own_folder(root)


@pytest.mark.parametrize("name", ["downloads", "Downloads!"])
def test_a_reserved_name_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="can't be called 'downloads'"):
        Catalogue(tmp_path / "work").own_folder(several(tmp_path / "x", "a", "b"), name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title: a\nlayout: csv\naddresses: [/x.csv]\n", "columns: go with the layout csv"),
        (
            "title: a\nlayout: csv\naddresses: ['http://x/y.csv']\ncolumns: {image: a, label: b}\n",
            "addresses: a table has to be on the disk",
        ),
        ("title: a\nlayout: digits\naddresses: [/x.tar]\n", "addresses: the layout digits makes its images"),
        ("[" * 2000, "nested too deep"),
    ],
)
def test_a_card_that_contradicts_itself_is_one_line(tmp_path, text, said):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UserError, match=said):
        Catalogue(tmp_path).find("mine")


def test_a_table_with_another_checksum_is_refused(tmp_path, prepared):
    several(tmp_path / "root", "x", "y")
    table = tmp_path / "root" / "labels.csv"
    table.write_text("image,label\n" + "".join(f"{kind}/{n}.jpg,{kind}\n" for kind in "xy" for n in range(5)))
    card = f"title: a\nlayout: csv\naddresses: [{table}]\ncolumns: {{image: image, label: label}}\n"
    (tmp_path / "mine.yaml").write_text(f"{card}checksums: ['sha256:{'0' * 64}']\n")
    with pytest.raises(UserError, match="expected sha256:000"):
        prepared("mine")


def test_a_path_that_is_no_text_is_refused(tmp_path):
    root = several(tmp_path / os.fsdecode(b"n\xff"), "x", "y")
    with pytest.raises(UserError, match="not UTF-8"):
        Catalogue(tmp_path / "work").own_folder(root)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("note: 2026-13-45", "'2026-13-45' is no timestamp"),
        ("note: !!int", "'' is no int"),
        ("columns: !!map [a]", "expected a mapping node"),
        (f"unpacked_limit: {'9' * 400}", "unpacked_limit: Input should be less than"),
        (f"images: 0x{'f' * 9000}", "got a number of many digits"),
        ("".join(f"key{number}: 1\n" for number in range(30)), "and 20 more"),
    ],
)
def test_a_value_that_is_none_is_one_short_line(tmp_path, line, said):
    (tmp_path / "mine.yaml").write_text(f"title: a\nlayout: digits\n{line}\n")
    with pytest.raises(UserError) as caught:
        Catalogue(tmp_path).card("mine")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 5000


def test_aliases_of_aliases_are_not_written_out(tmp_path):
    lists = "".join(f"- &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in pairwise("abcdefghijklmnop"))
    (tmp_path / "mine.yaml").write_text(f"title: a\nlayout: digits\naddresses:\n- &a [x]\n{lists}")
    with pytest.raises(UserError) as caught:
        Catalogue(tmp_path).card("mine")
    assert len(str(caught.value)) < 20_000


@pytest.mark.parametrize("name", ["..", "%00", "", "x" * 240])
def test_an_archive_is_never_called_what_no_file_can_be(name):
    assert file_name(f"https://example.org/{name}") == "archive"


def test_a_path_that_is_too_long_for_one_is_refused(tmp_path):
    with pytest.raises(UserError, match="can't be read: File name too long"):
        Catalogue(tmp_path).own_folder(tmp_path / ("x" * 300))
    with pytest.raises(UserError, match="can't be read: File name too long"):
        prepare(Catalogue(tmp_path).find("dtd"), tmp_path, Request(source=str(tmp_path / ("x" * 300))))
