"""Steps of training with and without ``channels_last``, which `agbench.models.memory_layout` chooses from."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from benchmarks.row import Row, paired

NETWORKS = {
    "efficientnet_lite0": "grouped",
    "mobilenetv3_small_100": "grouped",
    "regnety_002": "grouped",
    "ghostnet_100": "grouped",
    "convnext_atto": "grouped",
    "resnet18": "not grouped",
    "densenet121": "not grouped",
    "vit_tiny_patch16_224": "not grouped",
    "swin_tiny_patch4_window7_224": "not grouped",
}
BATCHES = {64: 32, 224: 8}
"""Number of images in a step, by the side of an image in pixels."""

STEPS = 3


def rows() -> Iterator[Row]:
    """Measure each network at each size, both layouts in turn."""
    import timm
    import torch

    for name, kind in NETWORKS.items():
        for side, batch in BATCHES.items():
            more = {"img_size": side} if name.startswith(("vit", "swin")) else {}
            usual = timm.create_model(name, num_classes=10, **more).train()
            last = timm.create_model(name, num_classes=10, **more).train().to(memory_format=torch.channels_last)
            images = torch.randn(batch, 3, side, side)
            labels = torch.arange(batch) % 10
            ways = {
                way: partial(_step, network, images, labels) for way, network in (("usual", usual), ("last", last))
            }
            paired(ways, 1)  # the first step of a network takes longer
            seconds = paired(ways, STEPS)
            before, after = seconds["usual"], seconds["last"]
            yield Row(
                f"a step of training {name} with {batch} images of {side} pixels, channels_last",
                f"{after:.2f} s",
                f"PyTorch's usual layout: {before:.2f} s",
                after / before,
                "convolutions are grouped: less than 1" if kind == "grouped" else "not used, as none are grouped",
            )


def _step(network: Any, images: Any, labels: Any) -> None:
    import torch

    network.zero_grad()
    torch.nn.functional.cross_entropy(network(images), labels).backward()
