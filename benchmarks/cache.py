"""What it would bring to resize and crop images once, without loss, instead of in every epoch."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from autogluon.multimodal.data.process_image import ImageProcessor
from PIL import Image
from torchvision.transforms import CenterCrop, InterpolationMode, Resize

from benchmarks import photographs
from benchmarks.row import Row, paired

SIDE, REPEATS = 224, 3
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
VALIDATED = ("resize_shorter_side", "center_crop")
TRAINED = (*VALIDATED, "trivial_augment")
ODD = ((501, 333), (333, 501), (223, 225), (97, 640), (64, 64), (31, 17))


def rows() -> Iterator[Row]:
    """Measure AutoMM's own loading of an image, augmentation included."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        paths = photographs.write(folder / "photographs")
        paths += _odd(folder / "odd")
        for suffix in (".png", ".bmp"):
            kept = [_kept(path, SIDE, suffix) for path in paths]
            same = _are_equal(paths, kept)
            seconds = paired({"now": partial(_load, paths), "kept": partial(_load, kept)}, REPEATS)
            rate = {name: f"{len(paths) / one:.0f} images/s" for name, one in seconds.items()}
            size = sum(path.stat().st_size for path in kept) / sum(path.stat().st_size for path in paths)
            yield Row(
                f"AutoMM's loader in one process, {SIDE} pixels, from images resized and cropped before "
                f"({suffix[1:]}, {size:.1f} times the bytes; tensors are {'equal' if same else 'NOT equal'})",
                rate["kept"],
                f"from photographs: {rate['now']}",
                seconds["now"] / seconds["kept"],
                "more than 1",
            )


def _kept(path: Path, side: int, suffix: str) -> Path:
    """Do once what AutoMM does first."""
    with Image.open(path) as image:
        pixels = CenterCrop(side)(Resize(side, interpolation=InterpolationMode.BICUBIC)(image.convert("RGB")))
    kept = path.with_name(f"{path.stem}-{side}{suffix}")
    pixels.save(kept)
    return kept


def _odd(folder: Path) -> list[Path]:
    folder.mkdir()
    crop = next(photographs.crops(1))
    paths = [folder / f"{width}x{height}.jpg" for width, height in ODD]
    for path, size in zip(paths, ODD, strict=True):
        crop.resize(size).save(path, quality=90)
    return paths


def _processor() -> ImageProcessor:
    """Give AutoMM's own, with its defaults for ``timm_image``."""
    model = SimpleNamespace(prefix="timm_image", image_size=SIDE, image_mean=MEAN, image_std=STD)
    return ImageProcessor(model, train_transforms=[*TRAINED], val_transforms=[*VALIDATED])


def _load(paths: Sequence[Path], is_training: bool = True) -> list[torch.Tensor]:
    processor = _processor()
    columns = [{"image": [str(path)]} for path in paths]
    loaded = [processor.process_one_sample(one, {}, is_training) for one in columns]
    return [one[processor.image_key] for one in loaded]


def _are_equal(some: Sequence[Path], others: Sequence[Path]) -> bool:
    """Compare what reaches a model, without augmentation and with the same one."""
    for is_training in (False, True):
        tensors = []
        for paths in (some, others):
            random.seed(0)
            np.random.seed(0)  # what TrivialAugment draws from
            torch.manual_seed(0)
            tensors.append(_load(paths, is_training))
        if not all(torch.equal(one, other) for one, other in zip(*tensors, strict=True)):
            return False
    return True
