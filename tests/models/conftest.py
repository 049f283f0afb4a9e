from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage import data

from agbench.core.condition import Budget
from agbench.models.registry import Task

SIDE = 48


@pytest.fixture
def make_task(tmp_path):
    """A task of pieces of photographs, easily told apart: 12 training images a class, 4 others."""

    def make(
        classes=("coffee", "grass"), budget: Budget | None = None, seed: int = 0, variant: str = "", **more
    ) -> Task:
        generator = np.random.default_rng(0)
        parts = {}
        for part, count in {"train": 12, "validation": 4, "test": 4}.items():
            rows = []
            for label in classes:
                photograph = getattr(data, label)()
                for number in range(count):
                    y, x = (generator.integers(0, extent - SIDE) for extent in photograph.shape[:2])
                    path = tmp_path / f"{part}-{label}-{number}.png"
                    Image.fromarray(photograph[y : y + SIDE, x : x + SIDE]).save(path)
                    rows.append({"image": str(path), "label": label})
            parts[part] = pd.DataFrame(rows)
        folder = tmp_path / f"trial-{seed}"
        folder.mkdir()
        tests = (parts.pop("test"),)
        train, validation = parts["train"], parts["validation"]
        return Task(variant, train, validation, tests, budget or Budget(), seed, folder, cpus=2, **more)

    return make
