"""The answer of a report: what is saved, what it costs at worst, and what to do next."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile

from agbench.analysis.cell import Cell, missing, paired
from agbench.analysis.corrected import judged_levels
from agbench.analysis.evidence import Evidence, Series
from agbench.analysis.intervals import MARGIN, MARGINS, ONE_SIDED, THIS_TRAINING, Comparison, Verdict
from agbench.core.condition import JPEG, ORIGINAL_LEVEL
from agbench.core.metric import ACCURACY, METRICS, Metric
from agbench.core.progress import duration
from agbench.reporting import commands
from agbench.reporting.tables import table
from agbench.reporting.tables.per_class import Payers, payers_of

EXAMPLE = 10e12
"""Bytes of an archive of which a report says how much of it would be saved."""

MOST_OTHERS = 3
"""Other models of which is said what they exclude."""


@dataclass(frozen=True)
class Answer:
    """The level that a data set's report answers with, by its best model.

    Parameters
    ----------
    series : Series
        The model, with the codec of the level.
    level : float
        The level with the fewest bytes among those at which the smallest of `MARGINS` is excluded that is excluded
        at any; where none is, the highest level that saves bytes, or the highest one.
    margin : float, optional
        That margin; ``None`` where none is excluded.
    comparison : Comparison
        The level against the originals, its interval corrected for the number of codecs.
    is_harmful : bool
        Whether each level that saves bytes is shown to lose more than a point, or what a margin of 0.01 is.
    is_at_chance : bool
        Whether the model is not shown to be better on originals than always predicting the largest class.
    """

    series: Series
    level: float
    margin: float | None
    comparison: Comparison
    is_harmful: bool
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

    @cached_property
    def payers(self) -> Payers:
        """Predictions at the level beside those on the originals."""
        return payers_of(self.series, self.level)

    @property
    def is_shown(self) -> bool:
        """Whether some margin is excluded at the level, and the model can show a loss."""
        return self.margin is not None and not self.is_at_chance

    @property
    def is_safe(self) -> bool:
        """Whether the verdict on the level is that it is not inferior, for the model and not for one training."""
        verdict = judged_levels(self.series)[self.level].verdict
        return self.is_shown and verdict is Verdict.NOT_INFERIOR and not self.comparison.is_one_training

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
    # Of one model, the settings with most evidence: others are on fewer images, or of fewer trainings.
    by_model = {one.model: one for one in sorted(compared, key=_amount_of_evidence)}
    label = max(by_model.values(), key=lambda one: (_value(one), len(one.compared))).label
    own = [series for series in compared if series.label == label]
    tested = [(series, _compared(series, ONE_SIDED / len(own))) for series in own]
    is_at_chance = _is_at_chance(own[0].cells[ORIGINAL_LEVEL])
    verdicts = [judged_levels(series)[level].verdict for series, levels in tested for level in levels]
    is_harmful = bool(verdicts) and all(verdict is Verdict.INFERIOR for verdict in verdicts)
    for margin in MARGINS:
        passed = [
            (series, level, levels[level]) for series, levels in tested for level in _excluding(levels, margin)
        ]
        if passed:
            series, level, one = min(passed, key=lambda found: found[0].cells[found[1]].bytes)
            return Answer(series, level, margin, one, is_harmful, is_at_chance)
    highest = [(series, max(levels), levels[max(levels)]) for series, levels in tested if levels]
    if not highest:  # none saves bytes
        level = max(own[0].compared)
        highest = [(own[0], level, own[0].compared[level])]
    series, level, one = min(highest, key=lambda found: found[2].excluded_loss)
    return Answer(series, level, None, one, is_harmful, is_at_chance)


def _amount_of_evidence(series: Series) -> tuple[int, int]:
    """Return how many trainings a model's comparisons rest on, and how many images."""
    return max((one.seeds * one.folds, one.images) for one in series.compared.values())


def _compared(series: Series, one_sided: float) -> dict[float, Comparison]:
    """Return the comparisons of the levels that save bytes, from high to low, at a level of significance."""
    base = series.cells[ORIGINAL_LEVEL]
    saving = [level for level in series.compared if series.cells[level].byte_ratio < 1]
    found = {level: paired(series.cells[level], base, one_sided=one_sided) for level in saving}
    return {level: one for level, one in found.items() if one is not None}


def _excluding(compared: dict[float, Comparison], margin: float) -> list[float]:
    """Return the levels such that they and all higher ones with a result exclude a loss of the margin."""
    return [*takewhile(lambda level: compared[level].excluded_loss < margin, compared)]


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
        accuracy = replace(found.base, metric=ACCURACY).interval.value
        yield (
            f"No answer: {found.series.label} has an accuracy of {accuracy:.3f} on originals, which is not shown "
            "to be better than always predicting the largest class. A model at chance can't show a loss."
        )
        return
    yield _headline(found)
    yield _cost(found)
    if found.saved <= 0:
        return
    if found.margin is None or found.margin > MARGIN:
        yield _more(found)
    elif judged_levels(found.series)[found.level].verdict is Verdict.NOT_DECIDED:
        yield 'Levels are tested downwards here; in the table, corrected for all, this one is "not decided".'
    if lacking := [f"{level:g}" for level in sorted(found.series.below) if level not in found.series.compared]:
        yield f"Without a result: level {', '.join(lacking)}."
    yield from _others(evidence, found)
    if evidence.is_withheld:
        yield (
            "Images seem to belong together, and their groups are not named: the loss may be larger, and no level "
            "is called safe."
        )
    elif evidence.is_withheld is None:
        yield "Whether images belong together has not been looked for: if they do, the loss may be larger."
    if found.comparison.is_one_training:
        yield "The network was trained once for each level: another training may say otherwise."
    yield from _next(evidence, found)


def _headline(found: Answer) -> str:
    sizes = f"{table.size(found.base.bytes)} to {table.size(found.ours.bytes)}"
    if found.saved <= 0:
        return f"Keep the originals: no level that was run takes fewer bytes ({found.place}: {sizes})."
    if found.is_harmful:
        lost = found.metric.amount(MARGIN)
        return f"Keep the originals: each level that was run loses more than {lost}{_certainly(found.comparison)}."
    if found.margin is None:
        largest = found.metric.amount(MARGINS[-1])
        saved = f"{_percent(found.saved)} of the bytes would be saved ({sizes})"
        return f"No level is shown to lose less than {largest}. At {found.place}, {saved}."
    return (
        f"At {found.place}: {_percent(found.saved)} of the bytes saved ({sizes}); "
        f"of {table.size(EXAMPLE)}, {table.size(EXAMPLE * found.saved)} less."
    )


def _certainly(one: Comparison) -> str:
    return f", in {THIS_TRAINING}" if one.is_one_training else " for certain"


def _cost(found: Answer) -> str:
    one = found.comparison
    groups = f" in {one.groups:,} groups" if one.group_size > 1 else ""
    excluded = found.metric.amount(one.excluded_loss, is_bound=True)
    values = f"{table.capitalised(found.metric.label)} {_three(found.base)} to {_three(found.ours)}"
    rests = f"{found.series.label}, {one.trainings}, {one.images:,} images{groups}"
    return f"{values} ({rests}); a loss of more than {excluded} {_excluded(one)}."


def _excluded(one: Comparison) -> str:
    """Return how a loss is excluded, with the reservations."""
    said = "would be excluded if images were independent" if one.is_withheld else "is excluded"
    return f"{said} for {THIS_TRAINING}" if one.is_one_training else said


def _more(found: Answer) -> str:
    """Return what would exclude a loss of the margin at the level."""
    images, more = missing(found.ours, found.base)
    ways = []
    if images:
        tested = "images" if found.comparison.folds > 1 else "test images"
        ways.append(f"about {table.estimated(images)} more {tested}")
    if more:
        seconds = [cell.measured("seconds_total") for cell in (found.base, found.ours)]
        taken = more * sum(filter(None, seconds))
        ways.append(f"{more} more seed{'s' if more > 1 else ''} (about {duration(taken)} of trials here)")
    margin = found.metric.amount(MARGIN)
    if not ways and found.comparison.gain <= -MARGIN:
        return f"More evidence would hardly exclude {margin}: the best estimate is a larger loss."
    if not ways:
        return f"To exclude {margin} takes both more images and more trainings."
    return f"To exclude {margin}: {', or '.join(ways)}, if the difference stays as it is."


def _next(evidence: Evidence, found: Answer) -> Iterator[str]:
    """Yield the command to run next, where there is one that decides more, or does what is decided."""
    if evidence.is_withheld is not False:
        named = " --group-by PATTERN names the groups." if evidence.is_withheld else " looks for such images."
        yield f"Next: agbench prepare --dataset {evidence.dataset}{named}"
    elif found.comparison.gain <= -MARGIN and (
        higher := commands.for_higher_levels(evidence, found.series, found.level)
    ):
        yield f"Next, as higher levels may cost less: {higher}"
    elif found.comparison.is_one_training:
        yield f"Next: {commands.for_seeds(evidence, found.series, (ORIGINAL_LEVEL, found.level))}"
    elif found.margin is not None and found.margin <= MARGIN:
        codec = "" if found.series.codec == JPEG else f"--codec {found.series.codec} "
        yield f"Next: agbench compress FOLDER {codec}--level {found.level:g} --out DIR writes such a copy."


def _others(evidence: Evidence, found: Answer) -> Iterator[str]:
    """Yield what the other models say of the level, where there are some."""
    judged = {
        series.label: judged_levels(series)[found.level]
        for series in evidence.written_by(found.series.codec).series
        if series.label != found.series.label and found.level in series.compared
    }
    lost = [name for name, one in judged.items() if one.verdict is Verdict.INFERIOR]
    if lost:
        some = f"{len(lost)} other models lose" if len(lost) > MOST_OTHERS else _listed(lost)
        certainly = _certainly(judged[lost[0]].comparison)
        yield f"{some} more than {found.metric.amount(MARGIN)} at {found.place}{certainly}."
    others = {name: one.comparison for name, one in judged.items() if name not in lost}
    worst = sorted(others, key=lambda name: -others[name].excluded_loss)
    if worst:
        amounts = [found.metric.amount(others[name].excluded_loss, is_bound=True) for name in worst]
        said = [f"{amount} ({name})" for amount, name in zip(amounts[:MOST_OTHERS], worst, strict=False)]
        rest = f", and {len(worst) - MOST_OTHERS} others less" if len(worst) > MOST_OTHERS else ""
        unless = ", if images were independent" if found.comparison.is_withheld else ""
        yield f"Other models at {found.place} exclude a loss of more than {', '.join(said)}{rest}{unless}."


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names)} lose{'s' if len(names) == 1 else ''}"


def _is_at_chance(cell: Cell) -> bool:
    """Return whether a model is not shown to be better than always predicting the largest class."""
    if replace(cell, metric=ACCURACY).interval.low > cell.largest_class:
        return False
    # Where classes are unbalanced, accuracy tells little: then it has to be better for each class on average.
    balanced = METRICS["balanced_accuracy"]
    has_score = all(balanced.name in record.scores for record in cell.records)
    return not has_score or replace(cell, metric=balanced).interval.low <= 1 / cell.classes


def _value(series: Series) -> float:
    """Return how good a model is on originals: the higher the better."""
    cell = series.cells[ORIGINAL_LEVEL]
    return cell.metric.gain(cell.interval.value)


def _three(cell: Cell) -> str:
    return f"{cell.interval.value:.3f}"


def _percent(share: float) -> str:
    """Return a share that is saved, rounded down: not all bytes are."""
    return f"{math.floor(1000 * share + 1e-9) / 10:.1f}".removesuffix(".0") + " %"
