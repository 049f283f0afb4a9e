"""The answer of a recommendation, as text for a terminal, as a page with its figure, and in a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from shlex import quote

from agbench.analysis import intervals
from agbench.analysis.intervals import Comparison, in_points
from agbench.analysis.outlook import fewest_images
from agbench.core import files
from agbench.core.errors import UserError
from agbench.core.metric import ACCURACY
from agbench.recommendation.question import LevelTest, Question
from agbench.reporting.figures.charts import Chart, Line
from agbench.reporting.pages import markdown
from agbench.reporting.tables import table
from agbench.reporting.tables.table import Column, Table

ANSWER_PAGE, CURVE_FIGURE = "recommendation.md", "recommendation"
AXIS_WIDTH = 41
"""Width of the curve in a terminal, in characters."""


@dataclass(frozen=True)
class Recommendation:
    """What was found: the smallest safe level, and the tests that it rests on.

    Parameters
    ----------
    dataset : str
        Name of the data set.
    question : Question
        What was asked.
    tests : tuple of LevelTest
        Levels that were compared with the original, in the order of testing.
    chosen : LevelTest, optional
        The safe level with the fewest bytes; ``None`` where no level was shown to be safe.
    next : LevelTest, optional
        The highest level of the same codec that was tested and not shown to be safe.
    confirmed : LevelTest, optional
        The chosen level by the deep model, on test images.
    is_complete : bool
        Whether all tests were run; false where the time ran out.
    is_at_chance : bool
        Whether the model is at chance on the originals, so that no loss could be detected.
    reports : Path, optional
        The workspace's ``reports`` folder, where `write` puts the page.
    withheld : LevelTest, optional
        The level that would be chosen if the images were independent, where they seem to be related.
    groups : str
        What is known of groups of the images, in a line; empty where there is nothing to say.
    originals : str
        Formats of the original files, in words; empty where they are not known.
    folder : str
        Folder of the images, or the word for it where they are in none.
    """

    dataset: str
    question: Question
    tests: tuple[LevelTest, ...]
    chosen: LevelTest | None
    next: LevelTest | None
    confirmed: LevelTest | None = None
    is_complete: bool = True
    is_at_chance: bool = False
    reports: Path | None = None
    withheld: LevelTest | None = None
    groups: str = ""
    originals: str = ""
    folder: str = "FOLDER"

    @property
    def is_contradicted(self) -> bool:
        """Whether the deep model is shown to lose more than the margin at the chosen level."""
        return self.confirmed is not None and self.confirmed.is_harmful

    def text(self) -> str:
        """Return what ``agbench recommend`` prints: the answer, its evidence and the curve, as lines."""
        return "\n".join([*_lines(self), *_curve(self)])

    def write(self, reports: str | Path | None = None, command: str = "") -> Path:
        """Write the answer's page and figure.

        Parameters
        ----------
        reports : str or Path, optional
            Folder of reports; the page goes into ``<dataset>/`` there. By default that of the workspace.
        command : str
            Command line that gives the same answer again; left out where it is empty.

        Returns
        -------
        Path
            Path of the page, ``recommendation.md``.

        Raises
        ------
        UserError
            If it is not known where reports are, or the page can't be written.
        """
        # matplotlib takes a second to import.
        from agbench.reporting.figures import static

        folder = Path(reports) if reports is not None else self.reports
        if folder is None:
            raise UserError("no folder to write to: give the folder of reports")
        folder = folder / self.dataset
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if self.tests:
                static.draw(_chart(self), folder)
            files.write(folder / ANSWER_PAGE, self._page(command))
        except OSError as error:
            raise UserError(f"{folder} can't be written: {error.strerror or error}") from error
        return folder / ANSWER_PAGE

    def _page(self, command: str) -> str:
        return markdown.render(
            f"{ANSWER_PAGE}.j2",
            dataset=self.dataset,
            lines=list(_lines(self)),
            table=_tests_table(self).markdown() if self.tests else "",
            tests=self.question.tests,
            confidence=_percent(1 - 2 * self.question.one_sided),
            curve=f"{CURVE_FIGURE}.png" if self.tests else "",
            command=command,
        )

    def _repr_html_(self) -> str:
        """Return the answer for a notebook: its lines, and a table of the levels that were tested."""
        paragraphs = "".join(f"<p>{escape(line.strip())}</p>" for line in _lines(self))
        return paragraphs + (_tests_table(self).html() if self.tests else "")


def _lines(answer: Recommendation) -> Iterator[str]:
    """Yield the answer and its evidence, line by line."""
    asked = answer.question
    margin = f"{asked.metric.amount(asked.margin)} of {asked.metric.label}"
    if not answer.is_complete:
        yield _so_far(answer)
    if answer.tests:
        rests = answer.tests[0].comparison
        side = answer.tests[0].image_size
        seen = "" if side is None else f" from {side}x{side} pixels"
        groups = f" in {rests.groups:,} groups" if rests.group_size > 1 else ""
        yield (
            f"{answer.dataset}: {rests.images:,} images{groups}, each predicted out of fold by {asked.model}{seen}"
            f", {rests.trainings}; intervals of {_percent(1 - 2 * asked.one_sided)}"
        )
    chosen = answer.chosen
    if answer.is_at_chance:
        yield (
            f"No answer: at the original the accuracy is {table.accuracy(answer.tests[0].accuracy)}, no better "
            "than always predicting the largest class. A model at chance can't show a loss; try another --model"
        )
        return
    if chosen is not None and answer.is_contradicted:
        yield (
            f"No safe level: {chosen.preprocessing} loses less than {margin} with {asked.model}, but "
            f"more with {asked.confirm}; a smaller --margin may give a level that is safe with both."
        )
        yield f"  {_measured(chosen)}"
    elif answer.withheld is not None:
        one = answer.withheld
        yield (
            f"Withheld: if its images were independent, {one.preprocessing} would lose less than {margin}, and "
            f"save {one.saved:.1%} of the bytes{_of(answer)}."
        )
        yield f"  {_measured(one)}"
        yield f"  {answer.groups}"
    elif chosen is not None:
        yield (
            f"Safe: {chosen.preprocessing} loses less than {margin}, and saves {chosen.saved:.1%} of the bytes "
            f"({table.size(chosen.bytes_original)} to {table.size(chosen.bytes)}, measured){_of(answer)}."
        )
        yield f"  {_measured(chosen)}"
        wanted = f"--codec {chosen.preprocessing.codec} --level {chosen.preprocessing.level:g}"
        yield (
            f"  agbench compress {quote(answer.folder)} {wanted} --out DIR writes such a copy; files that would "
            "grow are copied as they are, and metadata is kept"
        )
    elif any(test.is_passed for test in answer.tests):
        yield "No safe level saves bytes: keep the originals."
    elif answer.is_complete:
        yield f"No level is shown to lose less than {margin}: keep the originals, or accept a larger --margin."
    if answer.next is not None:
        yield f"{answer.next.preprocessing}: {_why_not(answer.next)}"
        yield f"  {_measured(answer.next)}"
    if answer.tests and chosen is None and answer.withheld is None and asked.metric is ACCURACY:
        fewest = fewest_images(asked.margin, asked.one_sided, answer.tests[0].comparison.group_size)
        if answer.tests[0].comparison.images < fewest:
            shown = in_points(asked.margin)
            alike = "" if answer.tests[0].comparison.group_size == 1 else " in groups like these"
            yield f"To show a margin of {shown} takes at least {fewest:,} images{alike}; this data set has fewer."
    if answer.groups and answer.withheld is None:
        yield answer.groups[0].upper() + answer.groups[1:]
    if answer.confirmed is not None:
        one = answer.confirmed
        verdict = "contradicted" if one.is_harmful else f"open: {_why_not(one)}"
        if one.is_passed:
            verdict = "confirmed" if one.is_safe else "withheld"
        if one.comparison.seeds == 1:
            verdict += f" ({intervals.THIS_TRAINING})"
        yield f"{asked.confirm}, fine-tuned, on {one.comparison.images:,} test images: {verdict}"
        yield f"  {_measured(one)}"


def _so_far(answer: Recommendation) -> str:
    """Return what is known where the budget of time ended before all was tested."""
    known = "no level is shown to be safe yet"
    if answer.chosen is not None:
        known = f"{answer.chosen.preprocessing} is safe so far"
        if answer.question.confirm is not None:
            known += f", and not confirmed by {answer.question.confirm}"
    elif answer.withheld is not None:
        known = f"{answer.withheld.preprocessing} would be safe so far, if images were independent"
    tested = f"{len(answer.tests)} of at most {answer.question.tests} levels"
    return f"The budget of time ended after {tested}: {known}; the same command goes on"


def _of(answer: Recommendation) -> str:
    return f" of {answer.originals}" if answer.originals else ""


def _curve(answer: Recommendation) -> Iterator[str]:
    """Yield a drawing of the differences with their intervals for a terminal, one line a level."""
    tests = _by_bytes(answer)
    if not tests or answer.is_at_chance:
        return
    metric = answer.question.metric
    margin = metric.gain(-answer.question.margin)
    low = min(2 * margin, -margin, *(test.comparison.difference.low for test in tests))
    high = max(2 * margin, -margin, *(test.comparison.difference.high for test in tests))

    def place(value: float) -> int:
        return round((value - low) / (high - low) * (AXIS_WIDTH - 1))

    names = [str(test.preprocessing) for test in tests]
    widest = max(map(len, names))
    for name, test in zip(names, tests, strict=True):
        letters = [" "] * AXIS_WIDTH
        found = test.comparison.difference
        letters[place(found.low) : place(found.high) + 1] = "-" * (place(found.high) - place(found.low) + 1)
        letters[place(margin)], letters[place(0)] = "|", ":"
        letters[place(found.value)] = "o"
        yield f"{name.ljust(widest)} {1 - test.saved:7.1%} {''.join(letters)} {test.verdict}"
    yield (
        f"{'':{widest}} {'bytes':>7} difference of {metric.label}, {metric.amount(low)} to {metric.amount(high)}; "
        f"|: the margin, ':': none"
    )


def _chart(answer: Recommendation) -> Chart:
    """Return the figure: the difference to the original over the achieved size."""
    tests = _by_bytes(answer)
    drawn = []
    for codec in dict.fromkeys(test.preprocessing.codec for test in tests):
        own = [test for test in tests if test.preprocessing.codec == codec]
        differences = [test.comparison.difference for test in own]
        drawn.append(
            Line(
                name=codec or "original",
                x=(100.0, *(100 * (1 - test.saved) for test in own)),
                y=(0.0, *(one.value for one in differences)),
                low=(0.0, *(one.low for one in differences)),
                high=(0.0, *(one.high for one in differences)),
            )
        )
    metric = answer.question.metric
    margin, ends = metric.gain(-answer.question.margin), (0.0, max(100.0, *(x for line in drawn for x in line.x)))
    drawn.append(Line("the margin", ends, (margin, margin), (margin, margin), (margin, margin)))
    values = [value for line in drawn for value in (*line.low, *line.high)]
    return Chart(
        name=CURVE_FIGURE,
        title=f"{answer.dataset}: {metric.label} minus that of the original",
        x_label="achieved size, % of the original's bytes (100: the original)",
        y_label=f"difference, with {_percent(1 - 2 * answer.question.one_sided)} interval",
        lines=tuple(drawn),
        ticks={},
        above={},
        above_label="",
        falling=True,
        y_range=(min(values) - 0.01, max(values) + 0.01),
    )


def _tests_table(answer: Recommendation) -> Table:
    """Return the levels that were tested, one row each, from many bytes to few."""
    label = answer.question.metric.label
    rows = tuple(
        (
            str(test.preprocessing),
            test.bytes,
            1 - test.saved,
            test.base,
            test.ours,
            test.comparison.difference,
            "not decided: the model is at chance" if answer.is_at_chance else test.verdict,
        )
        for test in _by_bytes(answer)
    )
    columns = (
        Column("images"),
        Column("bytes", table.size),
        Column("of original", table.share),
        Column(f"{label}, original", table.accuracy),
        Column(label, table.accuracy),
        Column("difference", table.difference),
        Column("verdict"),
    )
    return Table("recommendation", columns, rows)


def _by_bytes(answer: Recommendation) -> list[LevelTest]:
    return sorted(answer.tests, key=lambda test: test.bytes, reverse=True)


def _measured(test: LevelTest) -> str:
    found, metric = test.comparison.difference, test.comparison.metric
    excluded = "would be excluded" if test.comparison.is_withheld else "is excluded"
    value, low, high = (metric.amount(one, "+") for one in (found.value, found.low, found.high))
    return (
        f"{metric.label} {test.base.value:.4f} at the original, {test.ours.value:.4f} there: "
        f"{value} ({low} to {high}); "
        f"a loss of more than {metric.amount(test.comparison.excluded_loss, is_bound=True)} {excluded}"
    )


def _why_not(test: LevelTest) -> str:
    if test.is_harmful:
        return "shown to lose more"
    return f"not decided{what_would_decide(test.comparison, test.more_images, test.more_seeds)}"


def what_would_decide(comparison: Comparison, more_images: int | None, more_seeds: int | None) -> str:
    """Return what would decide a comparison that is not decided, as the end of a sentence.

    Parameters
    ----------
    comparison : Comparison
        The comparison, without a decision.
    more_images, more_seeds : int, optional
        As `agbench.analysis.intervals.missing` returns them.
    """
    ways = []
    if more_images:
        ways.append(f"about {table.estimated(more_images)} more images")
    if more_seeds:
        ways.append(f"{more_seeds} more seed{'s' if more_seeds > 1 else ''}")
    if not ways and comparison.gain > -comparison.margin:
        return "; the seeds differ too much for so few of them: use one seed, or many more"
    if not ways:
        return "; the best estimate is a loss of the margin or more, so more images would hardly help"
    said = " (or ".join(ways) + (")" if len(ways) > 1 else "")
    return f": {said} would, if the difference stays as it is"


def _percent(share: float) -> str:
    return f"{100 * share:.2f}".rstrip("0").rstrip(".") + " %"
