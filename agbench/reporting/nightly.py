"""The nightly sweep: its name, the sweep it is compared with, and its summary."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import partial
from itertools import count
from pathlib import Path

from agbench.analysis.regressions import SweepComparison, compare
from agbench.core import files
from agbench.core.workspace import Workspace
from agbench.reporting import build
from agbench.reporting.pages import index, markdown
from agbench.reporting.pages.comparison import ComparisonPage
from agbench.reporting.tables.details import trials_without_result
from agbench.store.reader import read_records
from agbench.store.record import Record
from agbench.store.sweeps import datasets_of, last_trials, named, names


class Complaint(Enum):
    """What can be wrong with a nightly, the gravest first."""

    NOTHING_MEASURED = "no trial finished"
    FAILED_TRIALS = "trials failed"
    REGRESSED = "something got worse"


@dataclass(frozen=True)
class NightlyResult:
    """The result of a nightly sweep.

    Parameters
    ----------
    path : Path
        Path of its summary.
    complaints : dict of Complaint to str
        What is wrong, a line each, the gravest first; empty where the nightly is green.
    """

    path: Path
    complaints: dict[Complaint, str]


def choose_name(workspace: Workspace, dataset: str, day: date) -> str:
    """Return the name of the nightly to run.

    Parameters
    ----------
    workspace : Workspace
        Workspace in which it runs.
    dataset : str
        Name of the data set.
    day : date
        Date of the nightly.

    Returns
    -------
    str
        ``nightly-YYYY-MM-DD``; with ``.2``, ``.3`` and so on where that has been completed, which its summary
        shows, or is of another data set.
    """
    records = read_records(workspace.results)
    for number in count(1):
        name = f"nightly-{day.isoformat()}" + (f".{number}" if number > 1 else "")
        of = datasets_of(record for record in records if name in record.sweeps)
        if of in ([], [dataset]) and not _summary(workspace, name).exists():
            break
    return name


def last_green(records: list[Record], name: str) -> str | None:
    """Return the last green nightly of the same data sets that has a condition in common with a sweep.

    Parameters
    ----------
    records : list of Record
        All records of a store, the oldest first.
    name : str
        Name of the sweep.

    Returns
    -------
    str or None
        Name of the nightly; ``None`` where there is none.
    """
    ours = [record for record in records if name in record.sweeps]
    green = {record.green for record in records} - {"", name}
    for one in reversed([one for one in names(records) if one in green]):
        theirs = named(records, one)
        if datasets_of(theirs) == datasets_of(ours) and last_trials(theirs).keys() & last_trials(ours).keys():
            return one
    return None


def conclude(workspace: Workspace, name: str, threshold: float) -> NightlyResult:
    """Write the reports and the summary of a nightly that was run, and mark its trials where it is green.

    Parameters
    ----------
    workspace : Workspace
        Workspace in which it ran.
    name : str
        Name of the nightly.
    threshold : float
        Factor of seconds from which a model is slower, as `agbench.analysis.regressions.compare` takes it.

    Returns
    -------
    NightlyResult
    """
    records = read_records(workspace.results)
    own = [record for record in records if name in record.sweeps]
    trials = last_trials(own).values()
    failures = [record for record in trials if not record.is_finished]
    base = last_green(records, name)
    compared = None if base is None else compare(records, base, name, threshold)
    complaints = _complaints(name, len(trials), len(failures), compared)
    datasets = datasets_of(own)
    reports = [*build.write_reports(records, workspace, datasets, sweep=name)] if own else []
    answers = {dataset: report.found for dataset, report in zip(datasets, reports, strict=True)}
    chart = index.differences_chart(answers)
    render = partial(
        markdown.render,
        "nightly.md.j2",
        name=name,
        answers=index.answers_table(answers).markdown() if answers else "",
        differences="" if chart is None else index.differences_table(answers).markdown(),
        complaints=list(complaints.values()),
        conditions=len(trials),
        finished=len(trials) - len(failures),
        failures=trials_without_result(failures).markdown() if failures else "",
        reports=[
            {
                "address": report.path.relative_to(workspace.folder).as_posix(),
                "table": report.main_table,
                "answer": report.answer,
            }
            for report in reports
        ],
        comparison="" if compared is None else ComparisonPage(compared).markdown(heading="##"),
    )
    if not complaints:
        # MLflow takes seconds to import; what is red needs no mark.
        from agbench.store.store import Store

        Store(workspace.results).mark_green([record.run_id for record in own], name)
    # Last, as the summary is what tells a complete nightly from one that goes on.
    drawn = "" if chart is None else f"../sweeps/{name}/{chart.name}.png"
    files.write(_summary(workspace, name), render(figure=drawn))
    if page := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(page).open("a", encoding="utf-8") as stream:
            stream.write(f"{render(figure='')}\n")  # a page of GitHub's, to which no file of ours can be put
    return NightlyResult(_summary(workspace, name), complaints)


def _complaints(
    name: str, conditions: int, failures: int, compared: SweepComparison | None
) -> dict[Complaint, str]:
    """Return what is wrong, the gravest first."""
    found = {}
    if failures == conditions:
        found[Complaint.NOTHING_MEASURED] = f"{name} measured nothing: no trial finished"
    if failures:
        found[Complaint.FAILED_TRIALS] = f"{name}: no result for {failures} of {conditions} conditions"
    if compared is not None and compared.regressions:
        found[Complaint.REGRESSED] = f"{name}: {compared.regressions} got worse against {compared.base}"
    return found


def _summary(workspace: Workspace, name: str) -> Path:
    return workspace.reports / "nightly" / f"{name}.md"
