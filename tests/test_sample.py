"""The committed sample is one that today's code would make."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from agbench.core.condition import PROTOCOL
from agbench.core.workspace import Workspace
from agbench.reporting.build import write_reports
from agbench.store.reader import read_records
from agbench.studies.conditions import make_conditions
from agbench.studies.study import PAPER, QUICK, STUDIES
from tests.reporting import made

SAMPLE = Path(__file__).parent.parent / "reports" / "sample"
FOLDS = {"patches": 5, "digits": None}
"""What each data set was run with, as the sample's page says."""


def page(name):
    return (SAMPLE / name / "report.md").read_text(encoding="utf-8")


def headings(text):
    return [line for line in text.splitlines() if line.startswith("## ")]


@pytest.mark.parametrize("name", FOLDS)
def test_it_is_of_todays_protocol(name):
    assert set(re.findall(r"protocol (\d+)", page(name))) == {str(PROTOCOL)}


@pytest.mark.parametrize(("name", "folds"), FOLDS.items())
def test_it_has_the_headings_and_tables_of_todays_reports(name, folds, tmp_path):
    """Those of made-up results of the same conditions."""
    studies = [STUDIES[one].without_hub() for one in (*PAPER, "transfer")]
    conditions = make_conditions(studies, name, "f" * 16, replace(QUICK, folds=folds))
    made.fill(tmp_path / "results", conditions)
    write_reports_of(tmp_path, name)
    today = tmp_path / "reports" / name
    assert headings(page(name)) == headings((today / "report.md").read_text(encoding="utf-8"))
    for table in (today / "tables").iterdir():
        if table.stem == "quarantined":  # made-up images are, the bundled ones are not
            continue
        ours = SAMPLE / name / "tables" / table.name
        assert ours.exists(), table.name
        assert first_line(ours) == first_line(table), table.name


def write_reports_of(folder, name):
    workspace = Workspace(folder)
    records = read_records(workspace.results)
    return [*write_reports(records, workspace, [name], ("md", "csv"))]


def first_line(path):
    return path.read_text(encoding="utf-8").splitlines()[0]


def test_it_says_how_it_was_made():
    said = (SAMPLE / "README.md").read_text(encoding="utf-8")
    for name, folds in FOLDS.items():
        command = f"agbench run --dataset {name} --study paper --study transfer --quick"
        assert command + (f" --folds {folds}" if folds else "") in said
    assert f"protocol {PROTOCOL}" in said
