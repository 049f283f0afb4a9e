"""The answer of a report: what is saved, what it costs at worst, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from agbench.analysis.cell import Cell, missing
from agbench.analysis.corrected import judged_levels
from agbench.analysis.evidence import Evidence, Series
from agbench.analysis.intervals import MARGIN, MARGINS, Comparison, Interval, Verdict
from agbench.analysis.tolerance import reached
from agbench.core.condition import ORIGINAL_LEVEL
from agbench.core.metric import ACCURACY, Metric
from agbench.core.progress import duration
from agbench.reporting.tables import table
from agbench.reporting.tables.per_class import Payers, payers_of

EXAMPLE = 10e12
"""Bytes of an archive of which a report says how much of it would be saved."""


@dataclass(frozen=True)
class Answer:
    """The level that a data set's report answers with, by its best model.

    Parameters
    ----------
    series : Series
        The model, with the codec of the level.
    level : float
        The level with the fewest bytes among those at which the smallest of `MARGINS` is excluded that is excluded
        at any; where none is, the highest level that was run.
    margin : float, optional
        That margin; ``None`` where none is excluded.
    is_at_chance : bool
        Whether the model is no better on originals than always predicting the largest class.
    """

    series: Series
    level: float
    margin: float | None
    is_at_chance: bool

    @property
    def place(self) -> str:
        """Codec and level in words."""
        return f"{self.series.codec} {self.level:g}"

    @property
    def base(self) -> Cell:
        """Its cell of the originals."""
        return self.series.cells[ORIGINAL_LEVEL]

    @property
    def ours(self) -> Cell:
        """Its cell of the level."""
        return self.series.cells[self.level]

    @property
    def comparison(self) -> Comparison:
        """The level against the originals."""
        return self.series.compared[self.level]

    @cached_property
    def payers(self) -> Payers:
        """Predictions at the level beside those on the originals."""
        return payers_of(self.series, self.level)

    @property
    def is_safe(self) -> bool:
        """Whether a loss of the margin of verdicts is excluded, groups of the images being known."""
        return self.margin == MARGIN and not self.comparison.is_withheld and not self.is_at_chance

    @property
    def metric(self) -> Metric:
        """What predictions are measured by."""
        return self.base.metric

    @property
    def saved(self) -> float:
        """Share of the original bytes that is saved; negative where files grew."""
        return 1 - self.ours.byte_ratio


def answer_of(evidence: Evidence) -> Answer | None:
    """Return the answer of a data set's results; ``None`` where no level is compared with the originals."""
    compared = [series for series in evidence.series if series.original is not None and series.compared]
    if not compared:
        return None
    label = max(compared, key=lambda one: (_value(one), len(one.compared))).label
    own = [series for series in compared if series.label == label]
    for margin in MARGINS:
        found = [(series, level) for series in own for level in _excluding(series, margin)]
        if found:
            series, level = min(found, key=lambda one: one[0].cells[one[1]].bytes)
            return Answer(series, level, margin, _is_at_chance(series))
    series = own[0]
    return Answer(series, max(series.compared), None, _is_at_chance(series))


def lines(evidence: Evidence, found: Answer | None) -> list[str]:
    """Return the answer in sentences, the most important first.

    Parameters
    ----------
    evidence : Evidence
        Results of the data set.
    found : Answer, optional
        Their answer, as `answer_of` returns it.
    """
    return [*_lines(evidence, found)]


def _lines(evidence: Evidence, found: Answer | None) -> Iterator[str]:
    if found is None:
        yield "No answer yet: no level is compared with the originals."
        return
    if found.is_at_chance:
        accuracy = _accuracy(found.base).value
        yield (
            f"No answer: {found.series.label} has an accuracy of {accuracy:.3f} on originals, no better than "
            "always predicting the largest class. A model at chance can't show a loss."
        )
        return
    yield _headline(found)
    yield _cost(found)
    if found.saved <= 0:
        return
    if found.margin is None or found.margin > MARGIN:
        yield _more(found)
    yield from _others(evidence, found)
    if evidence.is_withheld:
        yield (
            "Images seem to belong together, and their groups are not named: the loss may be larger than what is "
            "said to be excluded, and no level is called safe."
        )
    elif evidence.is_withheld is None:
        yield "Whether images belong together has not been looked for: if they do, the loss may be larger."
    if found.comparison.is_one_training:
        yield (
            "The network was trained once for each level: another training may differ by a point or two; "
            "--seeds 0,1,2 tells."
        )


def _headline(found: Answer) -> str:
    sizes = f"{table.size(found.base.bytes)} to {table.size(found.ours.bytes)}"
    if found.saved <= 0:
        return f"Keep the originals: {found.place} takes more bytes than they do ({sizes})."
    if found.margin is None:
        if all(one.verdict is Verdict.INFERIOR for one in judged_levels(found.series).values()):
            lost = found.metric.amount(MARGIN)
            return f"Keep the originals: each level that was run loses more than {lost} for certain."
        largest = found.metric.amount(MARGINS[-1])
        return (
            f"No level is shown to lose less than {largest}. At {found.place}, the highest that was run, "
            f"{_percent(found.saved)} of the bytes would be saved ({sizes})."
        )
    return (
        f"At {found.place}: {_percent(found.saved)} of the bytes saved ({sizes}); "
        f"of {table.size(EXAMPLE)}, {table.size(EXAMPLE * found.saved)} less."
    )


def _cost(found: Answer) -> str:
    one = found.comparison
    groups = f" in {one.groups:,} groups" if one.group_size > 1 else ""
    excluded = found.metric.amount(one.excluded_loss, is_bound=True)
    said = "would be excluded if images were independent" if one.is_withheld else "is excluded"
    values = f"{table.capitalised(found.metric.label)} {_three(found.base)} to {_three(found.ours)}"
    rests = f"{found.series.label}, {one.trainings}, {one.images:,} images{groups}"
    return f"{values} ({rests}); a loss of more than {excluded} {said}."


def _more(found: Answer) -> str:
    """Return what would exclude a loss of the margin at the level."""
    images, more = missing(found.ours, found.base)
    ways = []
    if images:
        ways.append(f"about {_rounded(images):,} more test images")
    if more:
        seconds = [cell.measured("seconds_total") for cell in (found.base, found.ours)]
        taken = more * sum(filter(None, seconds))
        ways.append(f"{more} more seed{'s' if more > 1 else ''} (about {duration(taken)} of trials here)")
    margin = found.metric.amount(MARGIN)
    if not ways and found.comparison.gain <= -MARGIN:
        return f"More evidence would hardly exclude {margin}: the best estimate is a larger loss."
    if not ways:
        return f"To exclude {margin} takes many more seeds: these differ too much."
    return f"To exclude {margin}: {', or '.join(ways)}, if the difference stays as it is."


def _others(evidence: Evidence, found: Answer) -> Iterator[str]:
    """Yield what the other models say of the level, where there are some."""
    compared = {
        series.label: series
        for series in evidence.written_by(found.series.codec).series
        if series.label != found.series.label and found.level in series.compared
    }
    lost = [name for name, one in compared.items() if judged_levels(one)[found.level].verdict is Verdict.INFERIOR]
    excluded = [
        f"{found.metric.amount(one.compared[found.level].excluded_loss, is_bound=True)} ({name})"
        for name, one in compared.items()
        if name not in lost
    ]
    if lost:
        more = "s" if len(lost) == 1 else ""
        yield f"{', '.join(lost)} lose{more} more than {found.metric.amount(MARGIN)} at {found.place} for certain."
    if excluded:
        yield f"Other models at {found.place} exclude a loss of more than {', '.join(excluded)}."


def _excluding(series: Series, margin: float) -> list[float]:
    """Return the levels that save bytes, such that they and all higher ones exclude a loss of the margin."""
    shown = {level for level, one in series.compared.items() if one.excluded_loss < margin}
    lowest = reached(series.below, shown)
    return [level for level in series.compared if level >= lowest and series.cells[level].byte_ratio < 1]


def _is_at_chance(series: Series) -> bool:
    cell = series.cells[ORIGINAL_LEVEL]
    return _accuracy(cell).low <= cell.largest_class


def _value(series: Series) -> float:
    """Return how good a model is on originals: the higher the better."""
    cell = series.cells[ORIGINAL_LEVEL]
    return cell.metric.gain(cell.interval.value)


def _accuracy(cell: Cell) -> Interval:
    return replace(cell, metric=ACCURACY).interval


def _three(cell: Cell) -> str:
    return f"{cell.interval.value:.3f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def _rounded(count: int) -> int:
    """Return an estimate rounded up to two leading digits."""
    step = int(10 ** max(len(str(count)) - 2, 0))
    return -(-count // step) * step
