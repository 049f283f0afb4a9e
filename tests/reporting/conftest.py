"""Stores and reports that several tests read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import FileLock

from agbench.core.workspace import Workspace
from agbench.reporting.build import REPORT_FORMATS, write_reports
from agbench.store.reader import read_records
from tests.reporting import made


@pytest.fixture(scope="session")
def all_studies(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a result of every study with three seeds, one failed trial, and its report."""
    parallel = "PYTEST_XDIST_WORKER" in os.environ
    shared = tmp_path_factory.getbasetemp().parent if parallel else tmp_path_factory.getbasetemp()
    folder = shared / "all-studies"
    with FileLock(f"{folder}.lock"):
        workspace = Workspace(folder)
        if not (folder / "done").exists():
            store = made.fill(workspace.results, made.all_studies("cifar10", (0, 1, 2)))
            made.fail(store, made.condition("cifar10", "tabular:dct", 0.2))
            report(workspace)
            (folder / "done").touch()
    return workspace


def report(workspace: Workspace, *formats: str) -> Path:
    """Write the reports of a workspace and give the first one's folder."""
    records = read_records(workspace.results)
    names = sorted({record.condition.dataset for record in records})
    list(write_reports(records, workspace, names, formats or REPORT_FORMATS))
    return workspace.reports / names[0]
