"""The images that trials keep are those on which something is to be seen."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from agbench.core.condition import Preprocessing
from agbench.data.catalogue import Catalogue
from agbench.data.dataset import Dataset
from agbench.data.prepare import prepare
from agbench.preprocess.variant import materialise
from agbench.preprocess.writing import VariantRecipe
from agbench.runner.examples import KEPT_EXAMPLES, examples

CLASSES = ("ant", "bee", "cat", "dog", "elk", "fox")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    """Six classes, of which each has blank images and detailed ones, the detail finer in later classes."""
    folder = tmp_path_factory.mktemp("own")
    generator = np.random.default_rng(0)
    for place, name in enumerate(CLASSES):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(20):
            spread = 3 if number % 2 else 20 + 8 * place
            pixels = 128 + generator.normal(scale=spread, size=(40, 40, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(
                folder / "photos" / name / f"{number:02}.png"
            )
    return prepare(Catalogue(folder / "datasets").own_folder(folder / "photos"), folder / "datasets", workers=1)


def kept(dataset, level):
    recipe = VariantRecipe.of(Preprocessing.at(level), 0)
    made = materialise(dataset.index, dataset.fingerprint, [recipe], dataset.folder / "variants", 1)
    return examples(dataset, made[recipe])


def test_they_are_of_different_classes_and_the_most_changed_come_first(dataset):
    found = kept(dataset, 1.0)
    label = dataset.index.set_index("image_id")["label"]
    assert [label[one] for one in found["image_id"]] == [*CLASSES[::-1][:KEPT_EXAMPLES]]
    for file in found["file"]:
        assert np.asarray(Image.open(BytesIO(file)).convert("L")).std() > 16


def test_they_are_the_same_at_every_level_with_the_files_of_that_level(dataset):
    original, low = kept(dataset, 1.0), kept(dataset, 0.1)
    assert list(original["image_id"]) == list(low["image_id"])
    assert list(low["bytes"]) == [len(file) for file in low["file"]]
    assert (low["bytes"] < original["bytes"]).all()
