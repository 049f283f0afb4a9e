"""The compressed copy of a folder of images: what may be asked for, and how small it is to be."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from agbench.compression import manifest, one_file, scan, target
from agbench.compression.encode import EncodeSettings
from agbench.compression.manifest import Ledger
from agbench.compression.one_file import CopyTask
from agbench.compression.result import Compressed
from agbench.compression.scan import Tree
from agbench.compression.target import Target
from agbench.compression.write import FILES_A_TASK, make, verify_copy, with_progress
from agbench.core import environment, files, processes
from agbench.core.arguments import as_path, checked, filled
from agbench.core.codec import find_codec
from agbench.core.condition import Preprocessing, digest
from agbench.core.errors import UserError
from agbench.core.step import OnProgress, no_progress
from agbench.data.card import Columns

COPY_FORMAT = 1
"""Of what a copy remembers, and of what is done to pixels; raise it when either changes."""


def compress_folder(
    folder: str | PathLike[str],
    out: str | PathLike[str],
    *,
    level: float | None = None,
    target_bytes: float | str | None = None,
    codec: str = "jpeg",
    strip_metadata: bool = False,
    unreadable: Literal["copy", "skip"] = "copy",
    verify: bool = False,
    image_column: str = "image",
    label_column: str = "label",
    workers: int | None = None,
    on_progress: OnProgress = no_progress,
) -> Compressed:
    """Write a compressed copy of a folder of images.

    The same call again goes on where it was interrupted, and makes again what changed in the source since.
    Nothing in the source is touched, and nothing in `out` that isn't of this function's making.

    Parameters
    ----------
    folder : str or Path
        A folder, or a CSV or TSV file that names images.
    out : str or Path
        The copy's folder: one that isn't there, an empty one, or an earlier copy of the same.
    level : float, optional
        The codec's quality as a level, 0.01 to 0.99.
    target_bytes : float or str, optional
        Instead of a level, what the images may take in all: ``"0.3"`` (of their bytes) or ``"5GB"``.
    codec : str
        A name in `agbench.core.codec.CODECS`.
    strip_metadata : bool
        Whether EXIF (but for the orientation), XMP and colour profile are dropped from what is compressed.
    unreadable : {"copy", "skip"}
        Whether images that can't be decoded are copied as they are, or left out.
    verify : bool
        Whether every image of the copy is decoded in the end.
    image_column, label_column : str
        Columns of the table, where `folder` is one, that hold the images' paths and their labels.
    workers : int, optional
        Processes; by default one a core.
    on_progress : callable
        Told of every image.

    Returns
    -------
    Compressed

    Raises
    ------
    UserError
        If a value is wrong, or it can't be done, with what would help.
    """
    if level is not None:
        checked("level", level, (int, float), "a number from 0.01 to 0.99")
    if target_bytes is not None:
        target_bytes = str(checked("target_bytes", target_bytes, (int, float, str), "a share or an amount"))
    if unreadable not in ("copy", "skip"):
        raise UserError(f'unreadable should be "copy" or "skip", got {unreadable!r}')
    if workers is not None and checked("workers", workers, int, "a whole number") < 1:
        raise UserError(f"{workers} processes are too few: use 1 or more")
    columns = Columns(image=filled("image_column", image_column), label=filled("label_column", label_column))
    checked("strip_metadata", strip_metadata, bool, "true or false")
    checked("verify", verify, bool, "true or false")
    filled("codec", codec)
    if (level is None) == (target_bytes is None):
        raise UserError(
            "how small? give either a level, such as --level 0.3, or a size, such as --target-bytes 0.3"
        )
    writer = find_codec(codec)
    quality = None if level is None else _quality(level)
    aim = None if target_bytes is None else Target.of(target_bytes)
    place, out = files.expanded(as_path("source", folder)), files.expanded(as_path("out", out)).resolve()
    try:
        found = scan.scan(place, columns, writer.suffix)
        _check_overlap(place, found, out)
        with manifest.opened(out) as memory, processes.pool(workers or environment.available_cpus()) as pool:
            asked = {
                "format": COPY_FORMAT,
                "folder": str(place.resolve()),
                "codec": codec,
                "level": level,
                "target-bytes": aim and aim.text,
                "strip-metadata": strip_metadata,
                "unreadable": unreadable,
                "columns": None if place.is_dir() else [columns.image, columns.label],
            }
            settings = memory.settings()
            _check_settings(asked, settings, out)
            recipe = EncodeSettings(codec, quality or settings.get("quality", 0), strip_metadata)
            task = CopyTask(found.root, memory.half_made, recipe, unreadable == "skip")
            if aim is not None and not recipe.quality:
                recipe = replace(recipe, quality=_reaching(aim, task, found, memory, pool, on_progress))
                task = replace(task, recipe=recipe)
            libraries = list(dict.fromkeys((*settings.get("libraries", ()), writer.library())))
            memory.settle({**asked, "quality": recipe.quality, "libraries": libraries})
            make(task, found, memory, pool, on_progress)
            read_back, unsound = verify_copy(found, memory, pool, on_progress) if verify else (0, ())
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        begun = (out / manifest.HOME).exists()
        rest = f"; what is done is kept in {out}, and the same command goes on from there" if begun else ""
        raise UserError(f"{where}{error.strerror or error}{rest}") from error
    except (BrokenProcessPool, MemoryError) as error:
        raise UserError(
            f"memory ran out, or a process was killed; {out} goes on where it was, with fewer --workers"
        ) from error
    sources = {*found.images, *found.tables, *found.others}
    return Compressed(
        out=out,
        codec=codec,
        quality=recipe.quality,
        files=tuple(made for source, made in sorted(memory.records.items()) if source in sources),
        skipped=found.skipped,
        orphaned=sum(source not in sources for source in memory.records),
        libraries=tuple(libraries),
        read_back=read_back,
        damaged=unsound,
        target=target_bytes,
        stripped=strip_metadata,
        verified=verify,
    )


def _quality(level: float) -> int:
    quality = Preprocessing.at(level).quality
    if quality is None:
        raise UserError("level 1.0 means the original files: copy the folder, or use a level of 0.99 or less")
    return quality


def _check_overlap(place: Path, found: Tree, out: Path) -> None:
    inside = any(one.samefile(found.root) for one in (out, *out.parents) if one.exists())
    around = any(one.samefile(out) for one in (found.root, *found.root.parents) if out.exists())
    if around or (inside and place.is_dir()):
        raise UserError(f"--out {out} and {found.root} overlap: the copy needs a folder elsewhere")
    if inside:
        own = out.relative_to(found.root).as_posix() + "/"
        if any(path.startswith(own) for path in found.images):
            raise UserError(f"{place} names images in --out {out}: the copy needs a folder elsewhere")


def _check_settings(asked: dict[str, Any], settings: dict[str, Any], out: Path) -> None:
    for name, value in asked.items() if settings else ():
        if settings.get(name) != value:
            raise UserError(
                f"{out} was made with {name} {settings.get(name)}, not {value}: "
                "give another --out, or the same options"
            )


def _reaching(
    aim: Target, task: CopyTask, found: Tree, memory: Ledger, pool: ProcessPoolExecutor, on_progress: OnProgress
) -> int:
    stamps = {path: manifest.stamp(found.root / path) or (0, 0) for path in found.images}
    before = sum(size for size, _ in stamps.values())
    limit = aim.limit(before)
    if limit >= before:
        raise UserError(f"the images take {before:,} bytes, which is within {aim.text} already")
    library = find_codec(task.recipe.codec).library()
    key = digest([COPY_FORMAT, library, task.recipe.codec, task.recipe.strip, task.skip_unreadable, stamps])
    known = memory.measured(key)

    def measure(quality: int) -> int:
        if quality not in known:
            trying = replace(task, recipe=replace(task.recipe, quality=quality))
            names = found.images.values()
            sizes = pool.map(partial(one_file.measure, trying), found.images, names, chunksize=FILES_A_TASK)
            known[quality] = sum(
                with_progress(sizes, f"measuring quality {quality}", len(found.images), on_progress)
            )
            memory.measure(key, known)
        return known[quality]

    reached = target.search(limit, measure)
    if reached.quality is None:
        quality, size = reached.closest
        raise UserError(
            f"{aim.text} can't be reached with {task.recipe.codec}: of {before:,} bytes, {limit:,} were asked "
            f"for, and quality {quality} takes {size:,} ({size / before:.3f}); no image was written"
        )
    return reached.quality
