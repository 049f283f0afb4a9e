"""Augmentations that depend on the seed, the epoch and the image alone, not on the process that loads it."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset


class RepeatableImages(Dataset[Any]):  # type: ignore[misc] # mypy does not follow torch
    """Images whose augmentations are the same, to the bit, with any number of loading processes.

    Otherwise each loading process draws from numbers of its own; without one, from those of the training.

    Parameters
    ----------
    images : Dataset
        Images that draw random numbers from Python, NumPy or PyTorch when they are taken.
    seed : int
        Seed of the training, from 0.
    """

    def __init__(self, images: Dataset[Any], seed: int) -> None:
        self._images, self._seed = images, seed
        # Shared with the loading processes, which live as long as the training.
        self._epoch = multiprocessing.Value("q", 0)

    def begin(self, epoch: int) -> None:
        """Draw from the numbers of an epoch from now on, in all processes."""
        self._epoch.value = epoch

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, place: int) -> Any:
        with _drawing_from((self._seed, self._epoch.value, place)):
            return self._images[place]


@contextmanager
def _drawing_from(words: Sequence[int]) -> Iterator[None]:
    """Seed all random numbers of this process, and go on with those of before when the block ends."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    seeds = np.random.SeedSequence(words).generate_state(3)
    random.seed(int(seeds[0]))
    np.random.seed(seeds[1])
    torch.default_generator.manual_seed(int(seeds[2]))  # torch.manual_seed would seed the GPU, too
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])
