"""A user's own images: a folder of class folders, or a table that names images and their labels."""

from __future__ import annotations

import csv
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agbench.core import images
from agbench.core.errors import UserError, unknown
from agbench.data.card import Columns

TABLE_SUFFIXES = (".csv", ".tsv")
DEEPEST = 100
HIDDEN, NO_IMAGE, EMPTY = "hidden", "not an image", "an empty folder"
SPLIT_NAMES = frozenset(("train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval"))


@dataclass(frozen=True)
class Listing:
    """The images of a data set, before any was opened.

    Parameters
    ----------
    root : Path
        Folder that the paths are relative to.
    rows : tuple of (str, str)
        Path with forward slashes, and label; in a stable order.
    skipped : tuple of (str, str)
        What else lies there, and why it is none of them.
    unused : tuple of str
        Columns of a table that are neither images nor labels, nor groups.
    groups : tuple of str, optional
        Group of each row's image, where a column names it.
    """

    root: Path
    rows: tuple[tuple[str, str], ...]
    skipped: tuple[tuple[str, str], ...] = ()
    unused: tuple[str, ...] = ()
    groups: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Walked:
    """A file below a folder.

    Parameters
    ----------
    path : str
        Relative, with forward slashes.
    skipped : str
        Why it is no image; empty where it may be one.
    """

    path: str
    skipped: str = ""


def walk(root: Path, everything: bool = False) -> Iterator[Walked]:
    """Yield everything below a folder, sorted by name.

    Hidden names and whatever isn't a file are not opened. Links out of the folder are not followed, nor are, but
    with `everything`, links to what is found in the folder anyway.

    Parameters
    ----------
    root : Path
        The folder.
    everything : bool
        Whether hidden folders are gone into, and empty folders given, too.

    Yields
    ------
    Walked

    Raises
    ------
    UserError
        If a folder can't be read: its images must not be missing without a word.

    Examples
    --------
    >>> from agbench.data.catalogue import shipped
    >>> "dtd.yaml" in [found.path for found in walk(shipped())]
    True
    """
    root = root.resolve()
    yield from _walk(root, root, "", (root,), everything)


def _walk(root: Path, folder: Path, prefix: str, above: tuple[Path, ...], everything: bool) -> Iterator[Walked]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"the folder {folder} can't be read: {error.strerror}") from error
    if len(above) > DEEPEST:
        raise UserError(f"{root} has folders nested more than {DEEPEST} deep")
    if everything and prefix and not entries:
        yield Walked(prefix.rstrip("/"), EMPTY)
    for entry in entries:
        path = prefix + entry.name
        is_hidden = entry.name.startswith(".")
        if is_hidden and not everything:
            yield Walked(path, HIDDEN)
            continue
        try:
            real = Path(entry.path).resolve(strict=True) if entry.is_symlink() else folder / entry.name
            kind = real.lstat().st_mode
        except (OSError, RuntimeError):  # Pythons before 3.13 say RuntimeError of a link to itself
            yield Walked(path, "a link to nowhere")
            continue
        if real != root and root not in real.parents:
            yield Walked(path, "a link out of the folder")
        elif stat.S_ISDIR(kind) and real in above:
            yield Walked(path, "a link to a folder that it lies in")
        elif entry.is_symlink() and not everything and not _is_hidden(real.relative_to(root)):
            yield Walked(path, "a link to something else in the folder, which counts once")
        elif stat.S_ISDIR(kind):
            yield from _walk(root, real, f"{path}/", (*above, real), everything)
        elif not stat.S_ISREG(kind):
            yield Walked(path, "not a file")
        elif is_hidden or "/." in f"/{prefix}":
            yield Walked(path, HIDDEN)
        elif not _is_image(real):
            yield Walked(path, NO_IMAGE)
        else:
            yield Walked(path)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _is_image(path: Path) -> bool:
    try:
        return images.looks_like_one(path)
    except OSError:
        return True  # checking says why it can't be read


def class_folders(root: Path, nested: bool = False) -> Listing:
    """Read a folder of class folders.

    Parameters
    ----------
    root : Path
        The folder.
    nested : bool
        Whether each folder with images in it is a class, labelled with its whole path. Otherwise the
        folders directly below `root` are the classes, and all that is below them is theirs.

    Returns
    -------
    Listing

    Raises
    ------
    UserError
        If there are no two classes in it, or they look like the parts of a split.
    """
    rows, skipped = [], []
    for found in walk(root):
        if found.skipped:
            skipped.append((found.path, found.skipped))
            continue
        parents = found.path.split("/")[:-1]
        if not parents:
            skipped.append((found.path, "in no class's folder"))
            continue
        rows.append((found.path, "/".join(parents) if nested else parents[0]))
    labels = {label for _, label in rows}
    named = {path.split("/")[0] for path, _ in (*rows, *skipped)}
    skipped += [(name, "a class folder without an image") for name in _folders(root) if name not in named]
    if not rows:
        reasons = Counter(reason for _, reason in skipped)
        seen = "; ".join(f"{count} {reason}" for reason, count in reasons.items()) or "nothing"
        raise UserError(f"no images in class folders below {root}: each class needs a folder of its own ({seen})")
    if len(labels) == 1:
        (only,) = labels
        raise UserError(f"{root} has one class folder, {only!r}: classification needs two or more")
    parts = {label.split("/")[0].lower() for label in labels}
    if parts <= SPLIT_NAMES:
        raise UserError(
            f"the folders in {root} are the parts of a split ({', '.join(sorted(parts))}), not classes: "
            "agbench splits by itself, so put the images of a class into one folder, or list them with --csv"
        )
    return Listing(root, tuple(rows), tuple(skipped))


def _folders(root: Path) -> list[str]:
    return sorted(one.name for one in root.iterdir() if one.is_dir() and not one.name.startswith("."))


def table(file: Path, columns: Columns) -> Listing:
    """Read a table with a line of column names, and a line an image.

    Parameters
    ----------
    file : Path
        Separated by commas, or by semicolons or tabs where those part the columns' names; UTF-8. Nothing in it is
        interpreted: ``01``, ``nan`` and ``None`` are labels like any other. Backslashes in a path are taken for
        slashes where there is no such file.
    columns : Columns
        Which column holds the images' paths, relative to the folder of `file`, which the labels, and which the
        groups, if any does.

    Returns
    -------
    Listing

    Raises
    ------
    UserError
        If it is no such table, lacks a column or a value, or names an image twice.
    """
    rows: dict[str, str] = {}
    groups: dict[str, str] = {}
    used = [column for column in (columns.image, columns.label, columns.group) if column is not None]
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            delimiter = _delimiter(stream.readline(), columns, file.suffix.lower())
            stream.seek(0)
            lines = csv.DictReader(stream, strict=True, delimiter=delimiter)
            for column in used:
                if column not in (lines.fieldnames or ()):
                    raise unknown("column", column, lines.fieldnames or ())
                if list(lines.fieldnames or ()).count(column) > 1:
                    raise UserError(f"{file} has several columns called {column!r}")
            unused = tuple(name for name in lines.fieldnames or () if name not in used)
            for line in lines:
                path, label = line[columns.image], line[columns.label]
                if None in line or not all(line[column] for column in used):
                    raise UserError(
                        f"{file}, line {lines.line_num}: it needs a value for each column, and no more"
                    )
                if "\\" in path and not os.path.exists(file.parent / path):  # noqa: PTH110 # too long, it isn't there
                    path = path.replace("\\", "/")  # as Windows writes paths
                path = os.path.normpath(path)
                if rows.setdefault(path, label) != label:
                    raise UserError(f"{file} gives {path!r} two labels, {rows[path]!r} and {label!r}")
                group = line[columns.group] if columns.group is not None else ""
                if groups.setdefault(path, group) != group:
                    raise UserError(f"{file} gives {path!r} two groups, {groups[path]!r} and {group!r}")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{file} is not a CSV in UTF-8{_where_not(file)}: save it as UTF-8, which spreadsheets offer"
        ) from error
    except csv.Error as error:
        raise UserError(f"{file} is not a CSV in UTF-8: {error}") from error
    except OSError as error:
        raise UserError(f"{file} can't be read: {error.strerror}") from error
    if not rows:
        raise UserError(f"{file} names no images")
    named = None if columns.group is None else tuple(groups.values())
    return Listing(file.resolve().parent, tuple(rows.items()), unused=unused, groups=named)


def _where_not(file: Path) -> str:
    content = file.read_bytes()
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return f" (byte {content[error.start]:#04x} in line {content.count(10, 0, error.start) + 1})"
    return ""


def _delimiter(names: str, columns: Columns, suffix: str) -> str:
    for delimiter in (",", ";", "\t"):
        (parted,) = csv.reader([names], delimiter=delimiter)
        if {columns.image, columns.label} <= {*parted}:
            return delimiter
    return "\t" if suffix == ".tsv" else ","


def as_text(path: str) -> str:
    """Return a path as text that any table can store; bytes that are no UTF-8 become escapes.

    Examples
    --------
    >>> as_text("cats/1.jpg")
    'cats/1.jpg'
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def check_labels(labels: Iterable[str]) -> None:
    """Refuse labels that a report could not show, or a table not store, as what they are.

    Parameters
    ----------
    labels : iterable of str
        All of a data set's.

    Raises
    ------
    UserError
        If one has a control character in it, or isn't text.

    Examples
    --------
    >>> check_labels(["cat", "dog"])
    """
    for label in labels:
        wrong = [letter for letter in label if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")]
        if wrong:
            what = "bytes that are not UTF-8" if unicodedata.category(wrong[0]) == "Cs" else "a control character"
            raise UserError(f"the class {label!r} has {what} in its name: rename it")


def look_alikes(labels: Iterable[str]) -> list[tuple[str, ...]]:
    """Return different labels that look the same: in another Unicode normal form, or with other spaces.

    Examples
    --------
    >>> look_alikes(["cat", "cat ", "dog"])
    [('cat', 'cat ')]
    """
    seen: dict[str, list[str]] = {}
    for label in sorted(labels):
        seen.setdefault(" ".join(unicodedata.normalize("NFKC", label).split()), []).append(label)
    return [tuple(alike) for alike in seen.values() if len(alike) > 1]
