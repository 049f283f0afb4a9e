"""A report: pages, figures and tables, from stored results alone."""

from __future__ import annotations

import json
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
from agbench.reporting import commands
from agbench.reporting.figures import charts
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


@dataclass(frozen=True)
class Report:
    """A report that has been written; it can be used as the path of its page.

    Parameters
    ----------
    path : Path
        Path of its page; its folder where it has none.
    main_table : str
        Accuracy, or the metric that decides, over level, in Markdown.
    tables : mapping of str to Table
        All of its tables, by name.
    """

    path: Path
    main_table: str
    tables: Mapping[str, Table] = field(default_factory=dict, repr=False)

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def text(self) -> str:
        """Return what ``agbench report --show`` prints: the main table and the path of the page."""
        return f"{self.main_table}\n\n{self.path}"

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
        """Return the report for a notebook: its main table, and a link to the page."""
        table = markdown.parser().render(self.main_table)
        link = f'<a href="{escape(self.path.resolve().as_uri())}">{escape(str(self.path))}</a>'
        return f"{table}<p>{link}</p>"


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

    def gathered(name: str, metric: Metric = ACCURACY) -> Evidence:
        own = [record for record in records if record.condition.dataset == name]
        return gather(name, own, partial(are_related, name, datasets=workspace.datasets), metric)

    evidences = {name: gathered(name) for name in known}
    for name in names:
        decisive = evidences[name] if metric is ACCURACY else gathered(name, metric)
        yield write_report(evidences[name], workspace, formats, sweep, decisive)
    pages = {
        name: f"{name}/{file}" for file in (HTML, REPORT_PAGE) for name in known if (root / name / file).is_file()
    }
    files.write(root / index.FILE, index.index(list(evidences.values()), pages))


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
    paying = per_class.payers(decisive)
    made = _tables(evidence, decisive, facts, paying)
    drawn = charts.charts(decisive)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{evidence.dataset}.lock"):  # one report after the other, each whole
        with files.atomic_dir(folder / FIGURES, replacing=True) as half_made:
            strip = _draw(evidence, drawn, half_made) if wanted & {"md", "html"} else False
        with files.atomic_dir(folder / TABLES, replacing=True) as half_made:
            if "csv" in wanted:
                for table in made.values():
                    (half_made / f"{table.name}.csv").write_text(table.csv(), encoding="utf-8")
            if "latex" in wanted:
                _write_latex(evidence, made, half_made)
        text = _page(evidence, decisive, facts, made, paying, [chart.name for chart in drawn], strip, sweep)
        if "html" in wanted:
            files.write(
                folder / HTML, html_page.in_html(text, drawn, folder / FIGURES, f"{evidence.dataset}: agbench")
            )
        else:
            (folder / HTML).unlink(missing_ok=True)
        if "md" in wanted:
            files.write(folder / REPORT_PAGE, text)
        else:
            (folder / REPORT_PAGE).unlink(missing_ok=True)
    written = folder / REPORT_PAGE if "md" in wanted else folder / HTML if "html" in wanted else folder
    return Report(written, made[decisive.metric.name].markdown(), made)


def _root(workspace: Workspace, sweep: str | None) -> Path:
    return workspace.reports if sweep is None else workspace.reports / "sweeps" / sweep


def _draw(evidence: Evidence, drawn: list[charts.Chart], folder: Path) -> bool:
    # matplotlib takes a second to import, and tables alone need none.
    from agbench.reporting.figures import static

    for chart in drawn:
        static.draw(chart, folder)
    return static.draw_examples(evidence, folder)


def _tables(
    evidence: Evidence, decisive: Evidence, facts: dict[str, Any], paying: per_class.Payers | None
) -> dict[str, Table]:
    made = [
        claims.claims_table(evidence),
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
    paying: per_class.Payers | None,
    drawn: list[str],
    strip: bool,
    sweep: str | None,
) -> str:
    records = evidence.records or evidence.failures
    known = [record.environment for record in records if record.environment]
    environments = {json.dumps(environment, sort_keys=True): environment for environment in known}
    return markdown.render(
        f"{REPORT_PAGE}.j2",
        evidence=decisive,
        metric=decisive.metric,
        by_accuracy=decisive.metric is ACCURACY,
        without_probabilities=per_metric.without_probabilities(evidence),
        sweep=sweep,
        tables={name: table.markdown() for name, table in made.items() if table.rows},
        metrics=records[0].metrics,
        facts=facts,
        originals=originals.described(facts),
        payers=paying,
        measured=any(series.cells for series in decisive.series),
        strip=strip,
        drawn=drawn,
        by_codec=[name for name in drawn if charts.BY_CODEC in name],
        jpeg_alone=evidence.codecs == [JPEG],
        folded=bool(evidence.folded),
        once=len(evidence.folded) < len(evidence.deep) or not evidence.deep,
        curves=evidence.main is not None and "convergence" in made,
        seeds=evidence.seeds,
        environments=list(environments.values()),
        mixed=len({record.software for record in records}),
        grown=sorted(
            {
                level
                for series in evidence.jpeg.series
                for level, cell in series.cells.items()
                if cell.bytes > cell.bytes_original
            },
            reverse=True,
        ),
        codec=sorted(
            {
                f"{record.notes['settings']} ({record.notes['variant']})"
                for record in evidence.records
                if not record.condition.train.is_original
            }
        ),
        missing=commands.missing(evidence),
        missing_noise=commands.missing_noise(evidence),
        missing_transfer=commands.missing_transfer(evidence),
        unfinished={study: len(claims.unfinished(evidence, study)) for study in STUDIES},
        command={study: commands.for_study(evidence, study) for study in STUDIES},
        further={name: STUDIES[name].section for name in sections()},
        paper_noise=paper.TABLE_4,
        papers_budget=details.papers_budget(evidence),
        printed=bool(paper.printed(evidence.dataset)),
    )


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
