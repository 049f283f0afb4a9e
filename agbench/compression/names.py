"""What the images of a copy are called."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from PIL import Image

from agbench.core import images

LONGEST_NAME = 255
"""Bytes of a file's name, at most."""


def new_names(paths: Sequence[str], others: Iterable[str], suffix: str) -> dict[str, str]:
    """Return every image the name that it has when it is compressed.

    It is its own name with the codec's suffix. Where that is the name of something else, or would be that of
    two, the suffix comes after the old one: ``a.png`` beside ``a.jpg`` becomes ``a.png.jpg``. Whichever of
    the images keep their own names in the end, as they would grow, no two of them ever meet.

    Parameters
    ----------
    paths : sequence of str
        The images, relative to the folder, with forward slashes.
    others : iterable of str
        Paths of the other files, which keep their names.
    suffix : str
        The codec's.

    Returns
    -------
    dict of str to str
        Path in the copy by path.

    Examples
    --------
    >>> new_names(["a.png", "b.png", "b.bmp"], ["notes.txt"], ".jpg")
    {'a.png': 'a.jpg', 'b.bmp': 'b.bmp.jpg', 'b.png': 'b.png.jpg'}
    """
    own = {alike(str(above)) for path in (*paths, *others) for above in _with_parents(path)}
    plain = {path: _plain(path, suffix) for path in paths}
    wanted = Counter(map(alike, plain.values()))
    reserved = own | set(wanted)
    names = {}
    for path in sorted(paths):
        name = plain[path]
        if name != path and (wanted[alike(name)] > 1 or alike(name) in own):
            name = path + suffix
            while alike(name) in reserved:
                name += suffix
            reserved.add(alike(name))
        names[path] = name
    return names


def _plain(path: str, suffix: str) -> str:
    old = PurePosixPath(path).suffix
    formats = Image.registered_extensions()
    # A codec's package need not have registered its suffix with Pillow.
    if old.lower() == suffix or formats.get(old.lower(), old) == formats.get(suffix, suffix):
        return path  # .JPG and .jpeg are right as they are
    known = old.lower() in images.suffixes() or old.lower() in formats
    return path.removesuffix(old) + suffix if known else path + suffix


def fits(path: str) -> bool:
    """Return whether a file system can hold a file of that name: one of 255 bytes, as all common ones do.

    Examples
    --------
    >>> fits("a/b.jpg"), fits("x" * 252 + ".jpg")
    (True, False)
    """
    return len(os.fsencode(PurePosixPath(path).name)) <= LONGEST_NAME


def alike(name: str) -> str:
    """Return a name normalised (NFC, casefold): names that a file system may take for one become equal.

    Examples
    --------
    >>> alike("A.PNG") == alike("a.png")
    True
    """
    # Some file systems don't tell A from a, or one way of writing an accent from the other.
    return unicodedata.normalize("NFC", name).casefold()


def _with_parents(path: str) -> tuple[PurePosixPath, ...]:
    pure = PurePosixPath(path)
    return (pure, *pure.parents)
