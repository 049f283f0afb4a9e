"""Tables that name images: the same rows, with the names that the images have in the copy."""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_DELIMITERS = ",;\t|"
_CELLS = re.compile(r"[,;\t|\"]")


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
        readings = (cell, _as_path(cell))
        found = (self._named(reading, folder) for reading in readings[: len(set(readings))])
        return next((path for path in found if path is not None), None)

    def _named(self, said: str, folder: str) -> str | None:
        parent, name = _split(said)
        alike = self._by_name.get(name)
        if not alike:
            return None
        if parent.startswith("/"):
            path = os.path.relpath(Path(parent).resolve() / name, self.root)
            return path if path in self.names else None
        first, _, rest = os.path.normpath(said).partition("/")
        inside = [rest] if first == self.root.name else []
        for path in (os.path.normpath(f"{folder}{said}"), os.path.normpath(said), *inside):
            if path in self.names:
                return path
        # Relative to a folder that only its readers know.
        end = "/" + os.path.normpath(said)
        ending = [path for path in alike if path.endswith(end)]
        becoming = {_split(self.names[path])[1] for path in ending}
        return ending[0] if len(becoming) == 1 else None

    def may_name(self, cell: str) -> bool:
        """Tell whether a cell ends like an image that has another name in the copy, in whatever case."""
        return any(_split(one)[1].casefold() in self._renamed for one in (cell, _as_path(cell)))

    @cached_property
    def _renamed(self) -> set[str]:
        return {_split(path)[1].casefold() for path, name in self.names.items() if path != name}

    def rewritten(self, cell: str, path: str) -> str:
        """Give what a cell says that names an image: its last part changes, or all of it where it is absolute."""
        old, new = _split(path)[1], self.names[path]
        begin, end = len(cell) - len(cell.lstrip()), cell.rindex(old) + len(old)
        if cell.startswith("/", begin):
            return cell[:begin] + str(self.out / new) + cell[end:]
        return cell[: end - len(old)] + _split(new)[1] + cell[end:]


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
    doubtful : int
        How many may name an image that has another name in the copy, and stay as they are.
    """

    data: bytes
    rows: int = 0
    removed: int = 0
    doubtful: int = 0

    @property
    def is_changed(self) -> bool:
        """Whether it says something else than in the source."""
        return bool(self.rows or self.removed)

    def words(self) -> str:
        """Say what was done; nothing where nothing was, and nothing is left to do."""
        parts = [f"rows rewritten: {self.rows:,}"] if self.rows else []
        parts += [f"rows removed with the image that they name: {self.removed:,}"] if self.removed else []
        parts += [f"rows that may still name files of the source: {self.doubtful:,}"] if self.doubtful else []
        return ", ".join(parts)


def rewrite(data: bytes, path: str, copied: Copied) -> Rewritten:
    """Rewrite a table: cells that name images name the copy's. Every other row keeps its bytes.

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
    Rewritten
        Unchanged where it can't be read as a table.
    """
    mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    text = os.fsdecode(data[len(mark) :])
    folder, _ = _split(path)
    # The delimiter is the one that makes most cells images: a semicolon is as common as a comma in places.
    read = [(_records(text, delimiter), delimiter) for delimiter in _DELIMITERS]
    counted = [(_count(records, folder, copied), -place) for place, (records, _) in enumerate(read)]
    most, place = max(counted)
    records, delimiter = read[-place]
    if not most:
        lines = re.split("[\r\n]+", text)
        return Rewritten(data, doubtful=sum(any(map(copied.may_name, _CELLS.split(line))) for line in lines))
    parts, changed, removed, doubtful = [], 0, 0, 0
    for raw, row in records:
        named = {place: image for place, cell in enumerate(row) if (image := copied.named(cell, folder))}
        if any(not copied.names[image] for image in named.values()):
            removed += 1
            continue
        new = [copied.rewritten(cell, named[place]) if place in named else cell for place, cell in enumerate(row)]
        doubtful += any(copied.may_name(cell) for place, cell in enumerate(row) if place not in named)
        changed += new != row
        parts.append(raw if new == row else _written(new, delimiter) + raw[len(raw.rstrip("\r\n")) :])
    return Rewritten(mark + os.fsencode("".join(parts)), changed, removed, doubtful)


def _split(path: str) -> tuple[str, str]:
    """Give what is before the last part, with its slash, and the last part; much faster than a Path."""
    name = path[path.rfind("/") + 1 :]
    return path[: len(path) - len(name)], name


def _as_path(cell: str) -> str:
    """Give what a cell says as a path: Windows writes backslashes, and some writers a space after the comma."""
    return cell.strip().replace("\\", "/")


def _records(text: str, delimiter: str) -> list[tuple[str, list[str]]]:
    """Give every row with its own text; none where it is no table, as where a quote never ends."""
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(iter(lines), delimiter=delimiter, strict=True)
    records, begun = [], 0
    try:
        for row in reader:
            records.append(("".join(lines[begun : reader.line_num]), row))
            begun = reader.line_num
    except csv.Error:
        return []
    return records


def _written(row: list[str], delimiter: str) -> str:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerow(row)
    return stream.getvalue().removesuffix("\n")


def _count(records: list[tuple[str, list[str]]], folder: str, copied: Copied) -> int:
    return sum(copied.named(cell, folder) is not None for _, row in records for cell in row)
