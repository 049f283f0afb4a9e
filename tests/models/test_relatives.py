"""Related images are found, and distinct photographs left alone."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from agbench.data.bundled import SKIMAGE_PHOTOGRAPHS, SKLEARN_PHOTOGRAPHS
from agbench.data.groups import Relatives
from agbench.models import relatives

SIDE = 128


@pytest.fixture(scope="module")
def photographs():
    """All photographs that scikit-image and scikit-learn bring."""
    skimage, sklearn = resources.files("skimage") / "data", resources.files("sklearn") / "datasets" / "images"
    files = [skimage / name for name in SKIMAGE_PHOTOGRAPHS] + [sklearn / name for name in SKLEARN_PHOTOGRAPHS]
    return [Image.open(file.open("rb")).convert("RGB") for file in files]


def recoded(image, generator, folder, name):
    path = folder / f"{name}.jpg"
    image.resize((SIDE, SIDE)).save(path, quality=int(generator.integers(40, 90)))
    return path


def rescaled(image, generator, folder, name):
    path = folder / f"{name}.png"
    side = int(generator.integers(80, 300))
    image.resize((side, side)).save(path)
    return path


def cropped(image, generator, folder, name):
    path = folder / f"{name}.png"
    margin = [int(0.1 * generator.random() * side) for side in image.size]
    width, height = image.size
    image.crop((margin[0], margin[1], width - margin[0], height - margin[1])).resize((SIDE, SIDE)).save(path)
    return path


def next_frame(image, generator, folder, name):
    """The camera moves by a few pixels, and the light changes."""
    path = folder / f"{name}.png"
    moved = image.resize((SIDE, SIDE)).transform(
        (SIDE, SIDE), Image.Transform.AFFINE, (1, 0, generator.integers(-4, 5), 0, 1, generator.integers(-4, 5))
    )
    ImageEnhance.Brightness(moved).enhance(0.9 + 0.2 * generator.random()).save(path)
    return path


def by_another_camera(image, generator, folder, name):
    """Another perspective and exposure, another white balance, noise, and a JPEG."""
    path = folder / f"{name}.jpg"
    (width, height), (a, b, c, d, e, f, g, h) = image.size, 0.1 * generator.random(8)
    corners = (a * width, b * height, c * width, (1 - d) * height, (1 - e) * width, (1 - f) * height)
    moved = image.transform((SIDE, SIDE), Image.Transform.QUAD, (*corners, (1 - g) * width, h * height))
    light = np.asarray(moved) / 255 * generator.uniform(0.8, 1.2, 3) + generator.normal(0, 0.02, (SIDE, SIDE, 3))
    Image.fromarray((255 * light.clip(0, 1)).astype(np.uint8)).save(path, quality=int(generator.integers(40, 90)))
    return path


@pytest.mark.parametrize("change", [recoded, rescaled, cropped, next_frame])
def test_images_of_one_origin_are_found(photographs, change, tmp_path):
    generator = np.random.default_rng(0)
    paths = [
        change(photograph, generator, tmp_path, f"{number}-{copy}")
        for number, photograph in enumerate(photographs)
        for copy in range(6)
    ]
    found = relatives.find(paths, cpus=1)
    assert sum(map(len, found)) >= 0.7 * len(paths)
    assert Relatives.among([path.name for path in paths], found).matters
    for group in found:
        assert len({place // 6 for place in group}) == 1, "no two photographs are taken for one"


def test_distinct_photographs_are_left_alone(photographs, tmp_path):
    paths = [rescaled(one, np.random.default_rng(0), tmp_path, number) for number, one in enumerate(photographs)]
    assert relatives.find(paths, cpus=1) == []


@pytest.mark.parametrize("draw", range(5))
def test_two_cameras_of_one_scene_are_found(photographs, draw, tmp_path):
    """Two images of each: few enough that their group's size hardly shows."""
    generator = np.random.default_rng(draw)
    paths = [
        by_another_camera(photograph, generator, tmp_path, f"cam{camera}-{number}")
        for number, photograph in enumerate(photographs)
        for camera in range(2)
    ]
    found = relatives.find(paths, cpus=1)
    assert Relatives.among([path.name for path in paths], found).size > 1.5
    assert {place // 2 for group in found for place in group} == {group[0] // 2 for group in found}


def test_none_and_equal_images_are_no_trouble(tmp_path):
    assert relatives.find([], cpus=1) == []
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        Image.new("RGB", (8, 8)).save(path)
    steps = []
    assert relatives.find(paths, 1, steps.append) in ([], [[0, 1, 2]])
    assert (steps[-1].done, steps[-1].total) == (3, 3)
