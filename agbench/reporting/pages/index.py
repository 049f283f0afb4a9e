"""The index of all reports: one row a data set, as the paper's tables have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agbench.analysis.cell import paired
from agbench.analysis.evidence import Evidence
from agbench.core.condition import PAPER_LEVEL
from agbench.reporting.pages import html_page
from agbench.reporting.tables import table
from agbench.reporting.tables.claims import findings
from agbench.reporting.tables.table import Column, Table

FILE = "README.md"


def index(evidences: Sequence[Evidence], pages: Mapping[str, str]) -> str:
    """Return the index in Markdown.

    Parameters
    ----------
    evidences : sequence of Evidence
        Evidence of each data set that has results.
    pages : mapping of str to str
        The address of each data set's report, as far as there is one.

    Returns
    -------
    str
    """
    return (
        html_page.templates()
        .get_template("index.md.j2")
        .render(
            datasets=[(table.escape_markdown(one.dataset), pages.get(one.dataset)) for one in evidences],
            overview=overview_table(evidences).markdown(),
            verdicts=verdicts_table(evidences).markdown(),
        )
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
