"""Nightlies, as they are run: two that are alike, then what must not pass unnoticed."""

from __future__ import annotations

import re
import shutil
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from agbench.analysis.gather import gather
from agbench.cli.main import main
from agbench.core.workspace import Workspace
from agbench.reporting.nightly import choose_name, conclude, last_green
from agbench.store.reader import read_records
from agbench.store.store import Store
from agbench.store.sweeps import named
from tests.reporting import made

TINY = ["--dataset", "digits", "--quick", "--levels", "0.3", "--models", "tabular:dct", "--learners", "XT"]
NIGHT = ["nightly", "--threshold", "100", *TINY]
"""Two nights are never equally fast on a machine that tests share."""


@pytest.fixture(scope="module")
def nights(tmp_path_factory, on_cluster):
    """A workspace after three nights, what each said, and the page of a job that they were added to."""
    folder = tmp_path_factory.mktemp("nights")
    page = folder / "job.md"
    done = [
        on_cluster("--workspace", folder, *NIGHT, *options, GITHUB_STEP_SUMMARY=str(page))
        for options in ((), (), ("--time-limit", "0.001"))
    ]
    return Workspace(folder), done, page.read_text()


@pytest.fixture
def copied(nights, tmp_path):
    """The same workspace, to be altered; its second night is taken for one that has not ended."""
    workspace = Workspace(Path(shutil.copytree(nights[0].folder, tmp_path / "nights")))
    pages(workspace)[1].unlink()
    return workspace


def again(workspace):
    return CliRunner().invoke(main, ["--workspace", str(workspace.folder), *NIGHT])


def pages(workspace):
    return sorted((workspace.reports / "nightly").iterdir(), key=lambda path: path.stem)


def summaries(workspace):
    return [path.read_text() for path in pages(workspace)]


def sweeps(workspace):
    return list(dict.fromkeys(name for record in read_records(workspace.results) for name in record.sweeps))


def test_the_first_night_has_nothing_to_compare_with(nights):
    workspace, (first, *_), _ = nights
    assert first.returncode == 0, first.stderr
    assert first.stdout == f"{pages(workspace)[0]}\n"
    text = summaries(workspace)[0]
    assert "**Green:**" in text
    assert "1 of 1 conditions finished." in text
    assert "There is no green nightly to compare with." in text
    assert f"The report: reports/sweeps/{sweeps(workspace)[0]}/digits/report.md" in text
    assert "| 0.3 " in text


def test_a_night_begins_with_its_answers(tmp_path, monkeypatch):
    """A line and a column a data set; the figure only where the page lies beside it."""
    workspace, page = Workspace(tmp_path), tmp_path / "job.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    conditions = [made.condition("birds", "tabular:dct", level) for level in (1.0, 0.5, 0.3)]
    results = [made.result(one, made.share_of(one)) for one in conditions]
    made.sweep(Store(workspace.results), "night", results)
    summary = conclude(workspace, "night", 1.5).path
    text = summary.read_text()
    answer = text.split("## What is saved, and what it costs at worst\n")[1]
    assert re.search(r"\| birds +\| jpeg 0\.[35] +\| \d\d\.\d\d% ", answer)
    (figure,) = re.findall(r"!\[[^]]+\]\((.+\.png)\)", text)
    assert (summary.parent / figure).is_file()
    assert text.replace(re.search(r"!\[.+\n\n", text)[0], "") == page.read_text()[:-1]
    compared = gather("birds", read_records(workspace.results)).series[0].compared
    for level, one in compared.items():
        assert re.search(rf"\| {level} +\| {re.escape(f'{100 * one.difference.value:+.2f}')} \(", text)


def test_the_second_night_is_fresh_and_compared_with_the_first(nights):
    workspace, (_, second, _), page = nights
    assert second.returncode == 0, second.stderr
    assert "1 conditions: 0 done, 1 to run" in second.stderr
    first_name, second_name, _ = sweeps(workspace)
    assert second_name == f"{first_name}.2"
    assert [record.green for record in read_records(workspace.results)] == [first_name, second_name, ""]
    text = summaries(workspace)[1]
    assert f"{second_name} compared with {first_name}" in text
    assert "same predictions" in text
    assert page == "".join(f"{one}\n" for one in summaries(workspace))


def test_a_night_that_was_interrupted_goes_on_and_sees_a_regression(copied):
    before = read_records(copied.results)
    first = before[0]
    predictions = first.folder / "predictions.parquet"
    table = pd.read_parquet(predictions)
    table.assign(predicted=table["label"]).to_parquet(predictions, index=False)
    done = again(copied)
    assert done.exit_code == 1, done.output
    assert "1 conditions: 1 done, 0 to run" in done.stderr
    assert done.stderr.splitlines()[-1].endswith(f": 1 got worse against {next(iter(first.sweeps))}")
    assert "regression: accuracy" in summaries(copied)[1]
    assert [record.run_id for record in read_records(copied.results)] == [record.run_id for record in before]


def test_a_failed_trial_is_no_green_night(copied):
    store, name = Store(copied.results), sweeps(copied)[1]
    condition = made.condition("digits", "tabular:pixels", 0.3)
    store.name([made.fail(store, condition)], name, 1)
    done = again(copied)
    assert done.exit_code == 3, done.output
    assert done.stderr.splitlines()[-1] == f"agbench: {name}: no result for 1 of 2 conditions"
    text = summaries(copied)[1]
    assert "**Red.**" in text
    assert "\\<script" in text
    assert "<script" not in text.replace("\\<script", "")


def test_a_night_in_which_all_trials_fail_measured_nothing(nights):
    workspace, (*_, third), _ = nights
    assert third.returncode == 4, third.stderr
    name = sweeps(workspace)[2]
    assert third.stderr.splitlines()[-2:] == [
        f"agbench: {name} measured nothing: no trial finished",
        f"agbench: {name}: no result for 1 of 1 conditions",
    ]
    assert "Not enough time left" in summaries(workspace)[2]
    assert third.stdout.splitlines()[-1].endswith(f"{name}.md")


def test_a_name_and_a_fresh_sweep(copied):
    def run(*options):
        command = ["--workspace", str(copied.folder), "run", *TINY, *options]
        return CliRunner().invoke(main, command)

    latest = read_records(copied.results)[1]
    done = run("--name", "kept")
    assert done.exit_code == 0, done.output
    assert "nothing to run" in done.stderr
    assert [record.run_id for record in named(read_records(copied.results), "kept")] == [latest.run_id]
    for options, plan in [
        ((), "1 done, 0 to run"),
        (("--fresh",), "0 done, 1 to run"),
        (("--fresh", "--name", "kept"), "1 done, 0 to run"),
        (("--fresh", "--name", "other"), "0 done, 1 to run"),
    ]:
        assert f"1 conditions: {plan}" in run(*options, "--dry-run").stdout.splitlines()
    assert "other" not in sweeps(copied)


def test_names_follow_the_day_and_the_data_set(nights):
    workspace = nights[0]
    name = sweeps(workspace)[0]
    day = date.fromisoformat(name.removeprefix("nightly-"))
    assert choose_name(workspace, "digits", day) == f"{name}.4"
    assert choose_name(workspace, "digits", date(2001, 2, 3)) == "nightly-2001-02-03"
    (workspace.reports / "nightly" / f"{name}.2.md").rename(workspace.folder / "aside.md")
    assert choose_name(workspace, "digits", day) == f"{name}.2"
    assert choose_name(workspace, "patches", day) == f"{name}.4"
    (workspace.folder / "aside.md").rename(workspace.reports / "nightly" / f"{name}.2.md")


def test_only_green_nights_of_the_same_data_set_count(copied):
    store, (first, second, _) = Store(copied.results), sweeps(copied)
    assert last_green(store.records(), second) == first
    assert last_green(store.records(), first) == second
    other = made.condition("cats", "tabular:dct", 0.3)
    store.name([store.begin(other, {"software": {}})], "cats", 2)
    assert last_green(store.records(), "cats") is None
    store.mark_green([record.run_id for record in named(store.records(), first)], "")
    assert last_green(store.records(), second) is None
