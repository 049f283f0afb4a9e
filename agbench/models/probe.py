"""``probe``: TabularPredictor's linear model on a frozen backbone's embeddings of the images."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import timm
import torch
from timm.data import create_transform, resolve_model_data_config

from agbench.core import images
from agbench.core.condition import Budget
from agbench.models import kept, memory_layout, table, weights
from agbench.models.autogluon_internals import CONFIG_FILE, WEIGHTS_FILE
from agbench.models.registry import IMAGE_SIZE, Fitted, Task

BATCH = 32
"""Number of images per forward pass; batch normalisation is frozen, so that it changes no embedding."""


def check(variant: str, budget: Budget) -> None:
    """Raise `UserError` if the backbone's weights are not available."""
    weights.check_available(variant)


def fit_predict(task: Task) -> Fitted:
    """Embed all of a task's images, fit a linear model on its training images, and predict its test images.

    Stronger presets of TabularPredictor take many times as long, and lose accuracy on few images.

    Parameters
    ----------
    task : Task
        Images to fit and to predict; its variant is the backbone, as in `agbench.models.weights.checkpoint`.

    Returns
    -------
    Fitted

    Raises
    ------
    ModelError
        If the linear model could not be trained.
    """
    task.on_phase("features")
    started = time.monotonic()
    paths = table.images_of(task)
    backbone = Backbone.load(task.variant, task.budget.image_size)
    maker = ["embedding", str(backbone.network), backbone.digest(), str(backbone.transform)]
    loaded = time.monotonic() - started
    embedded = kept.compute_once(
        task.kept, maker, paths, lambda some: embed(some, backbone, task.cpus, task.gpus), task.cpus, task.gpus
    )
    made = pd.DataFrame(
        embedded.values,
        index=[str(path) for path in paths],
        columns=[f"embedding_{place}" for place in range(embedded.values.shape[1])],
    )
    fitted = table.fit_linear(task, made, {"features": loaded + embedded.seconds})
    notes = {"backbone": task.variant, IMAGE_SIZE: str(backbone.image_size), kept.COMPUTED_BEFORE: embedded.note}
    notes = {**fitted.notes, **notes}
    return Fitted(fitted.predictions, fitted.curve, fitted.seconds, notes)


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


def embed(paths: Sequence[Path], backbone: Backbone, cpus: int, gpus: int) -> npt.NDArray[np.float32]:
    """Return a frozen backbone's embeddings of images.

    By timm, as AutoMM's own feature extraction can't load a checkpoint folder (AutoGluon 1.6.3).

    Parameters
    ----------
    paths : sequence of Path
        Images that convert to RGB faithfully.
    backbone : Backbone
        Frozen network that computes the embeddings.
    cpus, gpus : int
        Numbers of cores and of GPUs.

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

    def read(path: Path) -> Any:
        with images.opened(path) as image:
            return backbone.transform(image.convert("RGB"))

    # Strict reading is a setting of the process, so it begins before the threads.
    with images.strictly(), ThreadPoolExecutor(cpus) as pool, torch.inference_mode():
        batches = [
            network(torch.stack(list(pool.map(read, batch))).to(device)).float().cpu().numpy()
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
