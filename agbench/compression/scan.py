"""What is to be copied: all of a folder, or the images of a table."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from agbench.compression.manifest import HOME
from agbench.compression.names import new_names
from agbench.core.errors import UserError
from agbench.data import folder
from agbench.data.card import Columns


@dataclass(frozen=True)
class Tree:
    """What is to be copied, by paths relative to its root, with forward slashes.

    Parameters
    ----------
    root : Path
        The folder; of a table, the one that it lies in.
    images : dict of str to str
        Every image, and what it is called when it is compressed.
    tables : tuple of str
        The CSV and TSV files, which may name images.
    others : tuple of str
        All other files.
    empty : tuple of str
        Folders with nothing in them.
    skipped : tuple of (str, str)
        What is left out, and why.
    """

    root: Path
    images: dict[str, str]
    tables: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()


def scan(place: Path, columns: Columns, suffix: str) -> Tree:
    """Return all files that are to be copied.

    Parameters
    ----------
    place : Path
        A folder, or a CSV or TSV file that names images.
    columns : Columns
        Of that file.
    suffix : str
        The codec's.

    Returns
    -------
    Tree

    Raises
    ------
    UserError
        If it isn't there, can't be read, or has no images.
    """
    if not place.exists():
        raise UserError(f"there is no folder or table {place}")
    if place.is_dir():
        return _of_folder(place.resolve(), suffix)
    if not place.is_file() or place.suffix.lower() not in folder.TABLE_SUFFIXES:
        raise UserError(f"{place} is neither a folder nor a CSV or TSV file that names images")
    return _of_table(place, columns, suffix)


def _of_folder(root: Path, suffix: str) -> Tree:
    images, tables, others, empty, skipped = [], [], [], [], []
    for found in folder.walk(root, everything=True):
        if found.path.split("/")[0] == HOME:
            continue
        if not found.skipped:
            images.append(found.path)
        elif found.skipped == folder.NO_IMAGE and found.path.lower().endswith(folder.TABLE_SUFFIXES):
            tables.append(found.path)
        elif found.skipped in (folder.NO_IMAGE, folder.HIDDEN):
            others.append(found.path)
        elif found.skipped == folder.EMPTY:
            empty.append(found.path)
        else:
            skipped.append((found.path, found.skipped))
    if not images:
        raise UserError(f"no images below {root}: {len(tables) + len(others)} other files")
    names = new_names(images, (*tables, *others, *empty), suffix)
    return Tree(root, names, tuple(tables), tuple(others), tuple(empty), tuple(skipped))


def _of_table(file: Path, columns: Columns, suffix: str) -> Tree:
    listing = folder.table(file, columns)
    paths = []
    for path, _ in listing.rows:
        named = listing.root / path
        relative = os.path.relpath(named.parent.resolve() / named.name, listing.root)
        if relative.startswith(".."):
            raise UserError(f"{file} names {path!r}, outside its folder: only what lies below can be copied")
        paths.append(relative)
    return Tree(listing.root, new_names(paths, [file.name], suffix), tables=(file.name,))
