"""One file of the copy: compressed where it is an image, otherwise as it is. What the worker processes do."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from agbench.compression.encode import EncodeSettings, recode
from agbench.compression.manifest import Made
from agbench.compression.names import LONGEST_NAME, fits
from agbench.core import images
from agbench.core.errors import UnreadableImageError

COMPRESSED = "compressed"
GROWN = "would grow"
ANIMATION = "animation"
UNREADABLE = "unreadable"
UNFIT = "unfit for the codec"
TABLE = "table"
OTHER = "other"
LOST = "can't be read from disk"

IMAGE_STATES = (COMPRESSED, GROWN, ANIMATION, UNREADABLE, UNFIT)
"""The states of an image that could be read from disk."""


@dataclass(frozen=True)
class CopyTask:
    """What is to be done, the same for all files.

    Parameters
    ----------
    root : Path
        The source.
    half_made : Path
        Folder for files that are not complete yet.
    recipe : EncodeSettings
        How images are compressed.
    skip_unreadable : bool
        Whether unreadable images are left out.
    """

    root: Path
    half_made: Path
    recipe: EncodeSettings
    skip_unreadable: bool


def measure(task: CopyTask, path: str, renamed: str) -> int:
    """Return the bytes that an image takes in the copy, as `make_image` does, without writing it."""
    made, data = _decide(task, path, renamed)
    return made.before if made.name and data is None else len(data or b"")


def make_image(task: CopyTask, path: str, renamed: str) -> tuple[Made, Path | None]:
    """Write what an image becomes.

    Parameters
    ----------
    task : CopyTask
        Settings of the copy.
    path : str
        The image's, in the source.
    renamed : str
        Its path in the copy, if it is compressed.

    Returns
    -------
    Made
        What became of the file.
    Path or None
        Where that is for now; ``None`` where it is left out.
    """
    made, data = _decide(task, path, renamed)
    return written(made, task, data)


def make_other(task: CopyTask, path: str) -> tuple[Made, Path | None]:
    """Copy a file that is no image, as `make_image` does."""
    return written(looked_at(task, path, OTHER), task, None)


def written(made: Made, task: CopyTask, data: bytes | None) -> tuple[Made, Path | None]:
    """Write a file of the copy, with the times and rights of its source.

    Parameters
    ----------
    made : Made
        What it is; without a name it is left out.
    task : CopyTask
        Where it goes.
    data : bytes or None
        What is in it; ``None`` for the same as in its source.

    Returns
    -------
    Made
        With its size and time.
    Path or None
        Path of the file until it is renamed.
    """
    if not made.name:
        return made, None
    source = task.root / made.source
    number, name = tempfile.mkstemp(dir=task.half_made)
    half_made = Path(name)
    with os.fdopen(number, "wb") as stream:
        if data is not None:
            stream.write(data)
        else:
            try:
                opened = source.open("rb")
            except OSError as error:
                half_made.unlink()
                return replace(made, state=LOST, name="", note=error.strerror or str(error)), None
            with opened:
                shutil.copyfileobj(opened, stream, 1 << 20)
    shutil.copymode(source, half_made)
    os.utime(half_made, ns=(source.stat().st_atime_ns, made.modified))
    status = half_made.stat()
    return replace(made, after=status.st_size, stamp=status.st_mtime_ns), half_made


def _decide(task: CopyTask, path: str, renamed: str) -> tuple[Made, bytes | None]:
    """Decode and compress an image; without bytes it is copied as it is."""
    made = looked_at(task, path, UNREADABLE)
    if made.state == LOST:
        return made, None
    if not fits(renamed):
        return replace(made, state=UNFIT, note=f"its name would be longer than {LONGEST_NAME} bytes"), None
    try:
        source = (task.root / path).read_bytes()
    except OSError as error:  # says nothing of the image
        return replace(made, state=LOST, name="", note=error.strerror or str(error)), None
    try:
        recoded = recode(source, task.recipe)
    except UnreadableImageError as error:
        return replace(made, name="" if task.skip_unreadable else path, note=str(error)), None
    made = replace(made, size=recoded.size)
    if not recoded.data:
        return replace(made, state=UNFIT if recoded.problem else ANIMATION, note=recoded.problem), None
    if len(recoded.data) >= made.before:
        return replace(made, state=GROWN), None
    made = replace(made, state=COMPRESSED, name=renamed, size=recoded.new_size)
    return replace(made, dropped=recoded.dropped, in_srgb=recoded.in_srgb), recoded.data


def looked_at(task: CopyTask, path: str, state: str) -> Made:
    """Return what is known of a file before it is copied, to its own name."""
    try:
        status = (task.root / path).stat()
    except OSError as error:
        return Made(path, LOST, note=error.strerror or str(error))
    return Made(path, state, status.st_size, status.st_mtime_ns, name=path)


def check_copy(path: Path, made: Made) -> str:
    """Decode a file of the copy strictly.

    Parameters
    ----------
    path : Path
        The file.
    made : Made
        What became of the file.

    Returns
    -------
    str
        What is wrong with it; empty where nothing is.
    """
    try:
        with images.opened(path) as image:
            if image.size == made.size:
                return ""
            return f"it is {image.width}x{image.height} pixels, not {made.size[0]}x{made.size[1]}"
    except UnreadableImageError as error:
        return str(error)
