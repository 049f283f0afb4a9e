"""A report: pages, figures and tables, from stored results alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from html import escape
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from agbench.analysis import paper
from agbench.analysis.evidence import Evidence
from agbench.analysis.gather import gather
from agbench.core import files
from agbench.core.condition import JPEG
from agbench.core.errors import UserError, look_up
from agbench.core.metric import ACCURACY, Metric
from agbench.core.workspace import Workspace
from agbench.data import originals
from agbench.data.dataset import are_related
from agbench.reporting import answer, commands
from agbench.reporting.answer import Answer
from agbench.reporting.figures import charts, embedded, gallery, interactive, strip
from agbench.reporting.figures.charts import Chart, Differences
from agbench.reporting.figures.pictures import Pictures
from agbench.reporting.pages import html_page, index, markdown
from agbench.reporting.tables import claims, details, measures, per_class, per_codec, per_metric, phases, tables
from agbench.reporting.tables.study import study_table
from agbench.reporting.tables.table import Table
from agbench.store.record import Record
from agbench.store.sweeps import named
from agbench.studies.study import STUDIES, sections

if TYPE_CHECKING:
    import pandas as pd

REPORT_FORMATS = ("md", "html", "latex", "csv")
DEFAULT_FORMATS = ("md", "html", "csv")
REPORT_PAGE, HTML = "report.md", "report.html"
ROWS_A_PAGE = 35
"""Of a table in LaTeX; a longer one is several files."""

FIGURES, TABLES, DOCUMENT = "figures", "tables", "all.tex"

SECTIONS = {
    "levels": "What each level costs (figure 2b)",
    "payers": "Who pays",
    "metrics": "More than accuracy",
    "examples": "Example images",
    "size": "A larger model instead (table II)",
    "storage": "Storage (table III)",
    "codecs": "Codecs",
    "noise": "Noise (table IV)",
    "convergence": "Convergence (figure 3)",
    "tabular": "Tabular versus deep",
    "transfer": "Training at one level, testing at another",
    "claims": html_page.CLAIMS_HEADING,
    "published": "The paper's numbers",
    "not_run": "What was not run",
    "numbers": "All numbers",
    "run": "What was run on what",
}
"""Headings of a report's sections."""

FILLED = {
    "compression": ("accuracy over level (figure 2)", "differences"),
    "model-size": ("a larger model instead (table II)", "model-size"),
    "storage": ("storage (table III)", "storage"),
    "noise": ("noise (table IV)", "noise"),
    "convergence": ("convergence (figure 3)", "convergence"),
    "tabular": ("tabular versus deep", "tabular"),
    "transfer": ("training at one level, testing at another", "transfer"),
}
"""What each study adds to a report, and the table that it fills."""

HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Report:
    """A report that has been written; it can be used as the path of its page.

    Parameters
    ----------
    path : Path
        Path of its page; its folder where it has none.
    main_table : str
        Accuracy, or the metric that decides, over level, in Markdown.
    answer : tuple of str
        What is saved, what it costs at worst, and what to do next, in sentences.
    found : Answer, optional
        The answer that the sentences tell; ``None`` where no level is compared with the originals.
    tables : mapping of str to Table
        All of its tables, by name.
    """

    path: Path
    main_table: str
    answer: tuple[str, ...]
    found: Answer | None = None
    tables: Mapping[str, Table] = field(default_factory=dict, repr=False)

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def text(self) -> str:
        """Return what ``agbench report --show`` prints: main table, path of the page, and answer."""
        return "\n".join([self.main_table, "", str(self.path), "", *self.answer])

    def table(self, name: str) -> pd.DataFrame:
        """Return a table of the report to work with, as its CSV file has it.

        Parameters
        ----------
        name : str
            Name of the table, such as ``"differences"``, ``"margins"``, ``"classes"`` or ``"more-than-accuracy"``;
            of the main table that of the metric that decides, ``"accuracy"``.

        Returns
        -------
        DataFrame
            Its values, unrounded; the ends of an interval are columns of their own.

        Raises
        ------
        UserError
            If the report has no such table.
        """
        import pandas as pd

        return pd.read_csv(StringIO(look_up("table", name, self.tables).csv()))

    def _repr_html_(self) -> str:
        """Return the report for a notebook: its answer, its main table, and a link to the page."""
        answer = "".join(f"<p>{escape(line)}</p>" for line in self.answer)
        table = markdown.parser().render(self.main_table)
        link = f'<a href="{escape(self.path.resolve().as_uri())}">{escape(str(self.path))}</a>'
        return f"{answer}{table}<p>{link}</p>"


def check_formats(formats: Iterable[str]) -> None:
    """Raise `UserError` unless all are of `REPORT_FORMATS`.

    Examples
    --------
    >>> check_formats(["md", "html"])
    >>> check_formats(["pdf"])
    Traceback (most recent call last):
    ...
    agbench.core.errors.UserError: no format called 'pdf': known: csv, html, latex, md
    """
    for one in formats:
        look_up("format", one, dict.fromkeys(REPORT_FORMATS))


def write_reports(
    records: Sequence[Record],
    workspace: Workspace,
    names: Sequence[str],
    formats: Iterable[str] = DEFAULT_FORMATS,
    sweep: str | None = None,
    metric: Metric = ACCURACY,
) -> Iterator[Report]:
    """Write the reports of data sets, and the index of all that have results.

    Parameters
    ----------
    records : sequence of Record
        All of a store's.
    workspace : Workspace
        Workspace of the reports.
    names : sequence of str
        Whose reports; each must have trials.
    formats : iterable of str
        Of `REPORT_FORMATS`.
    sweep : str, optional
        Use only this named sweep's trials. Its reports have a folder of their own, ``reports/sweeps/<sweep>/``.
    metric : Metric
        What decides what a level costs. The paper's claims and tables stay those of accuracy.

    Yields
    ------
    Report

    Raises
    ------
    UserError
        If no trial of a data set gives the metric.
    """
    if sweep is not None:
        records = named([*records], sweep)
    root = _root(workspace, sweep)
    known = sorted({record.condition.dataset for record in records})
    evidences = {name: _gathered(records, workspace, name) for name in known}
    for name in names:
        decisive = evidences[name] if metric is ACCURACY else _gathered(records, workspace, name, metric)
        yield write_report(evidences[name], workspace, formats, sweep, decisive)
    pages = {
        name: f"{name}/{file}" for file in (HTML, REPORT_PAGE) for name in known if (root / name / file).is_file()
    }
    answers = {name: answer.answer_of(evidence) for name, evidence in evidences.items()}
    chart = index.differences_chart(answers) if {"md", "html"} & set(formats) else None
    if chart is not None:
        from agbench.reporting.figures import static

        static.draw(chart, root)
    figure = "" if chart is None else chart.name
    files.write(root / index.FILE, index.index(list(evidences.values()), answers, pages, figure))


def answer_to(records: Sequence[Record], workspace: Workspace, name: str) -> list[str]:
    """Return the answer of a data set's report, in sentences.

    Parameters
    ----------
    records : sequence of Record
        All of a store's.
    workspace : Workspace
        Workspace of the data set.
    name : str
        Its name; it must have trials.
    """
    evidence = _gathered(records, workspace, name)
    return answer.lines(evidence, answer.answer_of(evidence))


def _gathered(records: Sequence[Record], workspace: Workspace, name: str, metric: Metric = ACCURACY) -> Evidence:
    own = [record for record in records if record.condition.dataset == name]
    return gather(name, own, partial(are_related, name, datasets=workspace.datasets), metric)


def write_report(
    evidence: Evidence,
    workspace: Workspace,
    formats: Iterable[str] = DEFAULT_FORMATS,
    sweep: str | None = None,
    decisive: Evidence | None = None,
) -> Report:
    """Write a data set's report, ``reports/<dataset>/``; a named sweep's, ``reports/sweeps/<sweep>/<dataset>/``.

    What an earlier report left there in other formats is removed, so that no older page stands beside it.

    Parameters
    ----------
    evidence : Evidence
        Results of the data set.
    workspace : Workspace
        Workspace of the report.
    formats : iterable of str
        Of `REPORT_FORMATS`.
    sweep : str, optional
        The named sweep whose trials alone are in the evidence.
    decisive : Evidence, optional
        The same results by the metric that decides what a level costs; by default accuracy does.

    Returns
    -------
    Report

    Raises
    ------
    UserError
        If no trial gives that metric.
    """
    decisive = decisive or evidence
    if evidence.records and not decisive.records:
        raise UserError(
            f"no trial of {evidence.dataset} has kept what {decisive.metric.label} needs: "
            "`agbench run --fresh` runs them again"
        )
    wanted = set(formats)
    folder = _root(workspace, sweep) / evidence.dataset
    facts = evidence.facts or _card(evidence, workspace)
    found = answer.answer_of(decisive)
    said = answer.lines(decisive, found)
    made = _tables(evidence, decisive, facts, None if found is None else found.payers)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{evidence.dataset}.lock"):  # one report after the other, each whole
        with files.atomic_dir(folder / FIGURES, replacing=True) as half_made:
            figures = _draw(decisive, found, half_made) if wanted & {"md", "html"} else _Figures()
        with files.atomic_dir(folder / TABLES, replacing=True) as half_made:
            if "csv" in wanted:
                for table in made.values():
                    (half_made / f"{table.name}.csv").write_text(table.csv(), encoding="utf-8")
            if "latex" in wanted:
                _write_latex(evidence, made, half_made)
        text = _page(evidence, decisive, facts, made, found, said, figures, sweep)
        if "html" in wanted:
            title = f"{evidence.dataset}: agbench"
            page = html_page.in_html(text, figures.elements, FIGURES, title, found)
            files.write(folder / HTML, page)
        else:
            (folder / HTML).unlink(missing_ok=True)
        if "md" in wanted:
            files.write(folder / REPORT_PAGE, text)
        else:
            (folder / REPORT_PAGE).unlink(missing_ok=True)
    written = folder / REPORT_PAGE if "md" in wanted else folder / HTML if "html" in wanted else folder
    return Report(written, made[decisive.metric.name].markdown(), tuple(said), found, made)


def _root(workspace: Workspace, sweep: str | None) -> Path:
    return workspace.reports if sweep is None else workspace.reports / "sweeps" / sweep


@dataclass(frozen=True)
class _Figures:
    """What was drawn for a report.

    Parameters
    ----------
    charts : tuple of Chart
        Charts over one plane.
    differences : Differences, optional
        Figure 2b.
    gallery : Pictures, optional
        Images that flip.
    strip : Pictures, optional
        Example images.
    """

    charts: tuple[Chart, ...] = ()
    differences: Differences | None = None
    gallery: Pictures | None = None
    strip: Pictures | None = None

    @property
    def elements(self) -> dict[str, str]:
        """Elements of HTML that stand for the figures' images, by name."""
        made = {chart.name: interactive.division(chart) for chart in self.charts}
        if self.differences is not None:
            made[self.differences.name] = interactive.differences(self.differences)
        pictures = [shown for shown in (self.gallery, self.strip) if shown is not None]
        return made | {shown.name: embedded.figures(shown) for shown in pictures}


def _draw(evidence: Evidence, found: Answer | None, folder: Path) -> _Figures:
    # matplotlib takes a second to import, and tables alone need none.
    from agbench.reporting.figures import static

    drawn, differences = tuple(charts.charts(evidence)), charts.differences(evidence)
    for chart in drawn:
        static.draw(chart, folder)
    if differences is not None:
        static.draw_differences(differences, folder)
    flipped = None if found is None else gallery.gallery(found.payers)
    examples = strip.strip(evidence, found)
    for pictures in (flipped, examples):
        if pictures is not None:
            static.draw_pictures(pictures, folder)
    return _Figures(drawn, differences, flipped, examples)


def _tables(
    evidence: Evidence, decisive: Evidence, facts: dict[str, Any], paying: per_class.Payers | None
) -> dict[str, Table]:
    made = [
        claims.claims_table(evidence),
        tables.levels_table(decisive),
        tables.accuracy_table(decisive),
        tables.spread_table(decisive),
        tables.tolerance_table(decisive),
        tables.margins_table(decisive),
        tables.difference_table(decisive),
        per_class.classes_table(paying),
        per_class.confusions_table(paying),
        per_class.flips_table(paying),
        per_metric.metrics_table(evidence),
        tables.size_table(evidence),
        tables.size_difference_table(evidence),
        measures.storage_table(evidence),
        measures.reading_table(evidence),
        per_codec.codec_table(evidence),
        tables.noise_table(evidence),
        tables.noise_difference_table(evidence),
        measures.convergence_table(evidence),
        tables.tabular_table(decisive),
        tables.transfer_table(decisive),
        *(study_table(decisive, name) for name in sections()),
        details.published_table(evidence),
        details.settings_table(evidence),
        details.quarantine_table(facts["quarantined"]),
        phases.phases_table(evidence),
        details.trials_table(evidence),
        details.failures_table(decisive),
    ]
    return {table.name: table for table in made if table.rows or table.name == decisive.metric.name}


def _write_latex(evidence: Evidence, made: dict[str, Table], folder: Path) -> None:
    pieces = [piece for table in made.values() if table.rows for piece in table.pieces(ROWS_A_PAGE)]
    for piece in pieces:
        (folder / f"{piece.name}.tex").write_text(piece.latex(), encoding="utf-8")
    document = html_page.templates().get_template("all.tex.j2")
    text = document.render(dataset=evidence.dataset, names=[piece.name for piece in pieces])
    (folder / DOCUMENT).write_text(text, encoding="utf-8")


def _page(
    evidence: Evidence,
    decisive: Evidence,
    facts: dict[str, Any],
    made: dict[str, Table],
    found: Answer | None,
    said: list[str],
    figures: _Figures,
    sweep: str | None,
) -> str:
    records = evidence.records or evidence.failures
    known = [record.environment for record in records if record.environment]
    drawn = [chart.name for chart in figures.charts]
    environments = {json.dumps(environment, sort_keys=True): environment for environment in known}
    values = {
        "evidence": decisive,
        "metric": decisive.metric,
        "by_accuracy": decisive.metric is ACCURACY,
        "without_probabilities": per_metric.without_probabilities(evidence),
        "answer": said,
        "sections": SECTIONS,
        "sweep": sweep,
        "tables": {name: table.markdown() for name, table in made.items() if table.rows},
        "by_model": {name: table.markdown() for name, table in made["levels"].by_first().items()}
        if "levels" in made
        else {},
        "verdicts": made["claims"].only("claim", "verdict", "paper").markdown(),
        "metrics": records[0].metrics,
        "facts": facts,
        "originals": originals.described(facts),
        "payers": None if found is None else found.payers,
        "gallery": figures.gallery,
        "strip": figures.strip,
        "drawn": drawn,
        "differences": "" if figures.differences is None else figures.differences.name,
        "by_codec": [name for name in drawn if charts.BY_CODEC in name],
        "of_study": {name: one for name in sections() for one in drawn if one.endswith(charts.OF_STUDY + name)},
        "jpeg_alone": evidence.codecs == [JPEG],
        "folded": bool(evidence.folded),
        "once": len(evidence.folded) < len(evidence.deep) or not evidence.deep,
        "curves": evidence.main is not None and "convergence" in made,
        "seeds": evidence.seeds,
        "environments": list(environments.values()),
        "mixed": len({record.software for record in records}),
        "grown": sorted(
            {
                level
                for series in evidence.jpeg.series
                for level, cell in series.cells.items()
                if cell.bytes > cell.bytes_original
            },
            reverse=True,
        ),
        "codec": sorted(
            {
                f"{record.notes['settings']} ({record.notes['variant']})"
                for record in evidence.records
                if not record.condition.train.is_original
            }
        ),
        "not_run": _not_run(evidence, made),
        "further": {name: STUDIES[name].section for name in sections()},
        "paper_noise": paper.TABLE_4,
        "papers_budget": details.papers_budget(evidence),
        "printed": bool(paper.printed(evidence.dataset)),
    }
    headings = HEADING.findall(markdown.render(f"{REPORT_PAGE}.j2", contents=[], **values))
    return markdown.render(f"{REPORT_PAGE}.j2", contents=headings, **values)


def _not_run(evidence: Evidence, made: Mapping[str, Table]) -> dict[str, str]:
    """Return the commands for all that a report lacks, by what they would add."""
    found = {}
    for study, (what, name) in FILLED.items():
        if name not in made:
            failed = len(claims.unfinished(evidence, study))
            again = f"{failed} of its trials have no result" if failed > 1 else "one of its trials has no result"
            found[f"{what} ({again})" if failed else what] = commands.for_study(evidence, study)
    for name in sections():
        if f"study-{name}" not in made:
            found[STUDIES[name].section] = commands.for_study(evidence, name)
    lacking = (
        ("levels and seeds of a model that others have", commands.missing(evidence)),
        ("noisy images", commands.missing_noise(evidence)),
        ("pairs of levels of training and testing", commands.missing_transfer(evidence)),
    )
    for what, several in lacking:
        for number, command in enumerate(several, 1):
            found[f"{what}, {number}" if len(several) > 1 else what] = command
    return found


def _card(evidence: Evidence, workspace: Workspace) -> dict[str, Any]:
    """Return what the data set's card says of the images, where no result says it."""
    from agbench.data.catalogue import Catalogue

    told: dict[str, Any] = {"remarks": [], "source": None, "quarantined": []}
    try:
        return {**Catalogue(workspace.datasets).card(evidence.dataset).model_dump(), **told}
    except UserError as error:  # results outlive a card; neither this nor another report fails of it
        unknown = "unknown, its card is not in this workspace"
        return {
            "title": evidence.dataset,
            "note": str(error),
            "classes": "?",
            "licence": unknown,
            "citation": unknown,
            **told,
        }
