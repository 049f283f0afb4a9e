from __future__ import annotations

import os

import pytest

from agbench.core import files
from agbench.core.files import Content


def test_a_folder_appears_when_it_is_whole(tmp_path):
    home = tmp_path / "deep" / "home"
    with files.atomic_dir(home) as half_made:
        (half_made / "file").write_text("x")
        assert not home.exists()
    assert (home / "file").read_text() == "x"
    assert [path.name for path in home.parent.iterdir()] == ["home"]


def test_a_folder_that_fails_leaves_nothing(tmp_path):
    def interrupted():
        with files.atomic_dir(tmp_path / "home") as half_made:
            (half_made / "file").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_half_made_is_removed(tmp_path):
    (tmp_path / ".home.abc").mkdir()
    (tmp_path / ".home.abc" / "file").write_text("half")
    (tmp_path / ".home.lock").write_text("")
    with files.atomic_dir(tmp_path / "home"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".home.lock", "home"]


def test_a_text_file_appears_whole(tmp_path):
    files.write(tmp_path / "a" / "b.txt", "ünïcode")
    assert (tmp_path / "a" / "b.txt").read_text(encoding="utf-8") == "ünïcode"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.txt"]


def test_content_knows_changes_and_only_those(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    content = Content.of(path)
    assert content.is_that_of(path)
    os.utime(path, ns=(1, 1))
    assert content.is_that_of(path), "a copy with another time has the same bytes"
    path.write_bytes(b"abd")
    assert not content.is_that_of(path)
    path.unlink()
    assert not content.is_that_of(path)
