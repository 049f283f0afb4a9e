"""The six data sets of the paper as their archives lie, oddities included, with a few images a class."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

JUNK = b"\0\5\x16\7 no image"


def pixels(number: int, side: int = 40, kind: int | None = None) -> np.ndarray:
    """Different pixels for each number, and alike within a kind; by default within ten numbers."""
    generator = np.random.default_rng(number)
    base = np.random.default_rng(number // 10 if kind is None else kind).integers(
        0, 256, (5, 5, 3), dtype=np.uint8
    )
    image = np.asarray(Image.fromarray(base).resize((side, side), Image.Resampling.BICUBIC)).astype(int)
    return np.clip(image + generator.integers(-20, 21, image.shape), 0, 255).astype(np.uint8)


def encoded(number: int, form: str = "JPEG", mode: str = "RGB", side: int = 40) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels(number, side)).convert(mode).save(stream, form)
    return stream.getvalue()


def tar(path: Path, members: Iterator[tuple[str, bytes]], mode: Literal["w", "w:gz"] = "w:gz") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    folders: set[str] = set()
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            for parent in reversed(Path(name).parents[:-1]):
                if str(parent) not in folders:
                    folders.add(str(parent))
                    info = tarfile.TarInfo(str(parent))
                    info.type, info.mode = tarfile.DIRTYPE, 0o755
                    archive.addfile(info)
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def dtd(folder: Path, mode: Literal["w", "w:gz"] = "w:gz", each: int = 10, extra: bytes = JUNK) -> Path:
    def members() -> Iterator[tuple[str, bytes]]:
        for place, label in enumerate(("banded", "crosshatched", "waffled")):
            for number in range(each):
                yield f"dtd/images/{label}/{label}_{number + 1:04d}.jpg", encoded(100 * place + number)
        yield "dtd/images/waffled/.directory", b"[Dolphin]\n"
        yield "dtd/labels/train1.txt", b"banded/banded_0001.jpg\n"
        yield "dtd/imdb/imdb.mat", extra

    return tar(folder / "dtd-r1.0.1.tar.gz", members(), mode)


def pets(folder: Path) -> Path:
    def members() -> Iterator[tuple[str, bytes]]:
        for place, label in enumerate(("Abyssinian", "american_pit_bull_terrier", "Egyptian_Mau")):
            for number in range(10):
                form = {3: "PNG", 4: "GIF"}.get(number, "JPEG")
                content = encoded(10 * place + number, form)
                if number == 5:  # stray bytes between two segments, which decoders skip
                    content = content[:20] + b"\0\0\0" + content[20:]
                yield f"images/{label}_{number + 1}.jpg", content
        for name in ("Abyssinian_100.mat", "Abyssinian_101.mat", "Egyptian_Mau_139.mat"):
            yield f"images/{name}", JUNK
        yield "images/._Abyssinian_1.jpg", JUNK

    return tar(folder / "images.tar.gz", members())


def caltech256(folder: Path) -> Path:
    def members() -> Iterator[tuple[str, bytes]]:
        for place, label in enumerate(("001.ak47", "056.dog", "198.spider", "257.clutter")):
            for number in range(8):
                mode = {2: "L", 3: "CMYK"}.get(number, "RGB")
                content = encoded(10 * place + number, mode=mode)
                yield f"256_ObjectCategories/{label}/{label[:3]}_{number + 1:04d}.jpg", content
        yield "256_ObjectCategories/198.spider/RENAME2", b"#!/bin/sh\n"
        yield "256_ObjectCategories/056.dog/greg/vision309/056_0001.jpg", encoded(77)

    return tar(folder / "256_ObjectCategories.tar", members(), "w")


SUN_BAD = "SUN397/c/church/outdoor/sun_bhenjvsvrtumjuri.jpg"


def sun397(folder: Path) -> Path:
    def members() -> Iterator[tuple[str, bytes]]:
        for place, label in enumerate(("a/abbey", "a/apse/indoor", "c/church/indoor", "c/church/outdoor")):
            for number in range(8):
                form = {1: "BMP", 2: "PNG", 3: "GIF"}.get(number, "JPEG")
                letters = "abcdefgh"[number] * 16
                yield f"SUN397/{label}/sun_{letters}.jpg", encoded(10 * place + number, form)
        yield SUN_BAD, encoded(39)[:300]
        yield "SUN397/ClassName.txt", b"/a/abbey\n"

    return tar(folder / "SUN397.tar.gz", members())


CIFAR10_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR10_BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")


def _cifar10_batch(place: int) -> tuple[list[int], np.ndarray]:
    labels = [(place + number) % 10 for number in range(20)]
    images = [pixels(1000 * place + number, 32, kind=label) for number, label in enumerate(labels)]
    return labels, np.stack([image.transpose(2, 0, 1).ravel() for image in images])


def cifar10(folder: Path) -> Path:
    def members() -> Iterator[tuple[str, bytes]]:
        inside = "cifar-10-batches-bin"
        yield f"{inside}/batches.meta.txt", ("\n".join(CIFAR10_NAMES) + "\n\n").encode()
        for place, batch in enumerate(CIFAR10_BATCHES):
            labels, values = _cifar10_batch(place)
            rows = (bytes([label]) + row.tobytes() for label, row in zip(labels, values, strict=True))
            yield f"{inside}/{batch}.bin", b"".join(rows)
        yield f"{inside}/readme.html", b"<html></html>"

    return tar(folder / "cifar-10-binary.tar.gz", members())


def cifar10_python(folder: Path, protocol: int = 2) -> Path:
    def members() -> Iterator[tuple[str, bytes]]:
        inside = "cifar-10-batches-py"
        meta = {b"label_names": [name.encode() for name in CIFAR10_NAMES], b"num_vis": 3072}
        yield f"{inside}/batches.meta", pickle.dumps(meta, protocol)
        for place, batch in enumerate(CIFAR10_BATCHES):
            labels, values = _cifar10_batch(place)
            yield f"{inside}/{batch}", pickle.dumps({b"labels": labels, b"data": values}, protocol)

    return tar(folder / "cifar-10-python.tar.gz", members())


def cifar100(folder: Path) -> Path:
    names = ["apple", "aquarium_fish", "baby", *(f"thing_{number:02d}" for number in range(97))]

    def members() -> Iterator[tuple[str, bytes]]:
        inside = "cifar-100-binary"
        yield f"{inside}/fine_label_names.txt", "\n".join(names).encode()
        yield f"{inside}/coarse_label_names.txt", b"aquatic_mammals\n"
        for place, batch in enumerate(("train", "test")):
            rows = []
            for number in range(20):
                planes = pixels(1000 * place + number, 32, kind=number % 3).transpose(2, 0, 1)
                rows.append(bytes([19, number % 3]) + planes.tobytes())
            yield f"{inside}/{batch}.bin", b"".join(rows)

    return tar(folder / "cifar-100-binary.tar.gz", members())


ALL = {
    "dtd": (dtd, 3, 30),
    "pets": (pets, 3, 30),
    "caltech256": (caltech256, 4, 32),
    "sun397": (sun397, 4, 33),
    "cifar10": (cifar10, 10, 120),
    "cifar100": (cifar100, 3, 40),
}
"""By name: what makes its archive, and how many classes and images are in that."""


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def card(name: str, archive: Path, *addresses: str) -> str:
    """A card for one of these archives: the shipped one's keys, with its own sum and counts."""
    _, classes, images = ALL[name]
    lines = [f"title: small {name}", f"layout: {name}", f"classes: {classes}", f"images: {images}"]
    lines += ["addresses:", *(f"  - {address}" for address in addresses or (archive,))]
    lines += [f"checksums: ['md5:{md5(archive)}']", "licence: none", "citation: nobody"]
    return "\n".join(lines) + "\n"
