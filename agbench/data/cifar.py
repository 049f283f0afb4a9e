"""CIFAR10 and CIFAR100: 32x32 images in binary records, or in the pickles of the Python archives."""

from __future__ import annotations

import io
import pickle
import pickletools
import re
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
    if not all(isinstance(name, (bytes, str)) for name in names):
        raise UserError(f"{file.name} is damaged: a name of a class in it is no text")
    return [name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in names]


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
    pixels, labels = _values(content.get(b"data")), _values(content.get(cifar.labels))
    if pixels is None or labels is None:
        raise UserError(f"{file.name} is damaged: it has no data or no labels, or they are no numbers")
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise UserError(f"{file.name} is damaged: its labels are not a list of whole numbers")
    if pixels.dtype != np.uint8 or pixels.shape != (len(labels), PIXELS):
        raise UserError(f"{file.name} is damaged: {len(labels)} labels, but pixels of shape {pixels.shape}")
    return labels, pixels


def _values(value: Any) -> np.ndarray | None:
    """Return an array, or a list of whole numbers as one; nothing where it is neither."""
    if isinstance(value, _Array):
        return value.values
    # Not any list: those that hold one another many times would make an array without an end.
    if isinstance(value, (list, tuple)) and all(type(one) is int for one in value):
        return np.array(value)
    return None


class _Kind:
    """The type of an array's numbers: whole or real ones, in either order of bytes.

    NumPy's own ``dtype`` trusts what a pickle sets it to.
    """

    def __init__(self, code: str | bytes, align: bool = False, copy: bool = False) -> None:
        self.code = code.decode("ascii") if isinstance(code, bytes) else code
        if not re.fullmatch("[<>|=]?[iuf][1248]", self.code):
            raise pickle.UnpicklingError(f"it has an array of {self.code[:20]!r}, which are no numbers")
        self.order = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1]
        self.order = order.decode("ascii") if isinstance(order, bytes) else order

    def dtype(self) -> np.dtype[Any]:
        """Return what it is in NumPy."""
        return np.dtype(self.code).newbyteorder(self.order)  # type: ignore[arg-type] # it checks the order


class _Array:
    """An array as a pickle describes it; NumPy's own trusts the description."""

    values: np.ndarray | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, is_fortran, content = state
        self.fill(content, kind, shape, "F" if is_fortran else "C")

    def fill(self, content: bytes, kind: _Kind, shape: tuple[int, ...], order: str) -> None:
        """Take over the values."""
        values = np.frombuffer(content, dtype=kind.dtype())
        self.values = values.reshape(shape, order="C" if order == "C" else "F")


class _ArraysOnly(pickle.Unpickler):
    """Reads plain values and NumPy arrays; whatever else a pickle asks for is refused before it is called."""

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy._core", "numpy.core")
        allowed = {
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _Kind,
            ("numpy.core.multiarray", "_reconstruct"): _empty_array,
            ("numpy.core.numeric", "_frombuffer"): _array_of,
            ("_codecs", "encode"): _latin_bytes,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no array")
        return allowed[module, name]


def _empty_array(kind: type, shape: tuple[int, ...], code: bytes) -> _Array:
    # Its content follows as state.
    if kind is not _Array:
        raise pickle.UnpicklingError("it asks for an array that is none")
    return _Array()


def _array_of(buffer: bytes, dtype: _Kind, shape: tuple[int, ...], order: str) -> _Array:
    array = _Array()
    array.fill(buffer, dtype, shape, order)
    return array


def _latin_bytes(text: str, encoding: str) -> bytes:
    # How Python 3 writes bytes for Python 2.
    return text.encode("latin-1")


def _unpickled(file: Path) -> dict[bytes, Any]:
    try:
        data = file.read_bytes()
        _check_lengths(data)
        content = _ArraysOnly(io.BytesIO(data), encoding="bytes").load()
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


def _check_lengths(data: bytes) -> None:
    """Refuse a pickle that takes much more memory than it has bytes: `pickle` believes the numbers in it."""
    for code, argument, _ in pickletools.genops(data):
        if code.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > len(data):
            raise pickle.UnpicklingError(f"it counts to {argument:,} in {len(data):,} bytes")
