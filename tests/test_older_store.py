"""A store made by the commit before the folders of today is read, reported and resumed as before.

``fixtures/store-bd24f96.tar.xz`` is the ``results`` folder after this command of commit bd24f96, and
``fixtures/store-bd24f96/`` the report that it made of it::

    agbench run --dataset digits --models tabular:dct,tabular:pixels --levels 1.0,0.3 --codec jpeg,webp \
        --learners XT --name monday

Where a sentence of reports is changed on purpose, its file here is changed with it; numbers never are.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from agbench.core.environment import digest_of_software
from agbench.core.workspace import Workspace
from agbench.reporting.build import write_reports
from agbench.runner.plan import make_plan
from agbench.store.reader import read_records
from agbench.store.store import Store

FIXTURES = Path(__file__).parent / "fixtures"
EXPECTED = FIXTURES / "store-bd24f96"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("older")
    with tarfile.open(FIXTURES / "store-bd24f96.tar.xz") as archive:
        archive.extractall(folder, filter="data") if hasattr(tarfile, "data_filter") else archive.extractall(
            folder
        )
    return Workspace(folder)


def test_its_report_is_the_same_byte_for_byte(workspace):
    records = read_records(workspace.results)
    (report,) = write_reports(records, workspace, ["digits"], ("md", "csv"))
    made = report.path.parent
    expected = sorted(path.relative_to(EXPECTED) for path in EXPECTED.rglob("*") if path.is_file())
    assert len(expected) > 5
    for file in expected:
        assert (made / file).read_bytes() == (EXPECTED / file).read_bytes(), file
    assert sorted(path.name for path in (made / "tables").iterdir()) == sorted(
        path.name for path in (EXPECTED / "tables").iterdir()
    )


def test_nothing_of_it_is_run_again_with_the_versions_of_then(workspace, monkeypatch):
    records = Store(workspace.results).records("digits")
    assert len(records) == 6
    then = records[0].environment["software"]
    assert {digest_of_software(then)} == {record.software for record in records}
    monkeypatch.setattr("agbench.core.environment.software", lambda: then)
    planned = make_plan([record.condition for record in records], records)
    assert (len(planned.done), planned.todo) == (6, ())


def test_another_version_of_agbench_alone_runs_nothing_again(workspace, monkeypatch):
    records = read_records(workspace.results)
    then = records[0].environment["software"]
    monkeypatch.setattr("agbench.core.environment.software", lambda: then | {"agbench": "9.9"})
    assert make_plan([record.condition for record in records], records).todo == ()
    monkeypatch.setattr("agbench.core.environment.software", lambda: then | {"protocol": "99"})
    assert len(make_plan([record.condition for record in records], records).outdated) == 6


def test_its_names_are_there(workspace):
    assert {name for record in read_records(workspace.results) for name in record.sweeps} == {"monday"}
