"""CIFAR10 and CIFAR100: 32x32 images in binary records, or in the pickles of the Python archives."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from agbench.core.errors import UserError

SIDE = 32
PIXELS = 3 * SIDE * SIDE


@dataclass(frozen=True)
class Cifar:
    """How one of the two is published.

    Parameters
    ----------
    binary, python : str
        Folders of the two archives.
    batches : tuple of str
        Files without their suffix, the same in both.
    names : str
        File of the class names in the binary archive.
    meta : str
        That of the Python archive.
    labels, label_names : bytes
        Keys of the Python archive's dictionaries.
    label_bytes : int
        Before the pixels of a binary record; the last of them is the label (CIFAR100's first is the coarse one).
    """

    binary: str
    python: str
    batches: tuple[str, ...]
    names: str
    meta: str
    labels: bytes
    label_names: bytes
    label_bytes: int


CIFAR10 = Cifar(
    binary="cifar-10-batches-bin",
    python="cifar-10-batches-py",
    batches=(*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"),
    names="batches.meta.txt",
    meta="batches.meta",
    labels=b"labels",
    label_names=b"label_names",
    label_bytes=1,
)
CIFAR100 = Cifar(
    binary="cifar-100-binary",
    python="cifar-100-python",
    batches=("train", "test"),
    names="fine_label_names.txt",
    meta="meta",
    labels=b"fine_labels",
    label_names=b"fine_label_names",
    label_bytes=2,
)


def build(cifar: Cifar, source: Path, images: Path) -> Iterator[tuple[Path, str]]:
    """Store every record as a PNG; both archives give the same files under the same names.

    Parameters
    ----------
    cifar : Cifar
        Which one.
    source : Path
        The unpacked archive, or the folder inside it.
    images : Path
        Where the PNGs go, one sub-folder a batch.

    Yields
    ------
    tuple of Path and str
        Path below `images`, and label.

    Raises
    ------
    UserError
        If a file is missing, damaged, or has more in it than arrays.
    """
    read, names = _find(cifar, source)
    if len(set(names)) != len(names):
        raise UserError("the archive is damaged: two of its classes have the same name")
    for batch in cifar.batches:
        labels, pixels = read(cifar, batch)
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(names):
            raise UserError(f"{batch} is damaged: a label in it is not one of 0 to {len(names) - 1}")
        (images / batch).mkdir(parents=True)
        for number, (label, values) in enumerate(zip(labels, pixels, strict=True)):
            path = Path(batch) / f"{number:05d}.png"
            Image.fromarray(values.reshape(3, SIDE, SIDE).transpose(1, 2, 0)).save(images / path)
            yield path, names[label]


Reader = Callable[[Cifar, str], tuple[np.ndarray, np.ndarray]]


def _find(cifar: Cifar, source: Path) -> tuple[Reader, list[str]]:
    for inside in (cifar.binary, cifar.python, "."):
        folder = source / inside
        if (folder / f"{cifar.batches[0]}.bin").is_file():
            return partial(_read_binary, folder), _binary_names(folder / cifar.names)
        if (folder / cifar.batches[0]).is_file() and (folder / cifar.meta).is_file():
            return partial(_read_python, folder), _python_names(folder / cifar.meta, cifar.label_names)
    raise UserError(f"{source} has neither {cifar.binary}/ nor {cifar.python}/ in it, or not all of their files")


def _binary_names(file: Path) -> list[str]:
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file.name}, the names of the classes, can't be read") from error


def _python_names(file: Path, key: bytes) -> list[str]:
    names = _unpickled(file).get(key)
    if not isinstance(names, (list, tuple)):
        raise UserError(f"{file.name} is damaged: it has no names of classes")
    return [name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in names]


def _read_binary(folder: Path, cifar: Cifar, batch: str) -> tuple[np.ndarray, np.ndarray]:
    file = folder / f"{batch}.bin"
    if not file.is_file():
        raise UserError(f"{file.name} is missing: is the archive whole?")
    values = np.fromfile(file, dtype=np.uint8)
    if not len(values) or len(values) % (cifar.label_bytes + PIXELS):
        raise UserError(f"{file.name} is damaged: {len(values):,} bytes are not a whole number of records")
    records = values.reshape(-1, cifar.label_bytes + PIXELS)
    return records[:, cifar.label_bytes - 1], records[:, cifar.label_bytes :]


def _read_python(folder: Path, cifar: Cifar, batch: str) -> tuple[np.ndarray, np.ndarray]:
    file = folder / batch
    content = _unpickled(file)
    try:
        pixels = np.asarray(content[b"data"])
        labels = np.asarray(content[cifar.labels])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{file.name} is damaged: it has no data or no labels") from error
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise UserError(f"{file.name} is damaged: its labels are not a list of whole numbers")
    if pixels.dtype != np.uint8 or pixels.shape != (len(labels), PIXELS):
        raise UserError(f"{file.name} is damaged: {len(labels)} labels, but pixels of shape {pixels.shape}")
    return labels, pixels


class _ArraysOnly(pickle.Unpickler):
    """Reads plain values and NumPy arrays; whatever else a pickle asks for is refused before it is called."""

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy._core", "numpy.core")
        allowed = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("numpy.core.multiarray", "_reconstruct"): _empty_array,
            ("numpy.core.numeric", "_frombuffer"): _array_of,
            ("_codecs", "encode"): _latin_bytes,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no array")
        return allowed[module, name]


def _empty_array(kind: type, shape: tuple[int, ...], code: bytes) -> np.ndarray:
    # What numpy's own _reconstruct gives for its arrays; their content follows as state.
    if kind is not np.ndarray:
        raise pickle.UnpicklingError("it asks for an array that is none")
    return np.ndarray((0,), dtype=np.int8)


def _array_of(buffer: bytes, dtype: np.dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    return np.frombuffer(buffer, dtype=dtype).reshape(shape, order="C" if order == "C" else "F")


def _latin_bytes(text: str, encoding: str = "latin1") -> bytes:
    # How Python 3 writes bytes for Python 2.
    return text.encode("latin-1")


def _unpickled(file: Path) -> dict[bytes, Any]:
    try:
        with file.open("rb") as stream:
            content = _ArraysOnly(stream, encoding="bytes").load()
    except FileNotFoundError as error:
        raise UserError(f"{file.name} is missing: is the archive whole?") from error
    # A damaged pickle ends in nearly any error; none of its objects has been called.
    except Exception as error:
        raise UserError(f"{file.name} is refused: {str(error) or type(error).__name__}") from error
    if not isinstance(content, dict):
        raise UserError(f"{file.name} is damaged: it holds no dictionary")
    return {
        key.encode("utf-8", "replace") if isinstance(key, str) else key: value for key, value in content.items()
    }
