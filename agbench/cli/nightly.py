"""The nightly: its name, what it is compared with, and its summary."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

from agbench.analysis.regressions import SweepComparison, compare
from agbench.core import files
from agbench.core.errors import UserError
from agbench.core.workspace import Workspace
from agbench.reporting import build
from agbench.reporting.pages import comparison, markdown
from agbench.reporting.tables.details import trials_without_result
from agbench.store.reader import read_records
from agbench.store.record import FINISHED, Record
from agbench.store.sweeps import datasets_of, last_trials, named, names

BUNDLED = ("--dataset", "patches", "--quick")
"""What is run where nothing else is asked for."""

REGRESSED, FAILED_TRIALS, NOTHING_MEASURED = 1, 3, 4
"""Exit statuses."""


@dataclass(frozen=True)
class NightlyResult:
    """What came of a nightly.

    Parameters
    ----------
    path : Path
        Its summary.
    complaints : tuple of str
        What is not as it should be, a line each; none where it is green.
    status : int
        The exit status: that of the gravest complaint, or 0.
    """

    path: Path
    complaints: tuple[str, ...]
    status: int


def check_options(options: Mapping[str, Any]) -> None:
    """Raise `UserError` for options of a run that a nightly has no use for."""
    if options["sweep_name"] is not None:
        raise UserError("a nightly is named by its date: leave out --name")
    if options["dry_run"]:
        raise UserError("a nightly runs: for a plan use `agbench run --fresh --dry-run` with the same options")


def choose_name(workspace: Workspace, dataset: str, day: date) -> str:
    """Give the name of the nightly to run.

    Parameters
    ----------
    workspace : Workspace
        Where it runs.
    dataset : str
        What it runs on.
    day : date
        Whose nightly it is.

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
    """Give the last green nightly of the same data sets that has a condition in common with a sweep.

    Parameters
    ----------
    records : list of Record
        All of a store's.
    name : str
        The sweep's.

    Returns
    -------
    str or None
        Its name; ``None`` where there is none.
    """
    ours = [record for record in records if name in record.sweeps]
    green = {record.green for record in records} - {"", name}
    for one in reversed([one for one in names(records) if one in green]):
        theirs = named(records, one)
        if datasets_of(theirs) == datasets_of(ours) and last_trials(theirs).keys() & last_trials(ours).keys():
            return one
    return None


def conclude(workspace: Workspace, name: str, threshold: float) -> NightlyResult:
    """Report on a nightly that was run, compare it, mark it as green where it is, and write its summary.

    Parameters
    ----------
    workspace : Workspace
        Where it ran.
    name : str
        Its name.
    threshold : float
        As for `agbench.analysis.regressions.compare`.

    Returns
    -------
    NightlyResult
    """
    records = read_records(workspace.results)
    own = [record for record in records if name in record.sweeps]
    trials = last_trials(own).values()
    failures = [record for record in trials if record.status != FINISHED]
    base = last_green(records, name)
    compared = None if base is None else compare(records, base, name, threshold)
    complaints = _complaints(name, len(trials), len(failures), compared)
    reports = [*build.write_reports(records, workspace, datasets_of(own), sweep=name)] if own else []
    text = markdown.render(
        "nightly.md.j2",
        name=name,
        complaints=list(complaints.values()),
        conditions=len(trials),
        finished=len(trials) - len(failures),
        failures=trials_without_result(failures).markdown() if failures else "",
        reports=[(report.path.relative_to(workspace.folder).as_posix(), report.main_table) for report in reports],
        comparison="" if compared is None else comparison.page(compared, heading="##"),
    )
    if not complaints:
        # MLflow takes seconds to import; what is red needs no mark.
        from agbench.store.store import Store

        Store(workspace.results).mark_green([record.run_id for record in own], name)
    # Last, as the summary is what tells a complete nightly from one that goes on.
    files.write(_summary(workspace, name), text)
    if page := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(page).open("a", encoding="utf-8") as stream:
            stream.write(f"{text}\n")
    return NightlyResult(_summary(workspace, name), tuple(complaints.values()), next(iter(complaints), 0))


def _complaints(name: str, conditions: int, failures: int, compared: SweepComparison | None) -> dict[int, str]:
    """Say what is wrong, by exit status, the gravest first."""
    found = {}
    if failures == conditions:
        found[NOTHING_MEASURED] = f"{name} measured nothing: no trial finished"
    if failures:
        found[FAILED_TRIALS] = f"{name}: no result for {failures} of {conditions} conditions"
    if compared is not None and compared.regressions:
        found[REGRESSED] = f"{name}: {compared.regressions} got worse against {compared.base}"
    return found


def _summary(workspace: Workspace, name: str) -> Path:
    return workspace.reports / "nightly" / f"{name}.md"
