"""What the figures show, before anything draws it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from agbench.analysis import paper as published
from agbench.analysis.corrected import judged_levels
from agbench.analysis.evidence import Evidence, Series
from agbench.analysis.intervals import MARGIN, Comparison, Interval, Verdict
from agbench.core.condition import JPEG, ORIGINAL_LEVEL, PAPER_LEVEL, Preprocessing
from agbench.core.metric import ACCURACY, Metric
from agbench.reporting.tables.table import accuracy, difference, size
from agbench.studies.study import STUDIES, sections

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's, which colour-blind readers can tell apart; without black, which a dark page hides."""

SEQUENTIAL = ("#7b5cd6", "#3f7fd1", "#1f9a8a", "#5aa33a", "#b48c00")
"""Colours of an ordered set of lines, the darkest first, between which others are interpolated.

Each has a contrast of at least 3 to white and to a dark page.
"""

ORIGINAL = "#7a7a7a"
"""Colour of the original beside ordered lines, and of the paper's points; light and dark pages show it."""

DECIDED = {Verdict.NOT_INFERIOR: "#009E73", Verdict.INFERIOR: "#D55E00"}
UNDECIDED = "#7a7a7a"
"""Colours of what is decided about a level, and of what is not."""

DIFFERENCES = "difference-to-original"
LABEL_GAP = 0.045
"""Distance of labels at the ends of lines, of the axis' length."""

SHIFT = 0.006
"""Between lines at the same ticks, of the axis' length, so that their intervals do not cover each other."""

ORIGINAL_SIZE = 100.0
BY_CODEC, OF_STUDY = "-by-codec-", "-of-study-"


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Parameters
    ----------
    name : str
        For the legend.
    x, y : tuple of float
        Its points.
    low, high : tuple of float
        Ends of their 95 % intervals; empty where there are none.
    notes : tuple of str
        What else is to be said of each point; empty where nothing is.
    labels : tuple of str
        Text beside each point; empty where there is none.
    shade : float, optional
        Of a line that is one of an ordered set, its place in it, 0 to 1.
    published : bool
        Whether these are the paper's own points, to be drawn without a line.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    shade: float | None = None
    published: bool = False

    @property
    def shade_colour(self) -> str:
        """Colour of a line that is one of an ordered set."""
        if not self.shade:
            return ORIGINAL
        place = self.shade * (len(SEQUENTIAL) - 1)
        before = min(int(place), len(SEQUENTIAL) - 2)
        ends = ([int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in SEQUENTIAL[before : before + 2])
        parts = (round(low + (place - before) * (high - low)) for low, high in zip(*ends, strict=True))
        return "#" + "".join(f"{part:02x}" for part in parts)


@dataclass(frozen=True)
class Chart:
    """A chart: lines over a plane.

    Parameters
    ----------
    name : str
        Name of the figure's files.
    title, x_label, y_label : str
        With units.
    lines : tuple of Line
        Lines to draw.
    ticks : dict of float to str
        On the horizontal axis; by default they are left to whoever draws.
    above : dict of float to str
        On a second axis above.
    above_label : str
        Its label.
    falling : bool
        Whether the horizontal axis falls from left to right, so that the original is on the left.
    y_range : tuple of float
        Ends of the vertical axis.
    logarithmic : bool
        Whether the horizontal axis is.
    labelled : bool
        Whether each line is named at its end instead of in a legend.
    """

    name: str
    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    ticks: dict[float, str]
    above: dict[float, str]
    above_label: str
    falling: bool
    y_range: tuple[float, float]
    logarithmic: bool = False
    labelled: bool = False

    @property
    def x_range(self) -> tuple[float, float]:
        """Ends of the horizontal axis, from left to right."""
        places = [place for line in self.lines for place in line.x] or [0.0, 1.0]
        low, high = min(places), max(places)
        if self.logarithmic:
            ends = (low / 1.25, high * 1.25)
        else:
            edge = 0.05 * (high - low or 1.0)
            ends = (low - edge, high + edge)
        return ends[::-1] if self.falling else ends

    def shift(self, place: int) -> float:
        """Return how far a line is moved sideways, so that its intervals do not cover another's."""
        if self.logarithmic or self.labelled or not self.ticks:
            return 0.0
        left, right = self.x_range
        return (place - (len(self.lines) - 1) / 2) * SHIFT * abs(right - left)

    def label_heights(self) -> list[float]:
        """Return the height of each line's label, near the line's end, such that no label covers another."""
        low, high = self.y_range
        gap, heights, above = LABEL_GAP * (high - low), [0.0] * len(self.lines), float("inf")
        for place in sorted(range(len(self.lines)), key=lambda one: -self.lines[one].y[-1]):
            above = heights[place] = min(self.lines[place].y[-1], above - gap)
        return heights


@dataclass(frozen=True)
class Panel:
    """The differences of one model to the original, from high levels to low.

    Parameters
    ----------
    name : str
        The model's.
    ticks : tuple of str
        Level and achieved size of each point.
    values, low, high : tuple of float
        Differences with the ends of their 95 % intervals, in points of accuracy.
    verdicts : tuple of Verdict
        What is decided of each level.
    notes : tuple of str
        What else is to be said of each point.
    """

    name: str
    ticks: tuple[str, ...]
    values: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...]

    def colour(self, place: int) -> str:
        """Return the colour of a point: what is decided of it."""
        return DECIDED.get(self.verdicts[place], UNDECIDED)

    def is_decided(self, place: int) -> bool:
        """Return whether anything is decided of a point."""
        return self.verdicts[place] in DECIDED


@dataclass(frozen=True)
class Differences:
    """A chart of differences to the original, a panel a model.

    Parameters
    ----------
    name, title, y_label : str
        As of a `Chart`.
    margin : float
        The loss that counts, in points: down to it a difference is harmless.
    panels : tuple of Panel
        At least one.
    """

    name: str
    title: str
    y_label: str
    margin: float
    panels: tuple[Panel, ...]

    @property
    def y_range(self) -> tuple[float, float]:
        """Ends of the vertical axis, which all panels share."""
        low = min(-2 * self.margin, *(value for panel in self.panels for value in panel.low))
        high = max(2 * self.margin, *(value for panel in self.panels for value in panel.high))
        edge = 0.05 * (high - low)
        return low - edge, high + edge


def differences(evidence: Evidence) -> Differences | None:
    """Figure 2b: the difference to the original of each level; ``None`` where nothing is compared."""
    panels = tuple(_panel(series) for series in evidence.series if series.compared)
    if not panels:
        return None
    metric = evidence.metric
    better = "minus that of the original" if metric.is_higher_better else "below that of the original"
    return Differences(
        name=DIFFERENCES,
        title=f"{evidence.dataset}: {metric.label} {better}",
        y_label=f"difference, {metric.unit}",
        margin=_scale(metric) * MARGIN,
        panels=panels,
    )


def _scale(metric: Metric) -> float:
    return 100.0 if metric.unit == "points" else 1.0


def _panel(series: Series) -> Panel:
    judged = judged_levels(series)
    gains = [_gain(one.comparison) for one in judged.values()]
    return Panel(
        name=_named(series),
        ticks=tuple(f"{level:g}\n{series.cells[level].byte_ratio:.0%}" for level in judged),
        values=tuple(one.value for one in gains),
        low=tuple(one.low for one in gains),
        high=tuple(one.high for one in gains),
        verdicts=tuple(one.verdict for one in judged.values()),
        notes=tuple(_note(series, level) for level in judged),
    )


def _gain(one: Comparison) -> Interval:
    """Return how much better a level is than the original, in the unit of figures."""
    low, high = sorted(map(one.metric.gain, (one.difference.low, one.difference.high)))
    scale = _scale(one.metric)
    return Interval(scale * one.gain, scale * low, scale * high)


def charts(evidence: Evidence) -> list[Chart]:
    """Return the charts that the results allow."""
    found = [over_level(evidence), over_bytes(evidence)] if any(one.cells for one in evidence.jpeg.series) else []
    found += by_codec(evidence)
    found += filter(None, (over_study(evidence, name) for name in sections()))
    main = evidence.main
    if main is not None and any(record.curve for cell in main.cells.values() for record in cell.records):
        found.append(over_epochs(evidence, main))
    return found


def over_level(evidence: Evidence) -> Chart:
    """Figure 2 for every model: accuracy, or another metric, over level of JPEG."""
    all_series = [series for series in evidence.jpeg.series if series.cells]
    lines = [_line(series, {level: level for level in series.cells}) for series in all_series]
    paper = published.TABLE_3.get(evidence.dataset)
    if paper is not None and evidence.metric is ACCURACY:
        lines.append(_published(paper, (ORIGINAL_LEVEL, PAPER_LEVEL)))
    sizes = {level: cell.byte_ratio for series in all_series for level, cell in series.cells.items()}
    return Chart(
        name=f"{evidence.metric.name}-over-level",
        title=f"{evidence.dataset}: {evidence.metric.label} over level",
        x_label="level (the paper's compression ratio r)",
        y_label=_value_label(evidence.metric, all_series),
        lines=tuple(lines),
        ticks={level: f"{level:g}" for level in sorted(sizes)},
        above={level: f"{sizes[level]:.0%}" for level in sorted(sizes)},
        above_label="achieved size, of the original's bytes",
        falling=True,
        y_range=_range(lines, evidence.metric),
    )


def over_bytes(evidence: Evidence) -> Chart:
    """Figure 2 over what a level of JPEG really saves."""
    all_series = [series for series in evidence.jpeg.series if series.cells]
    lines = [_line(series, _sizes(series)) for series in all_series]
    paper = published.TABLE_3.get(evidence.dataset)
    if paper is not None and evidence.metric is ACCURACY:
        lines.append(_published(paper, (ORIGINAL_SIZE, 100 * paper.relative_size)))
    metric = evidence.metric
    title = f"{evidence.dataset}: {metric.label} over achieved size"
    return _over_sizes(f"{metric.name}-over-bytes", title, lines, metric, all_series)


def by_codec(evidence: Evidence) -> list[Chart]:
    """Return a chart for each model that was run with another codec than JPEG: a line for each of its codecs.

    Over the achieved size, as a level of one codec is not that of another.
    """
    found: list[Chart] = []
    for label in dict.fromkeys(series.label for series in evidence.series):
        all_series = [series for series in evidence.series if series.label == label and series.cells]
        compressed = [series for series in all_series if set(series.cells) != {ORIGINAL_LEVEL}]
        if any(series.codec != JPEG for series in compressed):
            title = f"{evidence.dataset}: {label} over achieved size"
            lines = [_line(series, _sizes(series), series.codec) for series in compressed]
            name = f"{evidence.metric.name}{BY_CODEC}{len(found) + 1}"
            found.append(_over_sizes(name, title, lines, evidence.metric, compressed))
    return found


def over_study(evidence: Evidence, name: str) -> Chart | None:
    """Return values over the achieved size of a study's models at its levels; ``None`` where none has two.

    Parameters
    ----------
    evidence : Evidence
        Results of a data set.
    name : str
        Name in `agbench.studies.study.STUDIES`.
    """
    study, metric = STUDIES[name], evidence.metric
    images = {treatment.train for treatment in study.treatments if treatment.test is None}
    found = []
    for series in evidence.series:
        wanted = [level for level in series.cells if Preprocessing.at(level, series.codec) in images]
        if series.model in study.all_models and len(wanted) > 1:
            found.append(replace(series, cells={level: series.cells[level] for level in wanted}))
    if not found:
        return None
    title = f"{evidence.dataset}: {metric.label} over achieved size, {study.section}"
    lines = [_line(series, _sizes(series)) for series in found]
    return _over_sizes(f"{metric.name}{OF_STUDY}{name}", title, lines, metric, found)


def _value_label(metric: Metric, all_series: Iterable[Series]) -> str:
    is_folded = any(series.is_folded for series in all_series)
    tested = "test images (networks with folds: on all, out of fold)" if is_folded else "test images"
    return f"{metric.label} on {tested}, with 95 % interval"


def _over_sizes(name: str, title: str, lines: list[Line], metric: Metric, all_series: Iterable[Series]) -> Chart:
    return Chart(
        name=name,
        title=title,
        x_label="achieved size, % of the original's bytes",
        y_label=_value_label(metric, all_series),
        lines=tuple(_labelled_once(lines)),
        ticks=_log_ticks(place for line in lines for place in line.x),
        above={},
        above_label="",
        falling=True,
        y_range=_range(lines, metric),
        logarithmic=True,
    )


def _labelled_once(lines: list[Line]) -> Iterator[Line]:
    """Yield lines of which the highest alone has a label where several have the same one at the same place."""
    points = [(x, label, y) for line in lines for x, y, label in zip(line.x, line.y, line.labels, strict=False)]
    highest = {(x, label): y for x, label, y in sorted(points)}
    for line in lines:
        own = zip(line.x, line.y, line.labels, strict=False)
        yield replace(line, labels=tuple(label if highest[x, label] == y else "" for x, y, label in own))


def _log_ticks(places: Iterable[float]) -> dict[float, str]:
    """Return 1, 2 and 5 times powers of ten that lie among places, with their texts."""
    found = sorted(places)
    steps = [step * 10.0**power for power in range(-2, 4) for step in (1, 2, 5)]
    return {step: f"{step:g}" for step in steps if found and found[0] / 1.25 <= step <= 1.25 * found[-1]}


def over_epochs(evidence: Evidence, series: Series) -> Chart:
    """Figure 3: validation accuracy per epoch, a line a level."""
    lines = []
    levels = sorted(series.cells, reverse=True)
    for place, level in enumerate(levels):
        curves = [record.curve for record in series.cells[level].records if record.curve]
        # Where the number of epochs was left to AutoGluon, means end with the shortest curve.
        means = tuple(sum(values) / len(values) for values in zip(*curves, strict=False))
        name = "original" if level == ORIGINAL_LEVEL else f"level {level:g}"
        epochs = tuple(float(epoch) for epoch in range(1, len(means) + 1))
        lines.append(Line(name, epochs, means, shade=place / max(len(levels) - 1, 1)))
    longest = max((len(line.x) for line in lines), default=0)
    return Chart(
        name="accuracy-per-epoch",
        title=f"{evidence.dataset}: {series.name} per epoch",
        x_label="epoch",
        y_label=f"accuracy on validation images, mean over seeds{' and folds' if series.budget.folds else ''}",
        lines=tuple(lines),
        ticks={float(epoch): str(epoch) for epoch in range(1, longest + 1)} if longest <= 30 else {},
        above={},
        above_label="",
        falling=False,
        y_range=_range(lines, ACCURACY),
        labelled=True,
    )


def _range(lines: list[Line], metric: Metric) -> tuple[float, float]:
    """Return a range that holds all points and intervals: up to 1, or from 0 where lower is better."""
    if not metric.is_higher_better:
        return 0.0, 1.02 * max(value for line in lines for value in (*line.y, *line.high))
    lowest = min((value for line in lines for value in (*line.y, *line.low)), default=0.0)
    return max(min(math.floor(10 * lowest) / 10, 0.8), 0.0), 1.02


def _published(paper: published.Storage, places: tuple[float, float]) -> Line:
    points = (paper.original_accuracy, paper.compressed_accuracy)
    return Line("the paper's EfficientNet-B0", places, points, published=True)


def _sizes(series: Series) -> dict[float, float]:
    """Return the achieved size of each level, in percent of the original's bytes."""
    return {level: 100 * cell.byte_ratio for level, cell in series.cells.items()}


def _line(series: Series, places: dict[float, float], name: str | None = None) -> Line:
    levels = sorted(series.cells, reverse=True)
    intervals = [series.cells[level].interval for level in levels]
    return Line(
        name=_named(series, name),
        x=tuple(places[level] for level in levels),
        y=tuple(interval.value for interval in intervals),
        low=tuple(interval.low for interval in intervals),
        high=tuple(interval.high for interval in intervals),
        notes=tuple(_note(series, level) for level in levels),
        labels=tuple(f"{level:g}" for level in levels),
    )


def _named(series: Series, name: str | None = None) -> str:
    return (name or series.name) + (", one training" if series.is_one_training else "")


def _sized(series: Series, level: float) -> str:
    cell = series.cells[level]
    return f"{size(cell.bytes)} ({cell.byte_ratio:.1%} of the bytes)"


def _note(series: Series, level: float) -> str:
    """Return what is to be said of a point: bytes, value, difference, verdict and runs."""
    cell = series.cells[level]
    lines = [f"level {level:g}, {_sized(series, level)}", f"{cell.metric.label} {accuracy(cell.interval)}"]
    if level in series.compared:
        lines += [f"difference {difference(series.compared[level].difference)}", str(judged_levels(series)[level])]
    runs = [record.run_id[:8] for record in cell.records]
    return "\n".join([*lines, f"run {', '.join(runs)}"])
