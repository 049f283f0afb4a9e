"""Images that flip at the level of the answer, beside their originals."""

from __future__ import annotations

from agbench.reporting.figures.pictures import Picture, Pictures
from agbench.reporting.tables.per_class import Payers
from agbench.reporting.tables.table import size
from agbench.store.record import Flip

GALLERY = "gallery"
MOST_ROWS = 5
"""Images that are shown, the last of them one that does not flip."""


def gallery(payers: Payers) -> Pictures | None:
    """Return the images of the first training at the level that kept some, those that become wrong first.

    The original is in the first column, the level in the second; ``None`` where no training kept images.
    """
    kept = next((found for record in payers.ours if (found := record.flips)), [])
    flips = [flip for flip in kept if flip.predicted[0] != flip.predicted[1]]
    same = [flip for flip in kept if flip.predicted[0] == flip.predicted[1]]
    names = ("original", f"{payers.series.codec} {payers.level:g}")
    rows = tuple((flip.label, _pair(flip, names)) for flip in [*flips[: MOST_ROWS - 1], *same[:1]])
    return Pictures(GALLERY, payers.series.name, rows) if rows else None


def _pair(flip: Flip, names: tuple[str, str]) -> tuple[Picture, ...]:
    return tuple(
        Picture(file, f"{name}, {size(count)}", predicted, predicted == flip.label)
        for file, name, count, predicted in zip(flip.files, names, flip.sizes, flip.predicted, strict=True)
    )
