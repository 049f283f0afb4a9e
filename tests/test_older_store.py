"""Stores made by the commit before the folders of today are read, reported and resumed as before.

``fixtures/NAME.tar.xz`` is the ``results`` folder after these commands of commit bd24f96, and ``fixtures/NAME/``
the report that it made of it. ``store-bd24f96``, tabular models with two codecs::

    agbench run --dataset digits --models tabular:dct,tabular:pixels --levels 1.0,0.3 --codec jpeg,webp \
        --learners XT --name monday

``store-bd24f96-deep``, a deep model and a probe, a trial that timed out, and one that was stopped by Ctrl-C::

    agbench run --dataset digits --quick --epochs 2 --image-size 32 --levels 1.0,0.3 --name tuesday \
        --models automm:efficientnet_lite0,probe:efficientnet_lite0
    agbench run --dataset digits --quick --epochs 500 --time-limit 1 --image-size 32 --levels 1.0 --name tuesday \
        --models automm:efficientnet_lite1
    agbench run --dataset digits --quick --epochs 500 --image-size 32 --levels 1.0 --name tuesday \
        --models automm:efficientnet_lite0

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
MONDAY, TUESDAY = "store-bd24f96", "store-bd24f96-deep"


def unpacked(name, folder):
    with tarfile.open(FIXTURES / f"{name}.tar.xz") as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(folder, filter="data")
        else:
            archive.extractall(folder)
    return Workspace(folder)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return unpacked(MONDAY, tmp_path_factory.mktemp("older"))


@pytest.mark.parametrize("name", [MONDAY, TUESDAY])
def test_its_report_is_the_same_byte_for_byte(tmp_path, name):
    workspace, kept = unpacked(name, tmp_path), FIXTURES / name
    (report,) = write_reports(read_records(workspace.results), workspace, ["digits"], ("md", "csv"))
    made = report.path.parent
    expected = sorted(path.relative_to(kept) for path in kept.rglob("*") if path.is_file())
    assert len(expected) > 5
    for file in expected:
        assert (made / file).read_bytes() == (kept / file).read_bytes(), file
    assert {path.name for path in (made / "tables").iterdir()} == {
        path.name for path in (kept / "tables").iterdir()
    }


def test_endings_are_those_of_then(tmp_path):
    records = Store(unpacked(TUESDAY, tmp_path).results).records("digits")
    assert [record.ending for record in records] == [*["finished"] * 4, "timed out", "stopped"]
    assert [len(record.curve) or len(Store(tmp_path / "results").curve(record)) for record in records[:2]] == [
        2,
        2,
    ]
    plan = make_plan([record.condition for record in records], records)
    assert len(plan.todo) + len(plan.done) == 6


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
