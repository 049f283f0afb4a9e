"""Example images at several levels, with what one model predicted of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agbench.analysis.evidence import Evidence
from agbench.core.condition import ORIGINAL_LEVEL
from agbench.reporting.answer import Answer
from agbench.reporting.tables.table import size
from agbench.store.record import Record

STRIP = "examples"
STRIP_LEVELS = (ORIGINAL_LEVEL, 0.5, 0.3, 0.1)
"""The levels of the example images."""


@dataclass(frozen=True)
class Shown:
    """An example image at a level.

    Parameters
    ----------
    file : bytes
        Its file.
    caption : str
        The level and the bytes of the file.
    predicted : str
        The class that the model predicted.
    is_right : bool
        Whether that is the image's own.
    """

    file: bytes
    caption: str
    predicted: str
    is_right: bool


@dataclass(frozen=True)
class Strip:
    """Example images of one model.

    Parameters
    ----------
    model : str
        The model.
    levels : tuple of float
        Levels that are shown, from high to low.
    images : dict of str to dict of float to Shown
        By class and id, and then by level.
    """

    model: str
    levels: tuple[float, ...]
    images: dict[tuple[str, str], dict[float, Shown]]


def strip(evidence: Evidence, answer: Answer | None) -> Strip | None:
    """Return the images that trials with JPEG kept; ``None`` where they kept none.

    Parameters
    ----------
    evidence : Evidence
        Results of a data set.
    answer : Answer, optional
        Their answer. Its level is shown, too, and its model, unless another one kept images of more levels.
    """
    levels, label = {*STRIP_LEVELS}, None
    if answer is not None:
        levels, label = {*STRIP_LEVELS, answer.level}, answer.series.label
    kept = []
    for series in sorted(evidence.jpeg.series, key=lambda one: one.label != label):
        records = {level: series.cells[level].records[0] for level in sorted(levels & {*series.cells}, reverse=True)}
        kept.append((series.name, {level: one for level, one in records.items() if one.examples}))
    model, found = max(kept, key=lambda one: len(one[1]), default=("", {}))
    images: dict[tuple[str, str], dict[float, Shown]] = {}
    for level, record in found.items():
        for key, shown in _shown(level, record):
            images.setdefault(key, {})[level] = shown
    return Strip(model, tuple(found), images) if images else None


def _shown(level: float, record: Record) -> Iterator[tuple[tuple[str, str], Shown]]:
    ids, labels, predicted = record.outcomes()
    places = {image_id: place for place, image_id in enumerate(ids)}
    name = "original" if level == ORIGINAL_LEVEL else f"level {level:g}"
    for one in record.examples:
        label, chosen = (str(texts[places[one.image_id]]) for texts in (labels, predicted))
        yield (label, one.image_id), Shown(one.file, f"{name}, {size(one.size)}", chosen, label == chosen)
