from __future__ import annotations

import pytest

from agbench.data.catalogue import Catalogue
from agbench.data.layouts import LAYOUTS
from agbench.errors import UserError


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
