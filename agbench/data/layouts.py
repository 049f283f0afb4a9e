"""Layouts: how the images of a data set lie, one entry each.

A layout takes a source (an unpacked archive, a folder, a table), and an empty folder for images that it makes
itself; it gives a `Listing` of what belongs to the data set.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agbench.core.errors import UserError
from agbench.data import bundled, cifar, folder
from agbench.data.card import Card
from agbench.data.folder import Listing

Builder = Callable[[Path], Iterable[tuple[Path, str]]]
"""Fills a folder with images, and gives each one's path below it, and its label."""


@dataclass(frozen=True)
class Layout:
    """One way in which images lie.

    Parameters
    ----------
    read : callable
        Takes a source, an empty folder for images of its own making, and the card.
    makes_images : bool
        Whether it writes into that folder, and the source is not needed any more.
    needs_source : bool
        Whether there is a source at all.
    """

    read: Callable[[Path, Path, Card], Listing]
    makes_images: bool = False
    needs_source: bool = True


def building(build: Builder, package: str = "") -> Layout:
    """Return the layout of a data set that needs no source.

    Parameters
    ----------
    build : callable
        Makes all of its images.
    package : str
        The data set's name, where `build` is another package's: its errors are said to be that one's.
    """

    def read(source: Path, images: Path, card: Card) -> Listing:
        try:
            return _built(build, images)
        except UserError:
            raise
        # Whatever another package does; its own traceback follows in Python's chain.
        except Exception as error:
            if not package:
                raise
            said = f"{type(error).__name__}: {error}"
            raise UserError(f"the data set {package!r} can't be built by its package: {said}") from error

    return Layout(read, makes_images=True, needs_source=False)


def _built(build: Builder, images: Path) -> Listing:
    rows = tuple((Path(path).as_posix(), label) for path, label in build(images))
    odd = [label for _, label in rows if not isinstance(label, str)]
    if odd:
        raise UserError(f"the label {odd[0]!r} is not text: yield a path and a str")
    outside = [path for path, _ in rows if path.startswith("/") or ".." in path.split("/")]
    if outside:
        raise UserError(f"{outside[0]!r} is not below the folder that was to be filled: yield relative paths")
    return Listing(images, rows)


def _published(roots: tuple[str, ...], pattern: str, example: str) -> Layout:
    """Return the layout of a published archive.

    Parameters
    ----------
    roots : tuple of str
        Where the images lie in it; the first that has some.
    pattern : str
        Of their paths below that, with the label as the group ``label``.
    example : str
        One of those paths, for whoever has something else.
    """
    wanted = re.compile(pattern)

    def read(source: Path, images: Path, card: Card) -> Listing:
        for root in roots:
            if not (source / root).is_dir():
                continue
            rows, skipped = [], []
            for found in folder.walk(source / root):
                match = None if found.skipped else wanted.fullmatch(found.path)
                if match:
                    rows.append((found.path, match["label"]))
                else:
                    skipped.append((found.path, found.skipped or "not of the data set"))
            if rows:
                return Listing(source / root, tuple(rows), tuple(skipped))
        raise UserError(
            f"{source} is not laid out as {card.title} is published: nothing like {roots[0]}/{example} is in it"
        )

    return Layout(read)


def _cifar(which: cifar.Cifar) -> Layout:
    return Layout(
        lambda source, images, card: _built(partial(cifar.build, which, source), images),
        makes_images=True,
    )


def _class_folders(nested: bool) -> Layout:
    def read(source: Path, images: Path, card: Card) -> Listing:
        return folder.class_folders(_unwrapped(source), nested)

    return Layout(read)


def _unwrapped(source: Path) -> Path:
    """Step into the one folder that many archives wrap around everything."""
    inside = [path for path in _entries(source) if not path.name.startswith((".", "__MACOSX"))]
    if len(inside) == 1 and _is_folder(inside[0]) and any(map(_is_folder, _entries(inside[0]))):
        return _unwrapped(inside[0])
    return source


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise UserError(f"the folder {folder} can't be read: {error.strerror}") from error


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _table(source: Path, images: Path, card: Card) -> Listing:
    if card.columns is None:
        raise UserError(f"the card of {card.title} has the layout csv, but no columns")
    return folder.table(source, card.columns)


LAYOUTS: dict[str, Layout] = {
    "dtd": _published(
        ("dtd/images", "images", "."), r"(?P<label>[^/]+)/(?P=label)_\d+\.jpg", "banded/banded_0002.jpg"
    ),
    "pets": _published(
        ("images", "oxford-iiit-pet/images", "."),
        r"(?P<label>[^/]+)_\d+\.jpg",
        "Abyssinian_1.jpg",
    ),
    "caltech256": _published(
        ("256_ObjectCategories", "caltech256/256_ObjectCategories", "."),
        r"(?P<label>\d{3}\.[^/]+)/\d{3}_\d{4}\.jpg",
        "001.ak47/001_0001.jpg",
    ),
    "sun397": _published(
        ("SUN397", "."),
        r"(?P<label>[a-z]/[^/]+(/[^/]+)?)/sun_[^/]+\.jpg",
        "a/abbey/sun_aaalbzqrimafwbiv.jpg",
    ),
    "cifar10": _cifar(cifar.CIFAR10),
    "cifar100": _cifar(cifar.CIFAR100),
    "folders": _class_folders(nested=False),
    "nested-folders": _class_folders(nested=True),
    "csv": Layout(_table),
    "patches": building(bundled.build_patches),
    "digits": building(bundled.build_digits),
}
"""By the name that a card gives."""
