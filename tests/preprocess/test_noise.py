from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from agbench.preprocess.noise import add_noise

GRAY = Image.new("RGB", (200, 200), (64, 64, 64))


def noise_of(image, **arguments):
    given: dict[str, Any] = {"variance": 1.0, "seed": 0, "image_id": "a.png"} | arguments
    noisy = add_noise(image, **given)
    return np.asarray(noisy, dtype=float)


def test_noise_is_the_image_times_a_standard_normal_clipped():
    values = noise_of(GRAY) / 64 - 1  # the normal draws, cut off at -1 (black) and at 255 / 64 - 1 (white)
    assert abs(np.median(values)) < 0.02
    assert abs(np.mean(values <= -1 + 1 / 64) - 0.162) < 0.01  # P(z < -1 + half a gray level)
    inner = np.abs(values) < 0.5
    assert abs(inner.mean() - 0.383) < 0.01  # P(|z| < 0.5)


def test_black_stays_black_and_channels_differ():
    assert noise_of(Image.new("L", (8, 8))).max() == 0
    pixels = noise_of(GRAY)
    assert not np.array_equal(pixels[..., 0], pixels[..., 1])


def test_noise_depends_on_the_seed_and_the_image_and_nothing_else():
    assert np.array_equal(noise_of(GRAY), noise_of(GRAY))
    assert not np.array_equal(noise_of(GRAY), noise_of(GRAY, seed=1))
    assert not np.array_equal(noise_of(GRAY), noise_of(GRAY, image_id="b.png"))


def test_gray_stays_gray():
    assert add_noise(Image.new("L", (4, 4), 100), 1.0, 0, "a").mode == "L"
