"""A frozen backbone, and its embeddings of images."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_model_data_config

from agbench.core import images
from agbench.models import memory_layout, weights
from agbench.models.autogluon_internals import CONFIG_FILE, WEIGHTS_FILE

BATCH = 32
"""Number of images per forward pass; batch normalisation is frozen, so that it changes no embedding."""


@dataclass(frozen=True)
class Backbone:
    """A frozen network, with the transform of its input images.

    Parameters
    ----------
    network : torch.nn.Module
        Network without its classifier.
    transform : callable
        Function from an RGB image to the network's input.
    image_size : int
        Side of the input in pixels.
    """

    network: Any
    transform: Any
    image_size: int

    @classmethod
    def load(cls, name: str, image_size: int | None) -> Backbone:
        """Load one.

        Parameters
        ----------
        name : str
            Name of a backbone, as in `agbench.models.weights.checkpoint`.
        image_size : int, optional
            Side in pixels that images are scaled and cropped to; by default the backbone's own.
        """
        network = _frozen(name)
        memory_layout.apply(network)
        config = resolve_model_data_config(network)
        if image_size is not None:
            config["input_size"] = (3, image_size, image_size)
        return cls(network, create_transform(**config, is_training=False), config["input_size"][1])

    def digest(self) -> str:
        """Return a hash of the network's weights, in hexadecimal digits."""
        content = sha256()
        for name, tensor in self.network.state_dict().items():
            content.update(name.encode())
            content.update(tensor.contiguous().numpy())
        return content.hexdigest()


def _rgb(path: Path) -> Image.Image:
    with images.opened(path) as image:
        return image.convert("RGB")


def embed(
    paths: Sequence[Path],
    backbone: Backbone,
    cpus: int,
    gpus: int,
    read: Callable[[Path], Image.Image] = _rgb,
) -> npt.NDArray[np.float32]:
    """Return a frozen backbone's embeddings of images.

    By timm, as AutoMM's own feature extraction can't load a checkpoint folder (AutoGluon 1.6.3).

    Parameters
    ----------
    paths : sequence of Path
        Images.
    backbone : Backbone
        Frozen network that computes the embeddings.
    cpus, gpus : int
        Numbers of cores and of GPUs.
    read : callable
        Reads an image as RGB; by default strictly, and converted by Pillow.

    Returns
    -------
    ndarray of float32, shape (images, features)
        The backbone's pooled features before its classifier.

    Raises
    ------
    UnreadableImageError
        If an image can't be decoded completely.
    """
    device = torch.device("cuda" if gpus else "cpu")
    network = backbone.network.to(device)

    def transformed(path: Path) -> Any:
        return backbone.transform(read(path))

    # Strict reading is a setting of the process, so it begins before the threads.
    with images.strictly(), ThreadPoolExecutor(cpus) as pool, torch.inference_mode():
        batches = [
            network(torch.stack(list(pool.map(transformed, batch))).to(device)).float().cpu().numpy()
            for batch in _batches(paths)
        ]
    return np.concatenate(batches)


def _batches(paths: Sequence[Path]) -> Iterator[list[Path]]:
    left = iter(paths)
    while batch := list(islice(left, BATCH)):
        yield batch


def _frozen(backbone: str) -> Any:
    if backbone in weights.PACKAGED:
        packaged = weights.PACKAGED[backbone]
        model = timm.create_model(packaged.architecture, pretrained=False)
        model.load_state_dict(weights.state_dict(packaged))
        model.reset_classifier(0)
    elif weights.local_digest(backbone) is not None:
        config = json.loads((Path(backbone) / CONFIG_FILE).read_text())
        model = timm.create_model(config["architecture"], pretrained=False, num_classes=0)
        content = torch.load(Path(backbone) / WEIGHTS_FILE, map_location="cpu", weights_only=True)
        model.load_state_dict(content)
    else:
        model = timm.create_model(backbone, pretrained=True, num_classes=0)
    return model.eval()
