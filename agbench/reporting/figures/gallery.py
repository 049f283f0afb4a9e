"""Images that flip at the level of the answer, beside their originals."""

from __future__ import annotations

from dataclasses import dataclass

from agbench.reporting.tables.per_class import Payers
from agbench.reporting.tables.table import size
from agbench.store.record import Flip

GALLERY = "gallery"
MOST_ROWS = 5
"""Images that are shown, the last of them one that does not flip."""


@dataclass(frozen=True)
class Row:
    """An image of the gallery.

    Parameters
    ----------
    name : str
        Its class.
    files : tuple of bytes
        Its files at the original and at the level.
    captions : tuple of str
        What is said above each: what it is, its bytes, and the predicted class.
    """

    name: str
    files: tuple[bytes, bytes]
    captions: tuple[str, str]


def rows(payers: Payers) -> list[Row]:
    """Return the images of the first training at the level that kept some: those that become wrong first."""
    kept = next((found for record in payers.ours if (found := record.flips)), [])
    flips = [flip for flip in kept if flip.predicted[0] != flip.predicted[1]]
    same = [flip for flip in kept if flip.predicted[0] == flip.predicted[1]]
    return [_row(flip, payers) for flip in [*flips[: MOST_ROWS - 1], *same[:1]]]


def _row(flip: Flip, payers: Payers) -> Row:
    names = ("original", f"{payers.series.codec} {payers.level:g}")
    captions = [
        f"{name}, {size(count)}: {predicted}"
        for name, count, predicted in zip(names, flip.sizes, flip.predicted, strict=True)
    ]
    return Row(flip.label, flip.files, (captions[0], captions[1]))
