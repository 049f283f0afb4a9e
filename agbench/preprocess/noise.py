"""The paper's noise (section III-A): the image, plus the image times Gaussian noise."""

from __future__ import annotations

import hashlib

import numpy as np
from PIL import Image


def add_noise(image: Image.Image, variance: float, seed: int, image_id: str) -> Image.Image:
    """Add multiplicative Gaussian noise, drawn for every pixel and channel.

    Parameters
    ----------
    image : PIL.Image.Image
        Mode ``"L"`` or ``"RGB"``.
    variance : float
        Of the noise; the paper's is 1.
    seed : int
        The condition's.
    image_id : str
        With the seed it determines the noise, whatever the order or the worker.

    Returns
    -------
    PIL.Image.Image
        ``clip(x + x * noise, 0, 1)`` for pixels x scaled to 0..1, in the image's mode.

    Examples
    --------
    >>> gray = Image.new("L", (8, 8), 100)
    >>> noisy = add_noise(gray, variance=1.0, seed=0, image_id="a.png")
    >>> noisy == add_noise(gray, variance=1.0, seed=0, image_id="a.png")
    True
    >>> noisy == add_noise(gray, variance=1.0, seed=0, image_id="b.png")
    False
    """
    from skimage.util import random_noise  # half a second to import, for the few who add noise

    words = np.frombuffer(hashlib.sha256(image_id.encode()).digest(), dtype=np.uint32)
    generator = np.random.default_rng([seed, *words.tolist()])
    noisy = random_noise(np.asarray(image) / 255, mode="speckle", rng=generator, var=variance)
    return Image.fromarray(np.rint(noisy * 255).astype(np.uint8))
