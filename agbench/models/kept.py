"""What is computed of images once, and kept for other trials: features and embeddings."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from agbench.core import environment, files, processes
from agbench.core.condition import digest

FORMAT = 1
"""Of the files; raise it when they change."""

COMPUTED_BEFORE = "computed before"
"""Key of the note that says of how many images."""

Values = npt.NDArray[np.float32]

_DAMAGED = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Computed:
    """Values of images.

    Parameters
    ----------
    values : ndarray of float32, shape (images, values)
        One row per image.
    seconds : float
        Seconds for computing them, also where an earlier trial did: what a model takes must not depend on which
        trial came first.
    before : int
        Number of images of which the values were computed before.
    """

    values: Values
    seconds: float
    before: int

    @property
    def note(self) -> str:
        """How many of them were computed before, in words."""
        return f"{self.before} of {len(self.values)} images"


def compute_once(
    folder: Path | None,
    maker: Sequence[str],
    paths: Sequence[Path],
    compute: Callable[[list[Path]], Values],
    cpus: int,
    gpus: int = 0,
) -> Computed:
    """Compute values of images, or take those that an earlier trial has computed of the same bytes.

    What is computed of each variant's images is one file, named by the maker, the versions of the software, the
    hardware, and the bytes of all images: it never changes, and can be deleted at any time. What can't be written
    is not kept.

    Parameters
    ----------
    folder : Path, optional
        Folder of the kept values, below that of the variants; by default nothing is kept.
    maker : sequence of str
        What computes the values, with all of its settings.
    paths : sequence of Path
        Images, each once.
    compute : callable
        Takes images in an order of its own, each content once, and returns one row for each.
    cpus, gpus : int
        Numbers of cores and of GPUs that compute them: what another number of cores or another processor
        computed took other seconds, and may differ in the last bits.

    Returns
    -------
    Computed
        Rows in the order of `paths`.
    """
    with processes.threads(cpus) as pool:
        contents = dict(zip(paths, pool.map(_content, paths), strict=True))
    hardware = [environment.processor(), cpus, environment.gpu() if gpus else ""]
    made_by = [FORMAT, *maker, *hardware, environment.digest_of_software(environment.software())]
    rows: dict[str, Values] = {}
    seconds, before = 0.0, 0
    for group in _by_variant(folder, paths):
        # One path for each content, in an order that does not depend on the trial: nor do batches.
        wanted = {contents[path]: path for path in reversed(group)}
        wanted = dict(sorted(wanted.items()))
        file = None if folder is None else folder / f"{maker[0]}-{_key(made_by, wanted)}.npz"
        with _locked(file):
            kept = None if file is None else _read(file, len(wanted))
            if kept is None:
                started = time.monotonic()
                values = compute(list(wanted.values()))
                kept = values, time.monotonic() - started
                if file is not None:
                    _write(file, *kept)
            else:
                before += len(group)
        rows.update(zip(wanted, kept[0], strict=True))
        seconds += kept[1]
    return Computed(np.array([rows[contents[path]] for path in paths], np.float32), seconds, before)


def _content(path: Path) -> str:
    return files.digests(path, ["sha256"])["sha256"]


def _by_variant(folder: Path | None, paths: Sequence[Path]) -> list[list[Path]]:
    """Part images by the variant that they are of: others may train on one, and test on another."""
    if folder is None:
        return [list(paths)]
    variants = folder.parent.resolve()
    groups: dict[str, list[Path]] = {}
    for path in paths:
        name = path.relative_to(variants).parts[0] if path.is_relative_to(variants) else ""
        groups.setdefault(name, []).append(path)
    return list(groups.values())


def _key(made_by: Sequence[Any], contents: dict[str, Path]) -> str:
    return digest([made_by, sha256("".join(contents).encode()).hexdigest()])


@contextmanager
def _locked(file: Path | None) -> Iterator[None]:
    """Let one trial compute what several want at once; each does where no lock can be had."""
    if file is None:
        yield
        return
    lock = FileLock(file.with_suffix(".lock"))
    # A folder that can't be written, or a file system without locks.
    with suppress(OSError, NotImplementedError):
        file.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _read(file: Path, count: int) -> tuple[Values, float] | None:
    """Return kept values with the seconds they took; ``None`` where they are not there, or damaged."""
    try:
        with np.load(file, allow_pickle=False) as kept:
            values, seconds = kept["values"].astype(np.float32), float(kept["seconds"])
    except _DAMAGED:
        return None
    return (values, seconds) if values.ndim == 2 and len(values) == count else None


def _write(file: Path, values: npt.NDArray[Any], seconds: float) -> None:
    # Pixels are whole numbers, which take a fourth of the room.
    if values.size and values.min() >= 0 and values.max() <= 255:
        whole = values.astype(np.uint8)
        values = whole if whole.astype(np.float32).tobytes() == values.tobytes() else values
    # On a full disk, the next trial computes them again.
    with suppress(OSError), files.atomic_file(file) as half_made, half_made.open("wb") as stream:
        np.savez(stream, values=values, seconds=seconds)
