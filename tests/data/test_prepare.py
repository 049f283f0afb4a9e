from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from agbench.data import dataset as module
from agbench.data.dataset import load_dataset
from agbench.errors import UserError


@pytest.fixture
def digits(tmp_path):
    return load_dataset("digits", tmp_path, workers=2)


def test_a_data_set_is_prepared_once(digits, tmp_path):
    assert len(digits.index) == 1797
    assert digits.classes == [str(digit) for digit in range(10)]
    assert set(digits.index["split"]) == {"train", "test", "validation"}
    assert len(digits.quarantined) == 0
    assert all(Path(path).is_file() for path in digits.index["image"])
    before = (digits.folder / module.INDEX).stat().st_mtime_ns
    again = load_dataset("DIGITS", tmp_path)
    assert again.fingerprint == digits.fingerprint
    assert (digits.folder / module.INDEX).stat().st_mtime_ns == before


def test_a_changed_image_is_refused_by_name(digits, tmp_path):
    row = digits.index.iloc[7]
    path = Path(row["image"])
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    os.utime(path, ns=(1, 1))
    with pytest.raises(UserError, match=row["image_id"]):
        load_dataset("digits", tmp_path)


def test_a_missing_image_is_refused_by_name(digits, tmp_path):
    Path(digits.index.iloc[3]["image"]).unlink()
    with pytest.raises(UserError, match=digits.index.iloc[3]["image_id"]):
        load_dataset("digits", tmp_path)


def test_a_copied_workspace_is_the_same_data_set(digits, tmp_path):
    for path in digits.index["image"]:
        os.utime(path, ns=(1, 1))
    assert load_dataset("digits", tmp_path).fingerprint == digits.fingerprint


def test_other_images_than_the_card_says_leave_nothing_behind(tmp_path):
    card = "title: a\nlayout: digits\nclasses: 10\nimages: 1798\nlicence: x\ncitation: y\n"
    (tmp_path / "mine.yaml").write_text(card)
    with pytest.raises(UserError, match="1797 images, but its card says 10 and 1798"):
        load_dataset("mine", tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path):
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "precious").write_text("x")
    with pytest.raises(UserError, match="move it away"):
        load_dataset("digits", tmp_path)
    assert (tmp_path / "digits" / "precious").read_text() == "x"


def test_an_index_that_was_changed_is_refused(digits, tmp_path):
    path = digits.folder / module.INDEX
    index = pd.read_parquet(path)
    index["label"] = index["label"].to_numpy()[::-1]
    index.to_parquet(path)
    with pytest.raises(UserError, match="damaged"):
        load_dataset("digits", tmp_path)


@pytest.mark.parametrize("name", [module.INDEX, module.MARKER])
def test_a_damaged_index_is_refused(digits, tmp_path, name):
    (digits.folder / name).write_text("junk")
    with pytest.raises(UserError, match="damaged"):
        load_dataset("digits", tmp_path)
