"""Photographs to measure on: crops of those inside scikit-image and scikit-learn, as JPEGs of about 500 pixels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data
from sklearn.datasets import load_sample_images

COUNT, SIDES, QUALITY = 300, (500, 375), 93
"""How many, and of which size and quality: about 58 kB each."""


def photographs() -> list[Image.Image]:
    """Give the whole photographs."""
    names = ("astronaut", "chelsea", "coffee", "rocket")
    found = [getattr(data, name)() for name in names] + list(load_sample_images().images)
    return [Image.fromarray(np.asarray(image)[..., :3]) for image in found]


def crops(count: int = COUNT) -> Iterator[Image.Image]:
    """Give crops of them, each another one, all of one size."""
    wholes, generator = photographs(), np.random.default_rng(0)
    for number in range(count):
        whole = wholes[number % len(wholes)]
        share = generator.uniform(0.6, 1.0)
        width, height = int(whole.width * share), int(whole.height * share)
        left, top = generator.integers(0, (whole.width - width + 1, whole.height - height + 1))
        yield whole.crop((left, top, left + width, top + height)).resize(SIDES, Image.Resampling.LANCZOS)


def write(folder: Path, count: int = COUNT) -> list[Path]:
    """Write them as JPEGs, and give their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, crop in enumerate(crops(count)):
        paths.append(folder / f"{number:04d}.jpg")
        crop.save(paths[-1], quality=QUALITY)
    return paths
