"""Copies of folders, and what is in them."""

from __future__ import annotations

import os
from functools import partial

import numpy as np
import pytest
from PIL import ImageOps

from agbench.compression import compress as compressing
from agbench.compression.manifest import HOME
from agbench.core import images

compress = partial(compressing.compress_folder, workers=1)


THEN = 1_600_000_000 * 10**9


def contents(folder):
    """Every file but our own: path, bytes, time."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and HOME not in path.parts
    }


def names(folder):
    return sorted(contents(folder))


def pixels(path):
    with images.opened(path) as image:
        return np.asarray(images.faithful(image), dtype=int)


def in_colour(path):
    """What a viewer shows: it turns a JPEG XL by its codestream alone, and all others by their EXIF block."""
    with images.opened(path) as image:
        shown = images.faithful(image).convert("RGB")
        if image.format != "JXL":
            shown.info["exif"] = image.info.get("exif", b"")
            shown = ImageOps.exif_transpose(shown)
        return np.asarray(shown, dtype=int)


@pytest.fixture
def photos(tmp_path, photograph):
    """Eight photographs in two folders, and a table of them."""
    root = tmp_path / "photos"
    for number in range(8):
        path = root / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        photograph.rotate(number).save(path)
        os.utime(path, ns=(THEN, THEN + number * 10**9))
    lines = [f"{path.relative_to(root).as_posix()},{path.parent.name}" for path in sorted(root.rglob("*.png"))]
    (root / "labels.csv").write_text("\n".join(["image,label", *lines]) + "\n")
    return root
