"""Finding a data set: by the name of a card, of another package's adapter, or as a user's own images."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agbench.core import files
from agbench.core.errors import UserError, look_up
from agbench.data.adapter import ENTRY_POINTS, Adapter
from agbench.data.card import Card, Columns, file_name, is_web, read_card
from agbench.data.folder import as_text
from agbench.data.layouts import LAYOUTS, Layout, building

DOWNLOADS = "downloads"
"""Folder beside the data sets, and so no name of one."""


@dataclass(frozen=True)
class DatasetSpec:
    """A data set that can be prepared.

    Parameters
    ----------
    name : str
        In lower case.
    card : Card
        Card of the data set.
    layout : Layout
        How its images lie.
    new : bool
        Whether its card has yet to be written: it is somebody's own, named for the first time.
    """

    name: str
    card: Card
    layout: Layout
    new: bool = False


def shipped() -> Path:
    """Return the folder of the cards that come with agbench: in a wheel, or in a checkout beside the package.

    Examples
    --------
    >>> (shipped() / "dtd.yaml").is_file()
    True
    """
    package = Path(__file__).resolve().parents[1]
    installed = package / "cards"
    return installed if installed.is_dir() else package.parent / "datasets"


@dataclass(frozen=True)
class Catalogue:
    """The data sets of one workspace: its own cards come before those that ship, and before other packages'.

    Parameters
    ----------
    folder : Path
        The workspace's ``datasets`` folder.
    """

    folder: Path

    def names(self) -> list[str]:
        """Return the names of all data sets, in lower case, sorted."""
        return sorted(self._entries())

    def card(self, name: str) -> Card:
        """Read a data set's card.

        Parameters
        ----------
        name : str
            As in `names`, in any case.

        Returns
        -------
        Card

        Raises
        ------
        UserError
            If there is no such data set, or its card is wrong.
        """
        return self.find(name).card

    def find(self, name: str) -> DatasetSpec:
        """Return a data set by its name.

        Parameters
        ----------
        name : str
            As in `names`, in any case.

        Returns
        -------
        DatasetSpec

        Raises
        ------
        UserError
            If there is no such data set, or its card or adapter is wrong.
        """
        name = name.lower()
        entry = look_up("data set", name, self._entries())
        if slug(name) != name:
            raise UserError(f"{name!r} can't name a data set: use letters, digits, dots, dashes, underscores")
        if isinstance(entry, EntryPoint):
            return _adapted(name, entry)
        card = read_card(entry)
        try:
            layout = look_up("layout", card.layout, LAYOUTS)
        except UserError as error:
            raise UserError(f"{entry.name}: layout: {error}") from error
        _check_contradictions(entry.name, card, layout)
        return DatasetSpec(name, card, layout)

    def own_folder(self, folder: Path, name: str | None = None, nested: bool = False) -> DatasetSpec:
        """Return a user's folder of class folders as a data set.

        Parameters
        ----------
        folder : Path
            The folder.
        name : str, optional
            What to call it; by default as the folder is called.
        nested : bool
            Whether classes are whole paths of folders; see `agbench.data.folder.class_folders`.

        Returns
        -------
        DatasetSpec

        Raises
        ------
        UserError
            If it is no folder, or another data set has that name.
        """
        place = _existing(folder)
        if not place.is_dir():
            raise UserError(f"{folder} is not a folder: give one that holds a folder for each class, or use --csv")
        if place in (self.folder.resolve(), *self.folder.resolve().parents):
            raise UserError(
                f"the workspace is inside {place}, among its images: use --workspace with another folder"
            )
        layout = "nested-folders" if nested else "folders"
        return self._own(name or place.name, Card(title=place.name, layout=layout, addresses=(str(place),)))

    def own_table(self, file: Path, columns: Columns, name: str | None = None) -> DatasetSpec:
        """Return a user's table of images and labels as a data set.

        Parameters
        ----------
        file : Path
            As `agbench.data.folder.table` reads it.
        columns : Columns
            Its columns.
        name : str, optional
            What to call it; by default as the file is called.

        Returns
        -------
        DatasetSpec

        Raises
        ------
        UserError
            If it is no file, or another data set has that name.
        """
        place = _existing(file)
        if not place.is_file():
            raise UserError(f"{file} is not a file: give a table with a column of images and one of labels")
        card = Card(title=place.name, layout="csv", addresses=(str(place),), columns=columns)
        return self._own(name or place.stem, card)

    def own_archive(self, source: str, name: str, nested: bool = False) -> DatasetSpec:
        """Return an archive of class folders, on disk or on the web, as a data set.

        Parameters
        ----------
        source : str
            Its address or path.
        name : str
            Name of the data set.
        nested : bool
            As for `own_folder`.

        Returns
        -------
        DatasetSpec
        """
        address = source if is_web(source) else str(_existing(Path(source)))
        layout = "nested-folders" if nested else "folders"
        return self._own(name, _own_card(Card(title=file_name(address), layout=layout), address))

    def _own(self, name: str, card: Card) -> DatasetSpec:
        name = slug(name)
        known = DatasetSpec(name, card, LAYOUTS[card.layout], new=True)
        if name not in self._entries():
            return known
        found = self.find(name)
        if _images_of(found.card) == _images_of(card):
            return found
        raise UserError(
            f"there is another data set called {name!r}: give this one a name of its own, "
            f"`agbench prepare --dataset NAME` with --source {card.addresses[0]} or --csv"
        )

    def _entries(self) -> dict[str, Path | EntryPoint]:
        entries: dict[str, Path | EntryPoint] = {}
        for point in entry_points(group=ENTRY_POINTS):
            entries[point.name.lower()] = point
        for folder in (shipped(), self.folder):
            for card in sorted(folder.glob("*.yaml")):
                if card.is_file():
                    entries[card.stem.lower()] = card
        return entries


def _images_of(card: Card) -> tuple[Any, ...]:
    """Return by what two cards of a user's own images are told apart: not by the groups of these."""
    columns = None if card.columns is None else (card.columns.image, card.columns.label)
    return card.addresses, card.layout, columns


def slug(name: str) -> str:
    """Return a name that is fit for folders and command lines: lower-case letters, digits, dots, dashes.

    Parameters
    ----------
    name : str
        Any.

    Returns
    -------
    str

    Raises
    ------
    UserError
        If it is reserved.

    Examples
    --------
    >>> slug("My Photos (2026)")
    'my-photos-2026'
    """
    made = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._") or "images"
    if made == DOWNLOADS:
        raise UserError(f"a data set can't be called {made!r}: archives lie there")
    return made


def _check_contradictions(file: str, card: Card, layout: Layout) -> None:
    is_table = card.layout == "csv"
    if is_table != (card.columns is not None):
        raise UserError(f"{file}: columns: go with the layout csv, and only with that")
    if is_table and any(map(is_web, card.addresses)):
        raise UserError(f"{file}: addresses: a table has to be on the disk, beside its images")
    if card.addresses and not layout.needs_source:
        raise UserError(f"{file}: addresses: the layout {card.layout} makes its images by itself")


def _own_card(card: Card, address: str) -> Card:
    try:
        return Card.model_validate({**card.model_dump(), "addresses": (address,)})
    except ValidationError as error:
        raise UserError(f"{address}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from error


def _existing(path: Path) -> Path:
    path = files.expanded(path)
    try:
        is_there = path.exists()
    except OSError as error:  # too long, or not ours to look at
        raise UserError(f"{path} can't be read: {error.strerror}") from error
    if not is_there:
        raise UserError(f"there is no file or folder {path}")
    place = path.resolve()
    if as_text(str(place)) != str(place):
        raise UserError(f"the path {as_text(str(place))} has bytes in it that are not UTF-8: rename it")
    return place


def _adapted(name: str, point: EntryPoint) -> DatasetSpec:
    try:
        adapter = point.load()
    # Whatever another package does when it is imported, its name belongs into the message.
    except Exception as error:
        raise UserError(f"the data set {name!r} can't be loaded from {point.value}: {error}") from error
    if not isinstance(adapter, Adapter):
        raise UserError(f"the data set {name!r}: {point.value} is not an agbench.data.adapter.Adapter")
    try:
        return DatasetSpec(name, adapter.card, building(adapter.build, name))
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(
            f"the data set {name!r}: {first['loc'][0]}: {first['msg']}, got {first['input']!r}"
        ) from error
