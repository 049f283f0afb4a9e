"""What another package gives to add a data set: an `Adapter`, under the entry point ``agbench.datasets``."""

from __future__ import annotations

from dataclasses import dataclass

from agbench.data.card import Card
from agbench.data.layouts import Builder

ENTRY_POINTS = "agbench.datasets"


@dataclass(frozen=True)
class Adapter:
    """A data set that a package brings along, by a function that writes its images.

    Parameters
    ----------
    title : str
        A few words for lists and reports.
    build : callable
        Takes an empty folder (`pathlib.Path`), stores the images below it, and yields for each, always in
        the same order, its path relative to the folder (`pathlib.Path`) and its label (`str`).
    licence, citation, note : str
        As on a card.
    classes, images : int, optional
        How many there must be.
    group_by : str
        As on a card.
    """

    title: str
    build: Builder
    licence: str = "not stated"
    citation: str = "not stated"
    note: str = ""
    classes: int | None = None
    images: int | None = None
    group_by: str = ""

    @property
    def card(self) -> Card:
        """The same as a card."""
        return Card(
            title=self.title,
            layout="adapter",
            classes=self.classes,
            images=self.images,
            licence=self.licence,
            citation=self.citation,
            note=self.note,
            group_by=self.group_by,
        )
