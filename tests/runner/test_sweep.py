"""Sweeps, as a user runs them: in processes of their own, disturbed and undisturbed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import psutil
import pytest

from agbench.core import environment
from agbench.core.errors import UserError
from agbench.core.workspace import Workspace
from agbench.data.dataset import load_prepared
from agbench.data.splits import folds
from agbench.runner import sweep
from agbench.runner.plan import make_plan
from agbench.store.outcome import Status
from agbench.store.store import Store
from agbench.studies import conditions, study
from tests.conftest import SWEEP
from tests.conftest import environment as users_environment

DEADLINE = 180


def wait_until(condition, process=None):
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        assert process is None or process.poll() is None, process.stderr.read()
        time.sleep(0.1)


@contextmanager
def started(workspace, *arguments):
    process = subprocess.Popen(
        [sys.executable, "-m", "agbench", "--workspace", str(workspace.folder), *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=users_environment(),
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def states(workspace):
    return [record.status for record in Store(workspace.results).records()]


def logs(workspace):
    return workspace.results.glob("scratch/*/log.txt")


def numbers(workspace):
    return {
        record.condition.id: (record.metrics["accuracy"], record.predictions.to_csv())
        for record in Store(workspace.results).records()
        if record.status == Status.FINISHED
    }


def test_a_sweep_says_a_line_an_event_with_accuracy_and_time_left(swept):
    lines = swept.stderr.splitlines()
    assert lines[:2] == ["listing images", "checking images"]
    start = lines.index("4 conditions: 0 done, 4 to run")
    assert lines[start + 1] == "starting workers"
    assert "each with" in lines[start + 2]
    assert lines[start + 3] == "compressing 1797 images"
    told = lines[start + 4 : -1]
    assert len(told) == 8, swept.stderr
    assert sum(line.endswith(": begins") for line in told) == 4
    ends = [line for line in told if "accuracy 0." in line]
    assert [line[:5] for line in ends] == ["[1/4]", "[2/4]", "[3/4]", "[4/4]"]
    assert all(line.endswith("left") for line in ends)
    assert lines[-1].startswith("4 trials in ")
    assert lines[-1].endswith(": 4 finished")


def test_a_sweep_leaves_results_and_no_scratch(swept):
    assert states(swept.workspace) == [Status.FINISHED] * 4
    left = {path.name for path in swept.workspace.results.iterdir() if not path.name.endswith(".lock")}
    assert left == {"agbench.db", "artifacts"}


def test_every_number_has_its_log_and_environment(swept):
    for record in swept.store.records():
        log = (record.folder / "log.txt").read_text()
        assert record.condition.id in log
        assert f"accuracy {record.metrics['accuracy']:.4f} on {len(record.predictions)} test images" in log
        assert record.environment["software"]["autogluon.multimodal"]
        right = record.predictions["label"] == record.predictions["predicted"]
        assert record.metrics["accuracy"] == right.mean()
        epochs = 2 if record.condition.model.startswith("automm") else 0
        assert len(swept.store.curve(record)) == epochs


def test_the_same_command_again_runs_nothing_and_says_so(swept, agbench):
    before = [record.run_id for record in swept.store.records()]
    again = agbench("--workspace", swept.workspace.folder, *SWEEP)
    assert again.returncode == 0
    assert "4 conditions: 4 done, 0 to run" in again.stderr
    assert "nothing to run" in again.stderr
    assert [record.run_id for record in swept.store.records()] == before


def test_a_dry_run_prints_the_plan_and_runs_nothing(swept, agbench):
    before = states(swept.workspace)
    done = agbench("--workspace", swept.workspace.folder, *SWEEP, "--seeds", "0,1", "--dry-run")
    lines = done.stdout.splitlines()
    assert [line.split()[1] for line in lines[:-4]].count("done") == 4
    counted, expected, shared, estimated = lines[-4:]
    assert counted == "8 conditions: 4 done, 4 to run"
    assert expected.startswith("digits: as test images, 360 images can exclude a loss of 1.06 points at best")
    assert "each with" in shared
    assert ("1 core, no GPU" if environment.available_cpus() == 1 else "cores, no GPU") in shared
    assert estimated.startswith("about ")
    assert states(swept.workspace) == before
    assert "networks are trained once" not in done.stdout
    once = agbench("--workspace", swept.workspace.folder, *SWEEP, "--dry-run").stdout
    assert "networks are trained once for each level, and verdicts will be of this training" in once


def test_a_killed_sweep_loses_the_trial_in_flight_and_changes_no_number(swept, agbench, tmp_path):
    workspace = Workspace(tmp_path)
    with started(workspace, *SWEEP) as process:
        wait_until(lambda: states(workspace) == [Status.FINISHED, Status.RUNNING], process)
        wait_until(lambda: any("Epoch" in log.read_text() for log in logs(workspace)), process)
        family = psutil.Process(process.pid).children(recursive=True)
        assert family
        process.send_signal(signal.SIGKILL)
        process.wait()
        _, alive = psutil.wait_procs(family, timeout=60)
        assert alive == [], "a killed sweep leaves no process behind"
    before = Store(workspace.results).records()[0]
    resumed = agbench("--workspace", tmp_path, *SWEEP, "--keep-models")
    assert resumed.returncode == 0, resumed.stderr
    assert "4 conditions: 1 done, 3 to run" in resumed.stderr
    records = Store(workspace.results).records()
    assert [record.status for record in records] == [
        Status.FINISHED,
        Status.KILLED,
        Status.FINISHED,
        Status.FINISHED,
        Status.FINISHED,
    ]
    assert records[0] == before
    assert records[1].reason == "the sweep was killed"
    assert "Epoch" in (records[1].folder / "log.txt").read_text()
    assert numbers(workspace) == numbers(swept.workspace)
    kept = {path.name for path in (workspace.results / "models").iterdir()}
    assert kept == {record.condition.id for record in records[2:]}


def test_epochs_that_do_not_fit_into_the_time_are_a_trials_reason_and_the_others_go_on(agbench, tmp_path):
    limits = ["--epochs", "500", "--time-limit", "1", "--levels", "1.0,0.3"]
    done = agbench("--workspace", tmp_path, *SWEEP[:-1], "automm:efficientnet_lite0", *limits)
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("]") >= 2
    assert done.stderr.count("TIMED OUT: ") == 2
    assert "2 trials in" in done.stderr
    assert ": 2 timed out" in done.stderr
    assert "Traceback" not in done.stderr
    records = Store(tmp_path / "results").records()
    assert [record.status for record in records] == [Status.FAILED, Status.FAILED]
    assert "of 500 epochs" in records[0].reason
    assert "timed out: training ended after" in (records[0].folder / "log.txt").read_text()
    report = agbench("--workspace", tmp_path, "report")
    assert report.returncode == 0, report.stderr
    assert "of 500 epochs" in (tmp_path / "reports" / "digits" / "report.md").read_text()


def test_one_sweep_a_workspace_at_a_time(swept):
    dataset = load_prepared("digits", swept.workspace.datasets)
    todo = conditions.make_conditions([study.STUDIES["quick"]], "digits", dataset.fingerprint, study.QUICK)
    with (
        sweep._alone(swept.store.folder),
        pytest.raises(UserError, match="another sweep"),
    ):
        list(sweep.run(todo, dataset, swept.workspace, swept.store))


def test_a_model_that_cannot_work_here_is_said_before_anything_runs(agbench, tmp_path):
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    command = [*SWEEP[:-1], "automm:efficientnet_b0"]
    done = agbench("--workspace", tmp_path, *command, **offline)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("agbench: the weights of automm:efficientnet_b0 can't be")
    assert "Traceback" not in done.stderr
    assert Store(tmp_path / "results").records() == []


def test_results_of_other_versions_are_run_again(swept):
    records = swept.store.records()
    conditions = [record.condition for record in records]
    plan = make_plan(conditions, records)
    assert (len(plan.done), len(plan.outdated), len(plan.todo)) == (4, 0, 0)
    software = {**environment.software(), "autogluon.tabular": "0.0"}
    older = [
        type(record)(**{**vars(record), "software": environment.digest_of_software(software)})
        for record in records
    ]
    plan = make_plan(conditions, older)
    assert (len(plan.done), len(plan.outdated), len(plan.todo)) == (0, 4, 4)


def test_with_folds_every_image_is_predicted_once_by_networks_that_are_kept(
    agbench, on_cluster, plain_images, tmp_path
):
    command = ["run", "--dataset", plain_images, "--models", "automm:efficientnet_lite0", "--levels", "1.0"]
    command += ["--quick", "--epochs", "1", "--image-size", "32"]
    done = on_cluster("--workspace", tmp_path, *command, "--folds", "3", "--keep-models")
    assert done.returncode == 0, done.stderr
    (record,) = Store(tmp_path / "results").records()
    index = load_prepared("photos", tmp_path / "datasets").index.set_index("image_id")
    assert sorted(record.predictions.index) == sorted(index.index)
    drawn = folds(index["label"], index["group"], 3, seed=0)
    assert record.predictions["fold"].to_dict() == drawn.to_dict()
    assert record.metrics["images_predicted"] == 60
    models = tmp_path / "results" / "models" / record.condition.id
    assert sorted(path.name for path in models.iterdir()) == ["fold-0", "fold-1", "fold-2"]
    plan = agbench("--workspace", tmp_path, *command, "--folds", "3", "--dry-run").stdout
    assert "photos: out of fold, 60 images can exclude a loss of" in plan
    assert "as test images" not in plan
    refused = on_cluster("--workspace", tmp_path, *command, "--folds", "2")
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].endswith("use --folds 3 or more")
    assert len(Store(tmp_path / "results").records()) == 1
