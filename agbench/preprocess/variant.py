"""Variants: a data set under one preprocessing, as files on disk."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from agbench import files, images, processes
from agbench.condition import digest
from agbench.errors import UserError
from agbench.files import Content
from agbench.preprocess.writing import Recipe, Source, Written, make_folders, write_all

FORMAT = 1
"""Of a variant's folder, and of what is done to pixels; raise it when either changes."""

CHUNK = 8
"""Images a task: few, so that all threads end at about the same time."""
INDEX, MANIFEST = "index.parquet", "manifest.json"


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
        """Give what a result keeps of how it was written; nothing where no codec was at work, or no time taken."""
        if self.manifest["preprocessing"]["codec"] is None or "seconds_encode" not in self.manifest:
            return {}
        kept = {"images": self.manifest["files"], "seconds_encode": self.manifest["seconds_encode"]}
        return {f"writing_{name}": float(value) for name, value in kept.items()}


def materialise(
    source: pd.DataFrame, fingerprint: str, recipes: Sequence[Recipe], folder: Path, workers: int
) -> dict[Recipe, Variant]:
    """Give variants of a data set, and make those that aren't there.

    Every image is decoded once for all that are missing. A variant appears whole or not at all, with the hash of
    each of its files. One whose files changed since is made anew.

    Parameters
    ----------
    source : DataFrame
        ``image_id``, ``image`` (absolute path), ``bytes`` and ``sha256``, one row an image.
    fingerprint : str
        Of the data set.
    recipes : sequence of Recipe
        The variants wanted.
    folder : Path
        Where the data set's variants lie.
    workers : int
        Threads: what decodes, encodes and hashes lets go of Python's lock.

    Returns
    -------
    dict of Recipe to Variant

    Raises
    ------
    UserError
        If an image of the data set is not what it was.
    """
    folder.mkdir(parents=True, exist_ok=True)
    homes = {recipe: folder / _name(recipe, fingerprint) for recipe in recipes}
    _refuse_changed(source, workers)
    with FileLock(folder / ".lock"):
        found = {recipe: _load(home, source) for recipe, home in homes.items()}
        ready = {recipe: stored for recipe, stored in found.items() if stored and stored.holds(workers)}
        missing = {recipe: home for recipe, home in homes.items() if recipe not in ready}
        if missing:
            _make(source, fingerprint, missing, workers)
            made = {recipe: _load(home, source) for recipe, home in missing.items()}
            ready |= {recipe: stored for recipe, stored in made.items() if stored}
    if len(ready) < len(recipes):
        raise RuntimeError(f"a variant below {folder} changed while it was made")
    return {recipe: ready[recipe].variant(source) for recipe in recipes}


def _name(recipe: Recipe, fingerprint: str) -> str:
    made_by = {"format": FORMAT, "library": recipe.writer.library(), "fingerprint": fingerprint}
    words = str(recipe.preprocessing).replace(" + ", "-").replace(" ", "-")
    return f"{words}-{digest([asdict(recipe), made_by])}"


def _refuse_changed(source: pd.DataFrame, workers: int) -> None:
    """Read every image once: what the original's trials see, and all variants are made of, is what was checked."""
    rows = zip(source["image"], source["bytes"], source["sha256"], strict=True)
    held = _hold([(Path(image), Content(size, 0, sha256)) for image, size, sha256 in rows], workers)
    if not all(held):
        image = source["image_id"].iloc[held.index(False)]
        raise UserError(
            f"{image} is gone or changed since it was checked: bring it back, or run `agbench prepare --fresh`"
        )


def _hold(files_: Sequence[tuple[Path, Content]], workers: int) -> list[bool]:
    """Tell of each file whether it holds exactly what it should."""
    chunks = [files_[start : start + CHUNK] for start in range(0, len(files_), CHUNK)]
    with processes.threads(workers) as pool:  # hashing lets go of Python's lock
        done = pool.map(lambda chunk: [content.is_exactly_that_of(path) for path, content in chunk], chunks)
        return [is_held for chunk in done for is_held in chunk]


def _load(home: Path, source: pd.DataFrame) -> _Stored | None:
    """Read a variant's index and manifest; nothing where they aren't there, or are damaged or of other images."""
    try:
        manifest = json.loads((home / MANIFEST).read_text())
        index = pd.read_parquet(home / INDEX)
    except (OSError, ValueError):
        return None
    return (
        _Stored(home.resolve(), index, manifest) if list(index["image_id"]) == list(source["image_id"]) else None
    )


@dataclass(frozen=True)
class _Stored:
    """A variant as its folder says it is."""

    home: Path
    index: pd.DataFrame
    manifest: dict[str, Any]

    def holds(self, workers: int) -> bool:
        """Tell whether every file is exactly what it was made."""
        own = self.index[self.index["file"].notna()]
        rows = zip(own["file"], own["file_bytes"], own["modified"], own["sha256"], strict=True)
        return all(_hold([(self.home / file, Content(*content)) for file, *content in rows], workers))

    def variant(self, source: pd.DataFrame) -> Variant:
        """Give it with absolute paths; where it has no file of an image, the data set's own is read."""
        folder = f"{self.home}/"
        paths = [
            own if file is None else folder + file
            for file, own in zip(self.index["file"], source["image"], strict=True)
        ]
        index = self.index.assign(image=paths).set_index("image_id")
        return Variant(index[["image", "bytes"]], self.manifest)


def _make(source: pd.DataFrame, fingerprint: str, homes: dict[Recipe, Path], workers: int) -> None:
    started = time.monotonic()
    with ExitStack() as stack:
        half_made = {}
        for recipe, home in homes.items():
            if home.exists():
                shutil.rmtree(home)
            half_made[recipe] = stack.enter_context(files.appearing(home))
            make_folders(half_made[recipe], len(source))
        columns = (source[name] for name in ("image_id", "image", "bytes"))
        sources = [Source(*row) for row in zip(range(len(source)), *columns, strict=True)]
        chunks = [sources[start : start + CHUNK] for start in range(0, len(sources), CHUNK)]
        rows: list[list[Written]] = [[] for _ in half_made]
        # Before the threads: what makes reading strict holds for the whole process.
        with images.strictly(), processes.threads(workers) as pool:
            for written in pool.map(partial(write_all, homes=half_made), chunks):
                for own, more in zip(rows, written, strict=True):
                    own += more
        for (recipe, home), own in zip(half_made.items(), rows, strict=True):
            index = pd.DataFrame(own, columns=Written._fields)
            index.drop(columns="seconds").to_parquet(home / INDEX)
            manifest = {
                **asdict(recipe),
                "fingerprint": fingerprint,
                "library": recipe.writer.library(),
                "settings": recipe.writer.settings,
                "images": len(index),
                "files": int(index["file"].notna().sum()),
                "bytes": int(index["bytes"].sum()),
                "made_together": len(homes),
                "seconds_encode": round(float(index["seconds"].sum()), 6),
                "seconds_together": round(time.monotonic() - started, 3),
            }
            files.write(home / MANIFEST, json.dumps(manifest, indent=2) + "\n")
