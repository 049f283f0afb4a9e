"""Variants: a data set under one preprocessing, as files on disk."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from agbench import files, images, processes
from agbench.condition import Preprocessing, digest
from agbench.errors import UserError
from agbench.files import Content
from agbench.preprocess import codec
from agbench.preprocess.noise import add_noise

FORMAT = 1
"""Of a variant's folder, and of what is done to pixels; raise it when either changes."""

CHUNK = 32
INDEX, MANIFEST, IMAGES = "index.parquet", "manifest.json", "images"


@dataclass(frozen=True)
class Recipe:
    """What makes a variant's pixels: a preprocessing, and the seed where it draws noise.

    Parameters
    ----------
    preprocessing : Preprocessing
        What is done.
    seed : int, optional
        Of the noise; ``None`` without noise, so that seeds share the variant.
    """

    preprocessing: Preprocessing
    seed: int | None = None

    @classmethod
    def of(cls, preprocessing: Preprocessing, seed: int) -> Recipe:
        """Give the recipe for a condition's preprocessing and seed."""
        return cls(preprocessing, None if preprocessing.noise is None else seed)

    @property
    def writer(self) -> codec.Codec:
        """How the variant's files are written."""
        name = self.preprocessing.codec
        return codec.LOSSLESS if name is None else codec.find(name)


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

    Every image is decoded once for all that are missing. A variant appears whole or not at all, and every
    one of its files has been read back strictly. One whose files changed since is made anew.

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
        Processes.

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
        found = {recipe: _load(home, source, workers) for recipe, home in homes.items()}
        missing = {recipe: homes[recipe] for recipe, variant in found.items() if variant is None}
        if missing:
            _make(source, fingerprint, missing, workers)
            found |= {recipe: _load(home, source, workers) for recipe, home in missing.items()}
    ready = {recipe: variant for recipe, variant in found.items() if variant is not None}
    if len(ready) < len(found):
        raise RuntimeError(f"a variant below {folder} changed while it was made")
    return ready


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


def _hold(files_: list[tuple[Path, Content]], workers: int) -> list[bool]:
    """Tell of each file whether it holds exactly what it should."""
    with ThreadPoolExecutor(workers) as pool:  # hashing lets go of Python's lock
        return list(pool.map(lambda one: one[1].is_exactly_that_of(one[0]), files_))


def _load(home: Path, source: pd.DataFrame, workers: int) -> Variant | None:
    try:
        manifest = json.loads((home / MANIFEST).read_text())
        index = pd.read_parquet(home / INDEX)
    except (OSError, ValueError):  # not there, or damaged: made anew
        return None
    if list(index["image_id"]) != list(source["image_id"]):
        return None
    rows = index.to_dict("records")
    made = [row for row in rows if row["file"] is not None]
    expected = [(home / row["file"], Content(row["file_bytes"], row["modified"], row["sha256"])) for row in made]
    if not all(_hold(expected, workers)):
        return None
    index["image"] = [
        own if row["file"] is None else str((home / row["file"]).resolve())
        for row, own in zip(rows, source["image"], strict=True)
    ]
    return Variant(
        index=index.set_index("image_id")[["image", "bytes"]],
        manifest=manifest,
    )


def _make(source: pd.DataFrame, fingerprint: str, homes: dict[Recipe, Path], workers: int) -> None:
    started = time.monotonic()
    with ExitStack() as stack:
        half_made = {}
        for recipe, home in homes.items():
            if home.exists():
                shutil.rmtree(home)
            half_made[recipe] = stack.enter_context(files.appearing(home))
            for part in range(0, len(source), 1000):
                (half_made[recipe] / IMAGES / f"{part // 1000:03d}").mkdir(parents=True)
        rows = list(zip(range(len(source)), source["image_id"], source["image"], source["bytes"], strict=True))
        chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
        with processes.pool(workers) as pool:
            tasks = [pool.submit(_write_chunk, chunk, half_made) for chunk in chunks]
            written = pd.DataFrame([row for task in tasks for row in task.result()])
        for place, (recipe, home) in enumerate(half_made.items()):
            own = written[written["recipe"] == place]
            index = own.drop(columns=["recipe", "seconds"]).reset_index(drop=True)
            index.to_parquet(home / INDEX)
            manifest = {
                **asdict(recipe),
                "fingerprint": fingerprint,
                "library": recipe.writer.library(),
                "settings": recipe.writer.settings,
                "images": len(index),
                "files": int(index["file"].notna().sum()),
                "bytes": int(index["bytes"].sum()),
                "made_together": len(homes),
                "seconds_encode": round(float(own["seconds"].sum()), 6),
                "seconds_together": round(time.monotonic() - started, 3),
            }
            files.write(home / MANIFEST, json.dumps(manifest, indent=2) + "\n")


def _write_chunk(rows: list[tuple[int, str, str, int]], homes: dict[Recipe, Path]) -> list[dict[str, Any]]:
    return [written for row in rows for written in _write_image(*row, homes)]


def _write_image(
    number: int, image_id: str, path: str, size: int, homes: dict[Recipe, Path]
) -> Iterator[dict[str, Any]]:
    with images.opened(Path(path)) as image:
        # AutoMM takes a semicolon for the end of a path.
        as_is = images.reads_faithfully(image) and ";" not in path
        pixels = images.faithful(image)
        turned = codec.Metadata.of_orientation(images.orientation(image))
    noisy: dict[tuple[float, int | None], Any] = {}
    for place, (recipe, home) in enumerate(homes.items()):
        preprocessing = recipe.preprocessing
        row: dict[str, Any] = {"recipe": place, "image_id": image_id, "bytes": size, "seconds": 0.0}
        if preprocessing.is_original and as_is:
            yield {**row, "file": None, "file_bytes": 0, "modified": 0, "sha256": ""}
            continue
        seen = pixels
        if preprocessing.noise is not None:
            drawn = (preprocessing.noise, recipe.seed)
            if drawn not in noisy:
                noisy[drawn] = add_noise(pixels, preprocessing.noise, recipe.seed or 0, image_id)
            seen = noisy[drawn]
        file = f"{IMAGES}/{number // 1000:03d}/{number:06d}{recipe.writer.suffix}"
        started = time.perf_counter()
        recipe.writer.encode(seen, home / file, preprocessing.quality or 0, turned)
        row["seconds"] = time.perf_counter() - started
        content = Content.of(home / file)
        with images.opened(home / file) as copy:
            if copy.size != pixels.size:
                raise RuntimeError(f"{image_id} changed its size from {pixels.size} to {copy.size}")
        if not preprocessing.is_original:
            row["bytes"] = content.bytes
        yield {**asdict(content), "file_bytes": content.bytes, **row, "file": file}
