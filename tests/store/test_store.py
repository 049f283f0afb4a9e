from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from agbench.core import environment
from agbench.core.condition import Budget, Condition, Preprocessing
from agbench.core.errors import UserError
from agbench.store.outcome import Ending, Failure, Result, Status, Usage
from agbench.store.reader import read_records
from agbench.store.record import DATABASE, latest
from agbench.store.store import Store

CONDITION = Condition("cats, dogs", "f" * 16, Preprocessing.at(0.3), "tabular:dct", Budget(learners=("RF", "XT")))
HERE = environment.describe(cpus=2, gpus=0)
LABELS = ["01", "1", "None", "nan", "=a,b", 'say "x"', "Ünï", "a|b\nc"]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results")


LOG = b"what was printed\n"
USAGE = Usage(seconds=3.0, memory=5_000_000_000, gpu_memory=1)


def result(accuracy=0.5):
    rows = {"image_id": [f"{place}.png" for place in range(len(LABELS))], "label": LABELS}
    return Result(
        condition=CONDITION,
        accuracy=accuracy,
        predictions=pd.DataFrame({**rows, "predicted": LABELS[::-1], "probability": 0.25}),
        curve=(0.25, 0.5, 0.375),
        seconds={"fit": 1.5, "total": 2.0},
        counts={"train": 6, "test": 8},
        bytes=12345678901,
        bytes_original=2,
        notes={"learners": "a, b"},
        dataset={"remarks": ["é is a letter"]},
    )


def test_a_result_comes_back_as_it_went_in(store):
    run = store.begin(CONDITION, HERE)
    store.finish(run, result(), USAGE, LOG)
    (record,) = store.records()
    assert (record.run_id, record.condition, record.status) == (run, CONDITION, Status.FINISHED)
    assert record.metrics["accuracy"] == 0.5
    assert record.metrics["bytes"] == 12345678901
    assert record.metrics["seconds_fit"] == 1.5
    assert record.metrics["images_test"] == 8
    assert record.notes == {"learners": "a, b"}
    assert record.software == environment.digest_of_software(environment.software())
    assert record.environment == HERE
    assert record.dataset == {"remarks": ["é is a letter"]}
    assert store.curve(record) == (0.25, 0.5, 0.375)
    assert record.predictions["label"].tolist() == LABELS
    assert (record.folder / "log.txt").read_text() == "what was printed\n"
    assert store.datasets() == ["cats, dogs"]


def test_probabilities_of_all_classes_are_kept_in_half_precision(store):
    shares = pd.DataFrame(np.linspace(0, 1, 3 * len(LABELS)).reshape(-1, 3), columns=["a", "é", "nan"])
    store.finish(store.begin(CONDITION, HERE), replace(result(), probabilities=shares), USAGE, LOG)
    store.finish(store.begin(CONDITION, HERE), result(), USAGE, LOG)
    with_them, without = store.records()
    found = with_them.probabilities
    assert list(found.columns) == ["a", "é", "nan"]
    assert found.index.tolist() == with_them.predictions.index.tolist()
    assert np.allclose(found.to_numpy(float), shares, atol=5e-4)
    assert without.probabilities is None


def test_probabilities_of_many_classes_and_images_take_little_room(store):
    images, classes = 20_000, 397
    drawn = np.random.default_rng(0).dirichlet(np.full(classes, 0.05), images).astype(np.float32)
    many = replace(
        result(), probabilities=pd.DataFrame(drawn, columns=[f"class {place}" for place in range(classes)])
    )
    store.finish(store.begin(CONDITION, HERE), many, USAGE, LOG)
    (record,) = store.records()
    assert (record.folder / "probabilities.npz").stat().st_size < 40e6


def test_a_trial_is_done_only_when_it_finished(store):
    for number in range(3):
        run = store.begin(CONDITION, HERE)
        if number == 0:
            store.fail(run, Failure("no memory", Ending.OUT_OF_MEMORY), USAGE, LOG)
        if number == 1:
            store.fail(run, Failure("stopped by the user", Ending.STOPPED), USAGE, LOG)
    records = store.records()
    assert [record.status for record in records] == [Status.FAILED, Status.KILLED, Status.RUNNING]
    assert [record.ending for record in records] == ["out of memory", "stopped", None]
    assert records[0].reason == "no memory"
    assert records[0].metrics["memory_peak"] == 5_000_000_000
    assert (records[0].folder / "log.txt").read_bytes() == LOG
    assert latest(store.records()) == {}


def test_what_nobody_runs_any_more_was_killed_and_keeps_its_log(store, tmp_path):
    (tmp_path / "log.txt").write_text("so far\n")
    store.begin(CONDITION, HERE, log=str(tmp_path / "log.txt"))
    store.close_abandoned("the sweep was killed")
    (record,) = store.records()
    assert (record.status, record.reason, record.ending) == (Status.KILLED, "the sweep was killed", "stopped")
    assert (record.folder / "log.txt").read_text() == "so far\n"


def test_a_clock_that_goes_back_makes_no_result_older_than_the_one_before(store, monkeypatch):
    for now, accuracy in ((2_000_000_000.0, 0.1), (1_000_000_000.0, 0.9)):
        monkeypatch.setattr("time.time", lambda now=now: now)
        store.finish(store.begin(CONDITION, HERE), result(accuracy), USAGE, LOG)
    assert latest(store.records())[CONDITION.id].metrics["accuracy"] == 0.9
    assert latest(read_records(store.folder))[CONDITION.id].metrics["accuracy"] == 0.9


@pytest.mark.slow
def test_a_store_that_another_process_locks_is_waited_for(store):
    run = store.begin(CONDITION, HERE)
    code = (
        "import sqlite3, sys, time\n"
        f"other = sqlite3.connect({str(store.folder / DATABASE)!r}, isolation_level=None)\n"
        "other.execute('BEGIN EXCLUSIVE')\n"
        "print('locked', flush=True)\n"
        "time.sleep(8)\n"
        "other.execute('COMMIT')\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "locked\n"
        store.finish(run, result(), USAGE, LOG)
    assert other.returncode == 0
    assert store.records()[0].status == Status.FINISHED


def test_the_last_result_of_a_condition_counts(store):
    for accuracy in (0.1, 0.9):
        store.finish(store.begin(CONDITION, HERE), result(accuracy), USAGE, LOG)
    assert latest(store.records())[CONDITION.id].metrics["accuracy"] == 0.9


def test_a_workspace_can_be_moved(store, tmp_path):
    store.finish(store.begin(CONDITION, HERE), result(), USAGE, LOG)
    shutil.move(tmp_path / "results", tmp_path / "elsewhere")
    (record,) = Store(tmp_path / "elsewhere").records()
    assert record.predictions["label"].tolist() == LABELS


def test_another_store_is_taken_from_mlflows_own_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'other.db'}")
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / "results")
    store.finish(store.begin(CONDITION, HERE), result(), USAGE, LOG)
    assert (tmp_path / "other.db").is_file()
    assert not (tmp_path / "results" / "agbench.db").exists()
    assert store.records()[0].predictions["label"].tolist() == LABELS


@pytest.mark.slow
def test_many_can_open_a_new_store_at_once(tmp_path):
    code = (
        "from pathlib import Path\nfrom agbench.store.store import Store\n"
        f"Store(Path({str(tmp_path)!r})).records()"
    )
    started = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]


def test_a_result_without_its_predictions_is_none(store):
    store.finish(store.begin(CONDITION, HERE), result(), USAGE, LOG)
    (store.records()[0].folder / "predictions.parquet").unlink()
    (record,) = store.records()
    assert (record.status, record.reason) == (Status.FAILED, "its predictions are gone from the store")


def test_a_store_that_is_damaged_is_said(tmp_path):
    (tmp_path / "agbench.db").write_text("junk " * 1000)
    with pytest.raises(UserError, match="can't be opened"):
        Store(tmp_path)


def test_another_workspaces_trials_are_left_alone(store, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "_owner", "elsewhere:/x")
    store.begin(CONDITION, HERE)
    monkeypatch.undo()
    store.close_abandoned("the sweep was killed")
    assert [record.status for record in store.records()] == [Status.RUNNING]


def test_the_store_is_read_without_mlflow_as_with_it(store):
    run = store.begin(CONDITION, HERE)
    store.finish(run, result(), USAGE, LOG)
    store.fail(store.begin(CONDITION, HERE), Failure("no memory"), USAGE, LOG)
    read = read_records(store.folder)
    assert [replace(record, curve=()) for record in read] == store.records()
    assert read[0].curve == (0.25, 0.5, 0.375)
    assert read_records(store.folder, "cats, dogs") == read
    assert read_records(store.folder, "others") == []
    assert read_records(store.folder.parent / "nothing") == []


def test_a_store_elsewhere_is_read_by_mlflow(store, monkeypatch, tmp_path):
    store.finish(store.begin(CONDITION, HERE), result(), USAGE, LOG)
    own = read_records(store.folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store.folder / 'agbench.db'}")
    assert read_records(tmp_path / "other") == own


def test_a_damaged_store_is_one_line(tmp_path):
    (tmp_path / "agbench.db").write_bytes(b"SQLite format 3\0 and no more" * 100)
    with pytest.raises(UserError, match="can't be opened"):
        read_records(tmp_path)


def test_what_a_trial_got_right_is_told_by_image(store):
    store.finish(store.begin(CONDITION, HERE), result(), USAGE, LOG)
    (record,) = read_records(store.folder)
    assert record.correctness.right.tolist() == [
        one == other for one, other in zip(LABELS, LABELS[::-1], strict=True)
    ]


@pytest.mark.parametrize("server", ["http://127.0.0.1:1", "http://nowhere.invalid:5000"])
def test_a_tracking_server_that_does_not_answer_is_said_at_once(tmp_path, monkeypatch, server):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    with pytest.raises(UserError, match="no tracking server answers at"):
        Store(tmp_path / "results")
