"""One image is moved onto another of the same scene, and onto no other."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from agbench.models.registration import bands, correlation
from agbench.models.relatives import CONGRUENT


def scene(seed):
    """Smooth random shapes."""
    noise = np.random.default_rng(seed).integers(0, 256, (12, 16), np.uint8)
    return Image.fromarray(noise).resize((320, 240), Image.Resampling.BICUBIC)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.crop((20, 10, 300, 236)),
        lambda image: image.rotate(6, Image.Resampling.BICUBIC),
        lambda image: image.resize((90, 200)),
        lambda image: image.point(lambda value: 30 + value // 3),
        lambda image: image.filter(ImageFilter.GaussianBlur(2)),
    ],
)
def test_a_changed_image_is_moved_back(change):
    assert correlation(bands(scene(0)), bands(change(scene(0)))) > CONGRUENT


@pytest.mark.parametrize("seed", range(1, 6))
def test_another_scene_is_not(seed):
    assert correlation(bands(scene(0)), bands(scene(seed))) < 0.8


def test_flat_images_have_nothing_in_common():
    flat = bands(Image.new("L", (50, 50), 128))
    assert correlation(flat, flat) == correlation(flat, bands(scene(0))) == correlation(bands(scene(0)), flat) == 0
