"""A copy that is made again, goes on, or is in the way."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

from agbench.compression import manifest
from agbench.compression.manifest import HOME, Made
from agbench.core.errors import UserError
from tests.compression.conftest import compress, contents, names, pixels
from tests.conftest import environment


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


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff", b"[1]", b'{"a": [1]}', b'{"a": {"x": "y"}}'])
def test_a_damaged_memory_is_as_none(tmp_path, content):
    home = tmp_path / "small" / HOME
    home.mkdir(parents=True)
    for name in ("settings.json", "files.jsonl", "measured.json"):
        (home / name).write_bytes(content)
    with manifest.opened(tmp_path / "small") as ledger:
        assert not ledger.records
        assert not ledger.measured("a")


def test_a_record_that_names_what_lies_outside_is_not_ours(tmp_path):
    home = tmp_path / "small" / HOME
    home.mkdir(parents=True)
    odd = os.fsdecode(b"n\xff.png")
    ours = Made(odd, "compressed", name="a.jpg", size=(4, 2), dropped=("EXIF",))
    rows = [ours, Made("b.png", "compressed", name="../b.jpg")]
    (home / "files.jsonl").write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows))
    with manifest.opened(tmp_path / "small") as ledger:
        assert ledger.records == {odd: ours}
