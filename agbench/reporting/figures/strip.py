"""Example images at several levels, with what one model predicted of them."""

from __future__ import annotations

from collections.abc import Iterator

from agbench.analysis.evidence import Evidence
from agbench.core.condition import ORIGINAL_LEVEL
from agbench.reporting.answer import Answer
from agbench.reporting.figures.pictures import Picture, Pictures
from agbench.reporting.tables.table import size
from agbench.store.record import Record

STRIP = "examples"
STRIP_LEVELS = (ORIGINAL_LEVEL, 0.5, 0.3, 0.1)
"""The levels of the example images."""


def strip(evidence: Evidence, answer: Answer | None) -> Pictures | None:
    """Return the images that trials with JPEG kept, a column a level; ``None`` where they kept none.

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
        records = {level: series.cells[level].records[0] for level in levels & {*series.cells}}
        kept.append((series.name, {level: one for level, one in records.items() if one.examples}))
    model, found = max(kept, key=lambda one: len(one[1]), default=("", {}))
    columns = [dict(_pictures(level, record)) for level, record in sorted(found.items(), reverse=True)]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = tuple((label, tuple(column.get((label, one)) for column in columns)) for label, one in names)
    return Pictures(STRIP, model, rows, is_cropped=True) if rows else None


def _pictures(level: float, record: Record) -> Iterator[tuple[tuple[str, str], Picture]]:
    """Yield class and id of each image that a trial kept, and the image."""
    ids, labels, predicted = record.outcomes()
    places = {image_id: place for place, image_id in enumerate(ids)}
    name = "original" if level == ORIGINAL_LEVEL else f"level {level:g}"
    for one in record.examples:
        label, chosen = (str(texts[places[one.image_id]]) for texts in (labels, predicted))
        yield (label, one.image_id), Picture(one.file, f"{name}, {size(one.size)}", chosen, label == chosen)
