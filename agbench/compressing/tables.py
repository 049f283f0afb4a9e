"""Tables that name images: the same rows, with the names that the images have in the copy."""

from __future__ import annotations

import codecs
import csv
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class Copied:
    """What became of the images.

    Parameters
    ----------
    root, out : Path
        The source's folder and the copy's, resolved.
    names : mapping of str to str
        Each image's path in the copy by its path in the source; empty where it was left out.
    """

    root: Path
    out: Path
    names: Mapping[str, str]

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        by_name: dict[str, list[str]] = {}
        for path in self.names:
            by_name.setdefault(_split(path)[1], []).append(path)
        return by_name

    def named(self, cell: str, folder: str) -> str | None:
        """Give the image that a cell of a table names.

        Parameters
        ----------
        cell : str
            Of the table.
        folder : str
            The table's, relative to the root, with a slash at its end; empty for the root.

        Returns
        -------
        str or None
            Its path; ``None`` where it names none, or it could be more than one whose names changed differently.
        """
        parent, name = _split(cell)
        alike = self._by_name.get(name)
        if not alike:
            return None
        if parent.startswith("/"):
            path = os.path.relpath(Path(parent).resolve() / name, self.root)
            return path if path in self.names else None
        for base in (folder, ""):
            path = os.path.normpath(f"{base}{cell}")
            if path in self.names:
                return path
        # Relative to a folder that only its readers know.
        end = "/" + os.path.normpath(cell)
        ending = [path for path in alike if path.endswith(end)]
        becoming = {_split(self.names[path])[1] for path in ending}
        return ending[0] if len(becoming) == 1 else None

    def rewritten(self, cell: str, path: str) -> str:
        """Give what a cell says that names an image."""
        parent, _ = _split(cell)
        return str(self.out / self.names[path]) if parent.startswith("/") else parent + _split(self.names[path])[1]


@dataclass(frozen=True)
class Rewritten:
    """A table for the copy.

    Parameters
    ----------
    data : bytes
        All of it.
    rows : int
        How many name other files than before.
    removed : int
        How many are gone with the image that they named.
    """

    data: bytes
    rows: int
    removed: int

    def words(self) -> str:
        """Say what was done."""
        parts = [f"rows rewritten: {self.rows:,}"] if self.rows else []
        parts += [f"rows removed with the image that they name: {self.removed:,}"] if self.removed else []
        return ", ".join(parts)


def rewrite(data: bytes, path: str, copied: Copied) -> Rewritten | None:
    """Rewrite a table: cells that name images name the copy's.

    Parameters
    ----------
    data : bytes
        The file's.
    path : str
        Its path in the source.
    copied : Copied
        What became of the images.

    Returns
    -------
    Rewritten or None
        ``None`` where nothing in it changes, or it can't be read as a table.
    """
    mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    text = os.fsdecode(data[len(mark) :])
    folder, _ = _split(path)
    # The delimiter is the one that makes most cells images: a semicolon is as common as a comma in places.
    read = [(_rows(text, delimiter), delimiter) for delimiter in _DELIMITERS]
    counted = [(_count(rows, folder, copied), -place) for place, (rows, _) in enumerate(read)]
    most, place = max(counted)
    rows, delimiter = read[-place]
    if not most:
        return None
    stream = io.StringIO()
    newline = "\r\n" if "\r\n" in text else "\n"
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=newline)
    changed = removed = 0
    for row in rows:
        named = {place: image for place, cell in enumerate(row) if (image := copied.named(cell, folder))}
        if any(not copied.names[image] for image in named.values()):
            removed += 1
            continue
        new = [copied.rewritten(cell, named[place]) if place in named else cell for place, cell in enumerate(row)]
        changed += new != row
        writer.writerow(new)
    if not changed and not removed:
        return None
    return Rewritten(mark + os.fsencode(stream.getvalue()), changed, removed)


def _split(path: str) -> tuple[str, str]:
    """Give what is before the last part, with its slash, and the last part; much faster than a Path."""
    name = path[path.rfind("/") + 1 :]
    return path[: len(path) - len(name)], name


def _rows(text: str, delimiter: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error:
        return []


def _count(rows: list[list[str]], folder: str, copied: Copied) -> int:
    return sum(copied.named(cell, folder) is not None for row in rows for cell in row)
