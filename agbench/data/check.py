"""Decoding every image once, strictly, before anything is measured on it."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd

from agbench.core import files, images, processes
from agbench.core.codec import CODECS, too_large_for
from agbench.core.errors import UnreadableImageError
from agbench.core.files import Content
from agbench.core.step import OnProgress, Step, no_progress
from agbench.data.originals import format_of, jpeg_quality

NO_SUCH_FILE = "no such file"


@dataclass(frozen=True)
class Checked(Content):
    """What one file turned out to be, beside its content.

    Parameters
    ----------
    width, height : int
        In pixels; 0 where it can't be read.
    mode : str
        Pillow's mode of the file.
    problem : str
        Why it can't be read; empty where it can.
    format : str
        Pillow's name of the file's format; empty where it can't be read.
    quality : int
        Estimated quality of a JPEG, 1 to 100; 0 of others.
    """

    width: int = 0
    height: int = 0
    mode: str = ""
    problem: str = ""
    format: str = ""
    quality: int = 0


def check_image(path: Path) -> Checked:
    """Read a file once, hash it, and decode it strictly.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Checked

    Examples
    --------
    >>> from agbench.data.catalogue import shipped
    >>> check_image(shipped() / "dtd.yaml").problem
    'cannot identify image file'
    """
    try:
        if not path.is_file():  # a pipe would never end
            return Checked(0, 0, "", problem="not a file" if path.exists() else NO_SUCH_FILE)
        content, data = files.read(path)
    except OSError as error:
        return Checked(0, 0, "", problem=error.strerror or str(error))
    try:
        with images.opened(io.BytesIO(data)) as image:
            images.faithful(image)
            # Whichever codec is chosen, all conditions are to have the same images.
            for name in CODECS:
                if problem := too_large_for(name, image.width, image.height):
                    return Checked(**asdict(content), problem=problem)
            return Checked(
                **asdict(content),
                width=image.width,
                height=image.height,
                mode=image.mode,
                format=format_of(image),
                quality=jpeg_quality(image),
            )
    except UnreadableImageError as error:
        return Checked(**asdict(content), problem=str(error))


def check_images(paths: list[Path], workers: int, on_progress: OnProgress = no_progress) -> pd.DataFrame:
    """Check many files, on several cores.

    Parameters
    ----------
    paths : list of Path
        The files.
    workers : int
        Threads: reading, hashing and decoding let go of Python's lock.
    on_progress : callable
        Told of every image.

    Returns
    -------
    DataFrame
        A row a file in the order of `paths`, columns as in `Checked`.
    """
    rows = []
    with images.strictly(), processes.threads(workers) as pool:
        for checked in processes.in_order(pool, check_image, paths):
            rows.append(asdict(checked))
            on_progress(Step("checking images", len(rows), len(paths), "images"))
    return pd.DataFrame(rows, columns=[field.name for field in fields(Checked)])
