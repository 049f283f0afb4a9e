"""Data sets made from what installed packages carry: nothing here touches the network.

Each builder writes lossless images into a folder and yields, in a stable order, every image's path
relative to that folder and its label.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image

PATCH_SIZE = 60
PATCHES_PER_PHOTOGRAPH = 40
FLATTEST_PATCH = 4.0
"""Smallest standard deviation, in gray levels of 255, that a patch may have."""

SKIMAGE_PHOTOGRAPHS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "cell.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
)
SKLEARN_PHOTOGRAPHS = ("china.jpg", "flower.jpg")


def build_patches(folder: Path) -> Iterator[tuple[Path, str]]:
    """Cut the photographs inside scikit-image and scikit-learn into square patches.

    The class of a patch is the photograph it comes from. Patches do not overlap, are stored as PNG in
    the photograph's own mode (gray or RGB), and are spread evenly over it. Patches without content
    (the black around the retina, an even sky) are left out: they would be duplicates of each other.

    Parameters
    ----------
    folder : Path
        Where the images go, one sub-folder a class.

    Yields
    ------
    tuple of Path and str
        Path below `folder`, and label.
    """
    skimage = resources.files("skimage") / "data"
    sklearn = resources.files("sklearn") / "datasets" / "images"
    sources = [skimage / name for name in SKIMAGE_PHOTOGRAPHS]
    sources += [sklearn / name for name in SKLEARN_PHOTOGRAPHS]
    for source in sorted(sources, key=lambda source: source.name):
        label = Path(source.name).stem
        with source.open("rb") as stream, Image.open(stream) as photograph:
            pixels = np.asarray(photograph)
        for number, patch in enumerate(_patches(pixels)):
            path = Path(label) / f"{label}_{number:03d}.png"
            yield _store(patch, folder, path), label


def build_digits(folder: Path) -> Iterator[tuple[Path, str]]:
    """Store scikit-learn's 1,797 handwritten digits as 8x8 gray PNGs.

    Their 17 gray levels (0 to 16) are stretched to 0 to 255.

    Parameters
    ----------
    folder : Path
        Where the images go, one sub-folder a class.

    Yields
    ------
    tuple of Path and str
        Path below `folder`, and label ("0" to "9").
    """
    from sklearn.datasets import load_digits  # 0.5 s to import, and only needed to build

    digits = load_digits()
    for number, (pixels, target) in enumerate(zip(digits.images, digits.target, strict=True)):
        label = str(target)
        path = Path(label) / f"digit_{number:04d}.png"
        yield _store(np.rint(pixels * (255 / 16)).astype(np.uint8), folder, path), label


def _patches(pixels: np.ndarray) -> list[np.ndarray]:
    rows, columns = pixels.shape[0] // PATCH_SIZE, pixels.shape[1] // PATCH_SIZE
    grid = [
        pixels[
            row * PATCH_SIZE : (row + 1) * PATCH_SIZE,
            column * PATCH_SIZE : (column + 1) * PATCH_SIZE,
        ]
        for row in range(rows)
        for column in range(columns)
    ]
    textured = [patch for patch in grid if patch.std() >= FLATTEST_PATCH]
    count = min(PATCHES_PER_PHOTOGRAPH, len(textured))
    chosen = np.linspace(0, len(textured) - 1, count).round().astype(int)
    return [textured[index] for index in chosen]


def _store(pixels: np.ndarray, folder: Path, path: Path) -> Path:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(target, format="PNG")
    return path
