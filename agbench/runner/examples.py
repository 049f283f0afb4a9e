"""The test images that a trial keeps, so that a report can show what its level does to them."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from agbench.core import images
from agbench.core.codec import Metadata, codecs
from agbench.core.condition import JPEG
from agbench.data.dataset import Dataset
from agbench.data.splits import TEST
from agbench.preprocess.variant import Variant
from agbench.studies.study import PAPER_LEVELS

LARGEST_EXAMPLE = 1_000_000
"""Bytes of a file that is kept with a result, for a look at it."""

LOOKED_AT = 32
"""Test images that are decoded to choose from: about a second where files are as large as `LARGEST_EXAMPLE`."""

KEPT_EXAMPLES = 4
"""Images that are kept, each of another class."""

LEAST_CONTRAST = 16.0
"""Standard deviation of an original's gray values, 0 to 255, below which it counts as blank."""

WINDOW = 160
"""Pixels of an image's middle that are shown, at most: scaled down, what compressing does would vanish."""

LOWEST_QUALITY = round(100 * min(PAPER_LEVELS))
"""Of JPEG, at which images are compared with their originals."""


def examples(dataset: Dataset, variant: Variant) -> pd.DataFrame:
    """Return a few of the test images as they are at a condition's level, the same for every condition.

    Parameters
    ----------
    dataset : Dataset
        Data set of the images.
    variant : Variant
        Its images at that level.

    Returns
    -------
    DataFrame
        ``image_id``, ``bytes`` (as in the variant's index), and ``file`` (what is in the file): the images on
        which most is to be seen, first those that JPEG at the lowest level changes most, each of another class;
        without those of files too large to keep.
    """
    rows = []
    for image_id, image, count in variant.index.loc[_chosen(dataset), ["image", "bytes"]].itertuples():
        if Path(image).stat().st_size <= LARGEST_EXAMPLE:
            rows.append({"image_id": image_id, "bytes": int(count), "file": Path(image).read_bytes()})
    return pd.DataFrame(rows, columns=["image_id", "bytes", "file"])


def middle(image: Image.Image) -> Image.Image:
    """Return the pixels in the middle of an image, `WINDOW` on each side at most, not scaled.

    Examples
    --------
    >>> middle(Image.new("RGB", (500, 100))).size
    (160, 100)
    """
    left, top = max((image.width - WINDOW) // 2, 0), max((image.height - WINDOW) // 2, 0)
    return image.crop((left, top, min(left + WINDOW, image.width), min(top + WINDOW, image.height)))


def _chosen(dataset: Dataset) -> list[str]:
    """Return the ids of the images that are kept; those that count as blank last."""
    tests = dataset.index[(dataset.index["split"] == TEST) & (dataset.index["bytes"] <= LARGEST_EXAMPLE)]
    # The largest files first, which have most detail, and of each class as many.
    tests = tests.sort_values(["bytes", "image_id"], ascending=[False, True])
    tests = tests.iloc[np.argsort(tests.groupby("label").cumcount(), kind="stable")][:LOOKED_AT]
    seen = tests.assign(change=[*map(_change, tests["image"])])
    seen = seen.sort_values(["change", "image_id"], ascending=[False, True])
    return list(seen.drop_duplicates("label")["image_id"][:KEPT_EXAMPLES])


def _change(path: str) -> float:
    """Return the mean absolute difference, 0 to 255, of an image's middle at `LOWEST_QUALITY`; 0 if blank."""
    with images.opened(Path(path)) as image:
        shown = middle(images.faithful(image))
    if np.asarray(shown.convert("L")).std() < LEAST_CONTRAST:
        return 0.0
    memory = BytesIO()
    codecs()[JPEG].encode(shown, memory, LOWEST_QUALITY, Metadata())
    with images.opened(memory) as image:
        return float(np.abs(np.asarray(image, np.int16) - np.asarray(shown, np.int16)).mean())
