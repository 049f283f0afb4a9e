"""A report: a page and its figures, from stored results alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from agbench import files
from agbench.data.catalogue import Catalogue
from agbench.errors import UserError
from agbench.report import figures, published, tables
from agbench.report.evidence import Evidence, gather
from agbench.results import Store
from agbench.workspace import Workspace

PAGE, FIGURE = "report.md", "accuracy-over-level.png"


@dataclass(frozen=True)
class Report:
    """A report that has been written.

    Parameters
    ----------
    path : Path
        Its page.
    main_table : str
        Its first table, in Markdown.
    """

    path: Path
    main_table: str


def write_report(dataset: str, store: Store, workspace: Workspace) -> Report:
    """Write a data set's report, ``reports/<dataset>/report.md`` and its figures.

    Parameters
    ----------
    dataset : str
        Its name.
    store : Store
        Where its results are.
    workspace : Workspace
        Where the report goes.

    Returns
    -------
    Report

    Raises
    ------
    UserError
        If the data set has no trials that a report shows.
    """
    evidence = gather(dataset, store.records(dataset))
    if not evidence.records and not evidence.failures:
        raise UserError(
            f"{dataset} has no trials on the images as they are now: run `agbench run --dataset {dataset}`"
        )
    folder = workspace.reports / dataset
    folder.mkdir(parents=True, exist_ok=True)
    if evidence.series:
        figures.accuracy_over_level(evidence, folder / FIGURE)
    main_table = tables.accuracy_table(evidence).markdown()
    files.write(folder / PAGE, _page(evidence, main_table, workspace))
    return Report(folder / PAGE, main_table)


def _page(evidence: Evidence, main_table: str, workspace: Workspace) -> str:
    pages = Environment(
        loader=PackageLoader("agbench.report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Markdown, not HTML: what comes from outside goes through `escape`.
        autoescape=False,
    )
    pages.filters["md"] = tables.escape
    records = evidence.records or evidence.failures
    facts = _facts(evidence, workspace)
    environments = {json.dumps(record.environment, sort_keys=True): record.environment for record in records}
    grown = [
        level
        for level in evidence.levels
        if any(
            level in series.cells and series.cells[level].bytes > series.cells[level].bytes_original
            for series in evidence.series
        )
    ]
    return pages.get_template(f"{PAGE}.j2").render(
        evidence=evidence,
        metrics=records[0].metrics,
        facts=facts,
        quarantined=tables.quarantine_table(facts["quarantined"]).markdown(),
        figure=FIGURE,
        seeds=sorted({record.condition.seed for record in evidence.records}),
        environments=list(environments.values()),
        mixed=len({record.software for record in records}),
        grown=grown,
        codec=sorted(
            {
                f"{record.notes['settings']} ({record.notes['variant']})"
                for record in evidence.records
                if not record.condition.train.is_original
            }
        ),
        accuracy=main_table,
        difference=tables.difference_table(evidence).markdown(),
        storage=tables.storage_table(evidence).markdown(),
        tabular=tables.tabular_table(evidence).markdown(),
        noise=tables.noise_table(evidence).markdown(),
        transfer=tables.transfer_table(evidence).markdown(),
        published=tables.published_table(evidence).markdown() if published.printed(evidence.dataset) else "",
        settings=tables.settings_table(evidence).markdown(),
        trials=tables.trials_table(evidence).markdown(),
        failures=tables.failures_table(evidence).markdown(),
    )


def _facts(evidence: Evidence, workspace: Workspace) -> dict[str, Any]:
    """Give what is known of the images: by the last result, or by their card where none says."""
    kept = max(evidence.records, key=lambda record: record.started).dataset if evidence.records else {}
    if kept:
        return kept
    card = Catalogue(workspace.datasets).card(evidence.dataset)
    return {**card.model_dump(), "remarks": [], "source": None, "quarantined": []}
