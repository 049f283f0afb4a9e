"""The index of all reports: one row a data set, as the paper's tables have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from agbench.analysis.cell import paired
from agbench.analysis.evidence import Evidence
from agbench.analysis.intervals import THIS_TRAINING, Verdict, in_points
from agbench.core.condition import PAPER_LEVEL
from agbench.reporting.answer import Answer
from agbench.reporting.figures.charts import Chart, Line
from agbench.reporting.pages import html_page
from agbench.reporting.tables import table
from agbench.reporting.tables.claims import findings
from agbench.reporting.tables.table import Column, Table

FILE, FIGURE = "README.md", "differences"


def index(
    evidences: Sequence[Evidence], answers: Mapping[str, Answer | None], pages: Mapping[str, str], figure: str
) -> str:
    """Return the index in Markdown.

    Parameters
    ----------
    evidences : sequence of Evidence
        Evidence of each data set that has results.
    answers : mapping of str to Answer
        The answer of each data set's report, as far as there is one.
    pages : mapping of str to str
        The address of each data set's report, as far as there is one.
    figure : str
        Name of the figure of differences, without its suffix; empty where there is none.

    Returns
    -------
    str
    """
    return (
        html_page.templates()
        .get_template("index.md.j2")
        .render(
            datasets=[(table.escape_markdown(one.dataset), pages.get(one.dataset)) for one in evidences],
            answers=answers_table(answers).markdown(),
            figure=figure,
            overview=overview_table(evidences).markdown(),
            verdicts=verdicts_table(evidences).markdown(),
        )
    )


def answers_table(answers: Mapping[str, Answer | None]) -> Table:
    """Return the answer to each data set: level, saving, accuracies and the excluded loss."""
    rows: list[tuple[Any, ...]] = []
    for dataset, found in answers.items():
        if found is None or not found.is_shown:
            why = "no level is compared" if found is None else "none is shown to be harmless"
            if found is not None and found.is_at_chance:
                why = "the model is at chance"
            rows.append((dataset, why, *[""] * 5))
            continue
        one, name = found.comparison, found.series.label
        excluded = str(Verdict.WITHHELD) if one.is_withheld else one.excluded_loss
        accuracies = (found.base.interval.value, found.ours.interval.value)
        model = f"{name}, {THIS_TRAINING}" if one.is_one_training else name
        rows.append((dataset, found.place, found.saved, model, *accuracies, excluded))
    columns = (
        Column("data set"),
        Column("level"),
        Column("bytes saved", table.share),
        Column("model"),
        Column("accuracy, original", table.number(3)),
        Column("accuracy", table.number(3)),
        Column("largest loss not excluded", partial(in_points, is_bound=True)),
    )
    return Table("answers", columns, tuple(rows))


def differences_table(answers: Mapping[str, Answer | None]) -> Table:
    """Return the difference to the original at each level, a column a data set, of the model that answers."""
    found = {dataset: one for dataset, one in answers.items() if one is not None and not one.is_at_chance}
    levels = sorted({level for one in found.values() for level in one.series.compared}, reverse=True)
    rows = []
    for level in levels:
        compared = [one.series.compared.get(level) for one in found.values()]
        rows.append((level, *(None if one is None else one.difference for one in compared)))
    columns = (Column("level", table.level), *(Column(dataset, table.points) for dataset in found))
    return Table("differences", columns, tuple(rows))


def differences_chart(answers: Mapping[str, Answer | None]) -> Chart | None:
    """Return the difference to the original over the level, a line a data set; ``None`` where none is compared."""
    lines = []
    for dataset, found in answers.items():
        if found is not None and not found.is_at_chance:
            compared = found.series.compared
            differences = [one.difference for one in compared.values()]
            lines.append(
                Line(
                    name=dataset,
                    x=tuple(compared),
                    y=tuple(100 * one.value for one in differences),
                    low=tuple(100 * one.low for one in differences),
                    high=tuple(100 * one.high for one in differences),
                )
            )
    if not lines:
        return None
    ends = [value for line in lines for value in (*line.low, *line.high)]
    return Chart(
        name=FIGURE,
        title="Accuracy minus that of the original",
        x_label="level",
        y_label="difference, points",
        lines=tuple(lines),
        ticks={level: f"{level:g}" for line in lines for level in line.x},
        above={},
        above_label="",
        falling=True,
        y_range=(min(ends) - 1, max(ends) + 1),
    )


def overview_table(evidences: Sequence[Evidence]) -> Table:
    """Return sizes, accuracies and tolerance of the deep model, a row a data set."""
    rows = []
    for evidence in evidences:
        main = evidence.main
        original = None if main is None else main.original
        compressed = None if main is None else main.cells.get(PAPER_LEVEL)
        compared = paired(compressed, original)
        tolerance = None if main is None else main.tolerance
        rows.append(
            (
                evidence.dataset,
                *map(evidence.count, _COUNTS),
                None if original is None else original.bytes,
                None if compressed is None else compressed.byte_ratio,
                None if main is None else main.name,
                None if original is None else original.interval,
                None if compressed is None else compressed.interval,
                None if compared is None else compared.difference,
                None if tolerance is None else tolerance.level,
                len(evidence.failures),
            )
        )
    columns = (
        Column("data set"),
        *map(Column, _COUNTS),
        Column("original size", table.size),
        Column(f"relative size at {PAPER_LEVEL:g}", table.share),
        Column("deep model"),
        Column("accuracy, original", table.accuracy),
        Column(f"accuracy at {PAPER_LEVEL:g}", table.accuracy),
        Column("difference", table.difference),
        Column("tolerance", table.level),
        Column("trials without a result"),
    )
    return Table("overview", columns, tuple(rows))


def verdicts_table(evidences: Sequence[Evidence]) -> Table:
    """Return the verdict on each claim, a column a data set."""
    found = [findings(evidence) for evidence in evidences]
    rows = tuple(
        (pairs[0][0].words, pairs[0][0].section, *(str(finding) for _, finding in pairs))
        for pairs in zip(*found, strict=True)
    )
    columns = (Column("claim"), Column("paper"), *(Column(one.dataset) for one in evidences))
    return Table("verdicts", columns, rows)


_COUNTS = ("classes", "train", "test", "validation", "quarantined")
