from __future__ import annotations

import random

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from agbench.models.augmentation import RepeatableImages


class Draws(Dataset):  # type: ignore[misc]
    """Items that are random numbers of each kind."""

    def __len__(self):
        return 12

    def __getitem__(self, place):
        return torch.tensor([place, random.random(), np.random.rand(), torch.rand(()).item()], dtype=torch.float64)


def taken(images, loaders, epochs=2):
    loader = DataLoader(images, batch_size=4, num_workers=loaders, persistent_workers=loaders > 0)
    found = []
    for epoch in range(epochs):
        images.begin(epoch)
        found.append(torch.cat(list(loader)))
    return torch.stack(found)


def test_each_process_draws_the_same_for_an_image():
    first = taken(RepeatableImages(Draws(), seed=1), loaders=0)
    assert torch.equal(first, taken(RepeatableImages(Draws(), seed=1), loaders=2))
    assert torch.equal(first, taken(RepeatableImages(Draws(), seed=1), loaders=3))


def test_epochs_images_and_seeds_draw_differently():
    drawn = taken(RepeatableImages(Draws(), seed=1), loaders=0)[..., 1:]
    other = taken(RepeatableImages(Draws(), seed=2), loaders=0)[..., 1:]
    values = torch.cat([drawn.flatten(), other.flatten()])
    assert len(values.unique()) == values.numel()


def test_the_numbers_of_the_training_are_left_alone():
    images = RepeatableImages(Draws(), seed=1)
    drawn = []
    for take in (False, True):
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)
        if take:
            images[3]
        drawn.append((random.random(), np.random.rand(), torch.rand(()).item()))
    assert drawn[0] == drawn[1]
