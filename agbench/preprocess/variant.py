"""Variants: a data set under one preprocessing, as files on disk."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from filelock import FileLock

from agbench.core import files, images, processes
from agbench.core.condition import digest
from agbench.core.errors import UserError
from agbench.core.files import Content
from agbench.preprocess.index import GrowingIndex, read_index, sums
from agbench.preprocess.writing import SourceImage, VariantRecipe, make_folders, write_all

T = TypeVar("T")

VARIANT_FORMAT = 1
"""Of a variant's folder, and of what is done to pixels; raise it when either changes."""

IMAGES_A_TASK = 8
"""Images a task: few, so that all threads end at about the same time."""
VARIANT_INDEX, MANIFEST = "index.parquet", "manifest.json"


@dataclass(frozen=True)
class Variant:
    """A data set under one preprocessing.

    Parameters
    ----------
    index : DataFrame
        By ``image_id``: ``image`` (absolute path of what a model reads), ``bytes`` (of the image's
        file at this level; for the original, of its own file even where the model reads a faithful copy).
    manifest : dict
        Codec, library, settings, counts, bytes, and the seconds it took: ``seconds_encode`` for encoding all
        of ``files`` and writing them, summed over processes; it is not there in those of older releases.
    """

    index: pd.DataFrame
    manifest: dict[str, Any]

    @property
    def bytes(self) -> int:
        """Of all its images."""
        return int(self.index["bytes"].sum())

    def writing(self) -> dict[str, float]:
        """Return the metrics of encoding, by name; empty where no codec was at work, or no time was measured."""
        if self.manifest["preprocessing"]["codec"] is None or "seconds_encode" not in self.manifest:
            return {}
        kept = {"images": self.manifest["files"], "seconds_encode": self.manifest["seconds_encode"]}
        return {f"writing_{name}": float(value) for name, value in kept.items()}


def make_missing(
    source: pd.DataFrame, fingerprint: str, recipes: Sequence[VariantRecipe], folder: Path, workers: int
) -> None:
    """Make those variants of a data set that aren't there.

    Every image is decoded once for all that are missing. A variant appears whole or not at all, with the hash of
    each of its files. One whose files changed since is made anew. How many
    variants there are does not matter to memory.

    Parameters
    ----------
    source : DataFrame
        ``image_id``, ``image`` (absolute path), ``bytes`` and ``sha256``, one row an image.
    fingerprint : str
        Fingerprint of the data set.
    recipes : sequence of VariantRecipe
        The variants wanted.
    folder : Path
        Where the data set's variants lie.
    workers : int
        Threads: what decodes, encodes and hashes lets go of Python's lock.

    Raises
    ------
    UserError
        If an image of the data set is not what it was.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _check_unchanged(source, workers)
    with FileLock(folder / ".lock"):
        homes = {recipe: folder / _name(recipe, fingerprint) for recipe in recipes}
        missing = {
            recipe: home
            for recipe, home in homes.items()
            if not _is_whole(home, recipe, source, fingerprint, workers)
        }
        if missing:
            _make(source, fingerprint, missing, workers)


def materialise(
    source: pd.DataFrame, fingerprint: str, recipes: Sequence[VariantRecipe], folder: Path, workers: int
) -> dict[VariantRecipe, Variant]:
    """Return variants of a data set, after making those that aren't there.

    Parameters and errors are those of `make_missing`.

    Returns
    -------
    dict of VariantRecipe to Variant
    """
    make_missing(source, fingerprint, recipes, folder, workers)
    return {recipe: _load(folder / _name(recipe, fingerprint), source) for recipe in recipes}


def find(source: pd.DataFrame, fingerprint: str, recipe: VariantRecipe, folder: Path) -> Variant | None:
    """Return a variant as it lies there, its files unchecked; ``None`` where it is not there.

    Parameters are those of `make_missing`.
    """
    home = folder / _name(recipe, fingerprint)
    return _load(home, source) if (home / MANIFEST).is_file() else None


def _name(recipe: VariantRecipe, fingerprint: str) -> str:
    made_by = {"format": VARIANT_FORMAT, "library": recipe.writer.library(), "fingerprint": fingerprint}
    words = str(recipe.preprocessing).replace(" + ", "-").replace(" ", "-")
    return f"{words}-{digest([asdict(recipe), made_by])}"


def _identity(recipe: VariantRecipe, fingerprint: str) -> dict[str, Any]:
    """Return what identifies a variant, as JSON values."""
    of_codec = {"library": recipe.writer.library(), "settings": recipe.writer.settings}
    identity: dict[str, Any] = json.loads(json.dumps({**asdict(recipe), "fingerprint": fingerprint, **of_codec}))
    return identity


def _check_unchanged(source: pd.DataFrame, workers: int) -> None:
    """Read every image once: what the original's trials see, and all variants are made of, is what was checked."""
    rows = zip(source["image"], source["bytes"], source["sha256"], strict=True)
    files_ = ((Path(image), Content(size, 0, sha256)) for image, size, sha256 in rows)
    for image_id, is_held in zip(source["image_id"], _hold(files_, workers), strict=True):
        if not is_held:
            raise UserError(
                f"{image_id} is gone or changed since it was checked: bring it back, "
                "or run `agbench prepare --fresh`"
            )


def _hold(files_: Iterable[tuple[Path, Content]], workers: int) -> Iterator[bool]:
    """Return of each file whether it holds exactly what it should."""
    with processes.threads(workers) as pool:  # hashing lets go of Python's lock
        for done in processes.in_order(pool, _are_held, _chunks(files_)):
            yield from done


def _are_held(files_: Sequence[tuple[Path, Content]]) -> list[bool]:
    return [content.is_exactly_that_of(path) for path, content in files_]


def _chunks(rows: Iterable[T]) -> Iterator[list[T]]:
    left = iter(rows)
    while chunk := list(islice(left, IMAGES_A_TASK)):
        yield chunk


def _is_whole(home: Path, recipe: VariantRecipe, source: pd.DataFrame, fingerprint: str, workers: int) -> bool:
    """Return whether a variant is there, of these images, and every file exactly what it was made."""
    try:
        manifest = json.loads((home / MANIFEST).read_text())
        said = {**_identity(recipe, fingerprint), **sums(home / VARIANT_INDEX)}
        if any(manifest[name] != value for name, value in said.items()):
            return False
        return all(_hold(_expected(home, source), workers))
    except (OSError, ValueError, KeyError, TypeError):  # not there, damaged, or of other images
        return False


def _expected(home: Path, source: pd.DataFrame) -> Iterator[tuple[Path, Content]]:
    """Return a variant's files, and what they must hold, as its index says."""
    for row, image_id in zip(read_index(home / VARIANT_INDEX), source["image_id"], strict=True):
        if row.image_id != image_id:
            raise ValueError(f"{home} is of other images")
        if row.file is not None:
            yield home / row.file, Content(row.file_bytes, row.modified, row.sha256)


def _load(home: Path, source: pd.DataFrame) -> Variant:
    """Read a variant, with absolute paths; where it has no file of an image, the data set's own is read."""
    index = pd.read_parquet(home / VARIANT_INDEX, columns=["image_id", "bytes", "file"])
    folder = f"{home.resolve()}/"
    paths = [
        own if file is None else folder + file for file, own in zip(index["file"], source["image"], strict=True)
    ]
    table = index.assign(image=paths).set_index("image_id")[["image", "bytes"]]
    return Variant(table, json.loads((home / MANIFEST).read_text()))


def _make(source: pd.DataFrame, fingerprint: str, homes: dict[VariantRecipe, Path], workers: int) -> None:
    started = time.monotonic()
    with ExitStack() as stack:
        half_made = {}
        for recipe, home in homes.items():
            if home.exists():
                shutil.rmtree(home)
            half_made[recipe] = stack.enter_context(files.atomic_dir(home))
            make_folders(half_made[recipe], len(source))
        indexes = _write(source, half_made, workers)
        for (recipe, home), index in zip(half_made.items(), indexes, strict=True):
            manifest = {
                **_identity(recipe, fingerprint),
                **sums(home / VARIANT_INDEX),
                "made_together": len(homes),
                "seconds_encode": round(index.seconds, 6),
                "seconds_together": round(time.monotonic() - started, 3),
            }
            files.write(home / MANIFEST, json.dumps(manifest, indent=2) + "\n")


def _write(source: pd.DataFrame, homes: dict[VariantRecipe, Path], workers: int) -> list[GrowingIndex]:
    """Write files and index of each variant into its folder."""
    columns = (source[name] for name in ("image_id", "image", "bytes"))
    sources = (SourceImage(*row) for row in zip(range(len(source)), *columns, strict=True))
    with ExitStack() as stack:
        indexes = [stack.enter_context(GrowingIndex(home / VARIANT_INDEX)) for home in homes.values()]
        # Before the threads: what makes reading strict holds for the whole process.
        stack.enter_context(images.strictly())
        pool = stack.enter_context(processes.threads(workers))
        for written in processes.in_order(pool, partial(write_all, homes=homes), _chunks(sources)):
            for index, rows in zip(indexes, written, strict=True):
                index.add(rows)
    return indexes
