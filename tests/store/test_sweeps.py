"""Names of sweeps: who has them, and what is listed and reported by them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner

import agbench
from agbench.cli.main import main
from agbench.core.errors import UserError
from agbench.core.workspace import Workspace
from agbench.reporting.sweeps import names_table
from agbench.store.reader import read_records
from agbench.store.store import Store
from agbench.store.sweeps import check_sweep_name, named
from tests.reporting import made

LEVELS = [made.condition("birds", "tabular:dct", level) for level in (1.0, 0.3)]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Two sweeps: one of two data sets, and one in which a trial failed and another was killed."""
    workspace = Workspace(tmp_path_factory.mktemp("named"))
    store = made.fill(workspace.results, [])
    made.sweep(store, "first", [made.result(one, 0.8) for one in LEVELS], started=1_700_000_000_000)
    made.sweep(store, "first", [made.result(made.condition("cats", "tabular:dct", 1.0), 0.8)], 1_700_000_000_001)
    made.sweep(store, "Second.1", [made.result(LEVELS[0], 0.9)], started=1_800_000_000_000)
    store.name([made.fail(store, LEVELS[1], "no memory")], "Second.1", 1_800_000_000_000)
    store.name(
        [store.begin(made.condition("birds", "tabular:dct", 0.5), {"software": {}})], "Second.1", 1_800_000_000_000
    )
    return workspace


def invoke(workspace, *arguments):
    return CliRunner().invoke(main, ["--workspace", str(workspace.folder), *arguments])


@pytest.mark.parametrize("name", ["", ".a", "-a", "a/b", "a b", "ä", "a\n", "x" * 101])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(UserError, match="can't be the name of a sweep"):
        check_sweep_name(name)


def test_a_sweep_is_found_by_its_name(workspace):
    records = read_records(workspace.results)
    assert [record.condition.dataset for record in named(records, "first")] == ["birds", "birds", "cats"]
    with pytest.raises(UserError, match="no sweep called 'frist': did you mean 'first'"):
        named(records, "frist")


def test_the_list_counts_conditions_by_what_came_of_them(workspace):
    done = invoke(workspace, "list")
    assert done.exit_code == 0, done.output
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()]
    assert rows[0] == [
        "name",
        "started",
        "dataset",
        "finished",
        "failed",
        "other",
        "saved",
        "accuracy",
        "AutoGluon",
        "torch",
        "agbench",
    ]
    assert [[row[0], *row[2:6]] for row in rows[2:]] == [
        ["first", "birds, cats", "3", "0", "0"],
        ["Second.1", "birds", "1", "1", "1"],
    ]
    assert rows[2][1].startswith("2023-11-1")
    assert rows[2][10] == agbench.__version__


def test_versions_that_differ_within_a_sweep_are_mixed(workspace, tmp_path):
    records = named(read_records(workspace.results), "first")
    (tmp_path / "environment.json").write_text('{"software": {"agbench": "0.0", "torch": "2.13.0"}}')
    older = replace(records[0], software="another", folder=tmp_path)
    (row,) = names_table([older, *records]).rows
    assert row[-1] == "mixed"
    assert row[-2] == records[1].environment["software"]["torch"]


def test_an_empty_list_says_how_to_fill_it(tmp_path):
    done = invoke(Workspace(tmp_path), "list")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "agbench run --name NAME" in done.stderr


def test_a_report_of_a_sweep_has_its_trials_alone(workspace):
    root = workspace.reports / "sweeps" / "Second.1"
    done = invoke(workspace, "report", "--format", "md", "--name", "Second.1")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0] == str(root / "birds" / "report.md")
    page = (root / "birds" / "report.md").read_text()
    assert "Only of the trials of the sweep **Second.1**." in page
    records = read_records(workspace.results)
    ours = {record.run_id for record in named(records, "Second.1")}
    for record in records:
        # The first sweep's result at 0.3 must not stand in for the failure of this one.
        assert (record.run_id in page) == (record.run_id in ours)
    assert "cats" not in (root / "README.md").read_text()
    assert not (workspace.reports / "birds").exists(), "the report of all trials stays as it was"


def test_a_report_of_a_sweep_knows_only_its_data_sets(workspace):
    done = invoke(workspace, "report", "--name", "Second.1", "--dataset", "cats")
    assert done.exit_code == 2
    assert "no results of cats" in done.stderr


@pytest.mark.parametrize("name", ["a", "7", "nightly-2026-01-31.2", "A_b-c.D", "x" * 100])
def test_names_that_a_sweep_can_have(workspace, name):
    check_sweep_name(name)
    store, record = Store(workspace.results), read_records(workspace.results)[0]
    store.name([record.run_id], name, 12)
    assert read_records(workspace.results)[0].sweeps == {**record.sweeps, name: 12}
    assert store.records()[0].sweeps == {**record.sweeps, name: 12}


def test_nothing_is_no_export(tmp_path):
    done = invoke(Workspace(tmp_path), "export", str(tmp_path / "all.csv"))
    assert done.exit_code == 2
    assert "there are no trials to export" in done.stderr
    assert not (tmp_path / "all.csv").exists()
