from __future__ import annotations

import socket
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agbench.data import bundled


@pytest.fixture(scope="module")
def patches(tmp_path_factory):
    folder = tmp_path_factory.mktemp("patches")
    return folder, list(bundled.build_patches(folder))


def test_patches_are_many_classes_of_many_squares(patches):
    folder, rows = patches
    counts = Counter(label for _, label in rows)
    assert len(counts) >= 16
    assert min(counts.values()) >= 30
    for path, _ in rows:
        with Image.open(folder / path) as image:
            assert (image.format, *image.size) == ("PNG", bundled.PATCH_SIZE, bundled.PATCH_SIZE)


def test_patches_are_lossless_pieces_of_their_photograph_and_do_not_overlap(patches):
    from skimage.data import astronaut

    folder, rows = patches
    photograph = astronaut()
    side = bundled.PATCH_SIZE
    grid = {
        photograph[y : y + side, x : x + side].tobytes()
        for y in range(0, photograph.shape[0] - side + 1, side)
        for x in range(0, photograph.shape[1] - side + 1, side)
    }
    own = [np.asarray(Image.open(folder / path)).tobytes() for path, label in rows if label == "astronaut"]
    assert set(own) <= grid
    assert len(set(own)) == len(own)


def test_no_two_patches_are_the_same(patches):
    folder, rows = patches
    contents = [(folder / path).read_bytes() for path, _ in rows]
    assert len(set(contents)) == len(contents)


def test_digits_are_the_ones_of_scikit_learn(tmp_path):
    from sklearn.datasets import load_digits

    rows = list(bundled.build_digits(tmp_path))
    digits = load_digits()
    assert len(rows) == 1797
    assert [label for _, label in rows] == [str(target) for target in digits.target]
    pixels = np.asarray(Image.open(tmp_path / rows[5][0]))
    assert np.array_equal(np.rint(pixels / (255 / 16)), digits.images[5])


def test_nothing_asks_the_network(tmp_path, monkeypatch):
    def refuse(*arguments, **named):
        raise AssertionError("a bundled data set asked for the network")

    monkeypatch.setattr(socket, "socket", refuse)
    assert Path(next(iter(bundled.build_patches(tmp_path)))[0])
    assert len(list(bundled.build_digits(tmp_path))) == 1797
