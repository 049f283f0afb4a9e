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

from agbench.compression.names import alike

_DELIMITERS = ",;\t|"
_LONGEST_NAME = 255
"""Letters: what file systems allow."""

_UNMARKED = (b"", "utf-8", "surrogateescape")
_MARKS = (
    (codecs.BOM_UTF8, *_UNMARKED[1:]),
    (codecs.BOM_UTF16_LE, "utf-16-le", "surrogatepass"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "surrogatepass"),
)
"""What a file begins with, and how its bytes are read then."""


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
        """Return the image that a cell of a table names.

        Parameters
        ----------
        cell : str
            Text of the cell.
        folder : str
            The table's, relative to the root, with a slash at its end; empty for the root.

        Returns
        -------
        str or None
            Its path; ``None`` where it names none, or it could be more than one whose names changed differently.
        """
        found = (self._named(reading, folder) for reading in dict.fromkeys((cell, _as_path(cell))))
        return next((path for path in found if path is not None), None)

    def _named(self, said: str, folder: str) -> str | None:
        parent, name = _split(said)
        alike = self._by_name.get(name)
        if not alike:
            return None
        if parent.startswith("/"):
            try:
                path = os.path.relpath(Path(parent).resolve() / name, self.root)
            except (OSError, RuntimeError, ValueError):  # no path that this system can have
                return None
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

    def may_name(self, text: str) -> bool:
        """Return whether a text contains, ignoring case, the name of an image that is renamed in the copy."""
        text = alike(text)
        for end in (found.end() for found in self._suffixes.finditer(text)) if self._renamed else ():
            begins = range(max(end - _LONGEST_NAME, 0), end)
            if any(text[begin:end] in self._renamed and not text[:begin][-1:].isalnum() for begin in begins):
                return True
        return False

    @cached_property
    def _renamed(self) -> set[str]:
        return {alike(_split(path)[1]) for path, name in self.names.items() if path != name}

    @cached_property
    def _suffixes(self) -> re.Pattern[str]:
        # Whatever the names end in, a name without any suffix included.
        ends = {name[max(name.rfind("."), 0) :] for name in self._renamed}
        return re.compile("(?:" + "|".join(map(re.escape, sorted(ends))) + r")(?![^\W_])")

    def rewritten(self, cell: str, path: str) -> str:
        """Return the new text of a cell that names an image: all of an absolute path, else its last part."""
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
    problem : str
        Why it can't be read as a table, where it may name images.
    """

    data: bytes
    rows: int = 0
    removed: int = 0
    doubtful: int = 0
    problem: str = ""

    @property
    def is_changed(self) -> bool:
        """Whether it says something else than in the source."""
        return bool(self.rows or self.removed)

    def words(self) -> str:
        """Return a one-line summary; empty if the table was unchanged and unambiguous."""
        parts = [f"rows rewritten: {self.rows:,}"] if self.rows else []
        parts += [f"rows removed with the image that they name: {self.removed:,}"] if self.removed else []
        parts += [f"rows that may still name files of the source: {self.doubtful:,}"] if self.doubtful else []
        parts += [f"not read as a table: {self.problem}"] if self.problem and self.doubtful else []
        return ", ".join(parts)


def rewrite(data: bytes, path: str, copied: Copied) -> Rewritten:
    r"""Rewrite a table: cells that name images name the copy's. Every other row keeps its bytes.

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

    Examples
    --------
    >>> copied = Copied(Path("/photos"), Path("/small"), {"a.png": "a.jpg"})
    >>> rewrite(b"a.png,cat", "labels.csv", copied).data
    b'a.jpg,cat'
    """
    mark, encoding, errors = next((one for one in _MARKS if data.startswith(one[0])), _UNMARKED)
    body = data[len(mark) :]
    try:
        text = body.decode(encoding, errors)
    except UnicodeDecodeError as error:  # UTF-16 that ends within a letter
        doubtful = _count_doubtful(body.decode(encoding, "replace"), copied)
        return Rewritten(data, doubtful=doubtful, problem=f"it is cut off, or no {encoding}: {error.reason}")
    folder, _ = _split(path)
    # The delimiter is the one that makes most cells images: a semicolon is as common as a comma in places.
    read = [(*_records(text, delimiter), delimiter) for delimiter in _DELIMITERS]
    counted = [(_count(records, folder, copied), -place) for place, (records, _, _) in enumerate(read)]
    most, place = max(counted)
    records, problem, delimiter = read[-place]
    if not most:
        return Rewritten(data, doubtful=_count_doubtful(text, copied), problem=problem)
    parts, changed, removed, doubtful = [], 0, 0, 0
    for raw, row in records:
        named = {place: image for place, cell in enumerate(row) if (image := copied.named(cell, folder))}
        if any(not copied.names[image] for image in named.values()):
            removed += 1
            continue
        new = [copied.rewritten(cell, named[place]) if place in named else cell for place, cell in enumerate(row)]
        doubtful += any(copied.may_name(cell) for place, cell in enumerate(row) if place not in named)
        changed += new != row
        parts.append(raw if new == row else _replaced(raw, row, new, delimiter))
    return Rewritten(mark + "".join(parts).encode(encoding, errors), changed, removed, doubtful)


def _count_doubtful(text: str, copied: Copied) -> int:
    return sum(map(copied.may_name, re.split("[\r\n]+", text)))


def _split(path: str) -> tuple[str, str]:
    """Return a path's folder, with its slash, and its last part; much faster than a Path."""
    name = path[path.rfind("/") + 1 :]
    return path[: len(path) - len(name)], name


def _as_path(cell: str) -> str:
    """Return what a cell says as a path: Windows writes backslashes, and some writers a space after the comma."""
    return cell.strip().replace("\\", "/")


def _records(text: str, delimiter: str) -> tuple[list[tuple[str, list[str]]], str]:
    """Return every row with its own text, and why there is none where the file is no table."""
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(iter(lines), delimiter=delimiter, strict=True)
    records, begun = [], 0
    longest = csv.field_size_limit(len(text) + 1)
    try:
        for row in reader:
            records.append(("".join(lines[begun : reader.line_num]), row))
            begun = reader.line_num
    except csv.Error as error:
        return [], f"line {begun + 1}: {error}"
    finally:
        csv.field_size_limit(longest)
    return records, ""


def _replaced(raw: str, row: list[str], new: list[str], delimiter: str) -> str:
    """Return a row's text with other cells. All else keeps its bytes: readers differ about quotes and spaces."""
    end = raw[len(raw.rstrip("\r\n")) :]
    field = re.compile(rf'"(?:[^"]|"")*"|[^{re.escape(delimiter)}\r\n]*')
    parts, place = [], 0
    for old, cell in zip(row, new, strict=True):
        found = field.match(raw, place)
        text = found[0] if found else ""
        parts.append(
            text.replace(_quoted(old), _quoted(cell)) if text.startswith('"') else text.replace(old, cell)
        )
        place += len(text) + 1
    replaced = delimiter.join(parts) + end
    if [one for _, one in _records(replaced, delimiter)[0]] == [new]:
        return replaced
    stream = io.StringIO()  # as where a name has the delimiter in it now
    csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerow(new)
    return stream.getvalue().removesuffix("\n") + end


def _quoted(cell: str) -> str:
    return cell.replace('"', '""')


def _count(records: list[tuple[str, list[str]]], folder: str, copied: Copied) -> int:
    return sum(copied.named(cell, folder) is not None for _, row in records for cell in row)
