from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from agbench.data.check import check_image, check_images


def test_files_are_measured_and_the_unreadable_ones_say_why(store_image, photograph):
    good = store_image("good.jpg", photograph)
    half = store_image("half.jpg", photograph)
    half.write_bytes(half.read_bytes()[:-400])
    table = check_images([good, half], workers=2)
    assert table["problem"].tolist()[0] == ""
    assert "truncated" in table["problem"].tolist()[1]
    assert table[["width", "height", "mode"]].iloc[0].tolist() == [96, 64, "RGB"]
    assert table.loc[0, "bytes"] == good.stat().st_size
    assert table.loc[0, "sha256"] == hashlib.sha256(good.read_bytes()).hexdigest()


def test_a_reason_does_not_repeat_the_path(tmp_path):
    path = tmp_path / "x.png"
    path.write_text("no image")
    assert str(tmp_path) not in check_image(path).problem


def test_a_pipe_a_folder_and_nothing_are_no_images(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    assert check_image(tmp_path / "pipe.jpg").problem == "not a file"
    assert check_image(tmp_path / "folder.jpg").problem == "not a file"
    assert check_image(tmp_path / "gone.jpg").problem == "no such file"


def test_a_script_without_a_main_guard_can_check_images(store_image, photograph, tmp_path):
    image = store_image("good.jpg", photograph)
    script = tmp_path / "script.py"
    script.write_text(
        f"from pathlib import Path\nfrom agbench.data.check import check_images\n"
        f"print(check_images([Path({str(image)!r})], 2)['width'].tolist())\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("[96]\n", 0), done.stderr


@pytest.mark.parametrize(
    ("size", "problem"), [((16_383, 1), ""), ((16_384, 1), "16,384x1 pixels, and webp holds")]
)
def test_an_image_that_a_codec_can_not_hold_is_left_out_by_name(store_image, size, problem):
    path = store_image("strip.png", Image.new("L", size))
    assert check_image(path).problem.startswith(problem)
    assert bool(check_image(path).problem) == bool(problem)


def test_a_png_with_too_much_text_says_so(store_image, photograph):
    text = PngInfo()
    text.add_text("notes", "x" * 70_000_000, zip=True)
    path = store_image("text.png", photograph, pnginfo=text)
    assert check_image(path).problem.startswith("more text beside its pixels than Pillow reads")
