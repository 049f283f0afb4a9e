from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest

from agbench import environment
from agbench.condition import Budget, Condition, Preprocessing
from agbench.errors import UserError
from agbench.record import FAILED, FINISHED, KILLED, RUNNING, latest, read_records
from agbench.results import Result, Store

CONDITION = Condition("cats, dogs", "f" * 16, Preprocessing.at(0.3), "tabular:dct", Budget(learners=("RF", "XT")))
HERE = environment.describe(cpus=2, gpus=0)
LABELS = ["01", "1", "None", "nan", "=a,b", 'say "x"', "Ünï", "a|b\nc"]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results")


@pytest.fixture
def log(tmp_path):
    (tmp_path / "log.txt").write_text("what was printed\n")
    return tmp_path / "log.txt"


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


def test_a_result_comes_back_as_it_went_in(store, log):
    run = store.begin(CONDITION, HERE)
    store.finish(run, result(), log)
    (record,) = store.records()
    assert (record.run_id, record.condition, record.status) == (run, CONDITION, FINISHED)
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


def test_a_trial_is_done_only_when_it_finished(store, log):
    for number in range(3):
        run = store.begin(CONDITION, HERE)
        if number == 0:
            store.fail(run, "no memory", log)
        if number == 1:
            store.fail(run, "stopped by the user", log, KILLED)
    assert [record.status for record in store.records()] == [FAILED, KILLED, RUNNING]
    assert store.records()[0].reason == "no memory"
    assert latest(store.records()) == {}


def test_what_nobody_runs_any_more_was_killed_and_keeps_its_log(store, tmp_path):
    run = store.begin(CONDITION, HERE)
    (tmp_path / run).mkdir()
    (tmp_path / run / "log.txt").write_text("so far\n")
    store.close_abandoned("the sweep was killed", tmp_path)
    (record,) = store.records()
    assert (record.status, record.reason) == (KILLED, "the sweep was killed")
    assert (record.folder / "log.txt").read_text() == "so far\n"


def test_the_last_result_of_a_condition_counts(store, log):
    for accuracy in (0.1, 0.9):
        store.finish(store.begin(CONDITION, HERE), result(accuracy), log)
    assert latest(store.records())[CONDITION.id].metrics["accuracy"] == 0.9


def test_a_workspace_can_be_moved(store, log, tmp_path):
    store.finish(store.begin(CONDITION, HERE), result(), log)
    shutil.move(tmp_path / "results", tmp_path / "elsewhere")
    (record,) = Store(tmp_path / "elsewhere").records()
    assert record.predictions["label"].tolist() == LABELS


def test_another_store_is_taken_from_mlflows_own_variable(tmp_path, log, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'other.db'}")
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / "results")
    store.finish(store.begin(CONDITION, HERE), result(), log)
    assert (tmp_path / "other.db").is_file()
    assert not (tmp_path / "results" / "agbench.db").exists()
    assert store.records()[0].predictions["label"].tolist() == LABELS


def test_many_can_open_a_new_store_at_once(tmp_path):
    code = f"from pathlib import Path\nfrom agbench.results import Store\nStore(Path({str(tmp_path)!r})).records()"
    started = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]


def test_a_result_without_its_predictions_is_none(store, log):
    store.finish(store.begin(CONDITION, HERE), result(), log)
    (store.records()[0].folder / "predictions.parquet").unlink()
    (record,) = store.records()
    assert (record.status, record.reason) == (FAILED, "its predictions are gone from the store")


def test_a_store_that_is_damaged_is_said(tmp_path):
    (tmp_path / "agbench.db").write_text("junk " * 1000)
    with pytest.raises(UserError, match="can't be opened"):
        Store(tmp_path)


def test_another_workspaces_trials_are_left_alone(store, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "_owner", "elsewhere:/x")
    store.begin(CONDITION, HERE)
    monkeypatch.undo()
    store.close_abandoned("the sweep was killed", tmp_path)
    assert [record.status for record in store.records()] == [RUNNING]


def test_the_store_is_read_without_mlflow_as_with_it(store, log):
    run = store.begin(CONDITION, HERE)
    store.finish(run, result(), log)
    store.fail(store.begin(CONDITION, HERE), "no memory", log)
    read = read_records(store.folder)
    assert [replace(record, curve=()) for record in read] == store.records()
    assert read[0].curve == (0.25, 0.5, 0.375)
    assert read_records(store.folder, "cats, dogs") == read
    assert read_records(store.folder, "others") == []
    assert read_records(store.folder.parent / "nothing") == []


def test_a_store_elsewhere_is_read_by_mlflow(store, log, monkeypatch, tmp_path):
    store.finish(store.begin(CONDITION, HERE), result(), log)
    own = read_records(store.folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store.folder / 'agbench.db'}")
    assert read_records(tmp_path / "other") == own


def test_a_damaged_store_is_one_line(tmp_path):
    (tmp_path / "agbench.db").write_bytes(b"SQLite format 3\0 and no more" * 100)
    with pytest.raises(UserError, match="can't be opened"):
        read_records(tmp_path)


def test_what_a_trial_got_right_is_told_by_image(store, log):
    store.finish(store.begin(CONDITION, HERE), result(), log)
    (record,) = read_records(store.folder)
    assert record.outcome.right.tolist() == [one == other for one, other in zip(LABELS, LABELS[::-1], strict=True)]
