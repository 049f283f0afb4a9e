"""The example runs as it stands, and a full sweep confirms what it recommends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import agbench as package
from agbench.analysis import intervals
from agbench.core.condition import ORIGINAL_LEVEL
from agbench.core.workspace import Workspace
from agbench.recommendation.question import LEVELS, Question
from agbench.store.outcome import Status
from agbench.store.reader import read_records
from tests.conftest import environment

EXAMPLE = Path(__file__).parents[1] / "examples" / "own_images.py"
MARGIN, SIZE = 0.05, 64
"""Those of the example."""


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """What the example prints, and the workspace that it leaves."""
    folder = tmp_path_factory.mktemp("example")
    command = [sys.executable, str(EXAMPLE), "patches", "here"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    return Workspace(folder / "here"), done.stdout.splitlines()


def test_the_example_prints_what_its_output_shows(example):
    _, printed = example
    shown = EXAMPLE.with_suffix(".txt").read_text().splitlines()
    assert printed[0] == shown[0]
    assert printed[1].split() == ["model", "level", "bytes", "accuracy"]
    # Numbers differ a little from processor to processor; what there is to read does not.
    assert [line.split()[0] for line in printed[:4]] == [line.split()[0] for line in shown[:4]]
    assert printed[-2] == "here/reports/patches/report.md"


def test_a_full_sweep_confirms_the_answer(example, on_cluster):
    """On real photographs: in a sweep of all levels the one found is safe, the next not, none above harmful."""
    workspace, printed = example
    levels = ",".join(map(str, (ORIGINAL_LEVEL, *LEVELS)))
    probe = ("--models", "probe:efficientnet_lite0", "--levels", levels, "--folds", "5", "--image-size", str(SIZE))
    swept = on_cluster("--workspace", workspace.folder, "run", "--dataset", "patches", *probe)
    assert swept.returncode == 0, swept.stderr
    right = {
        record.condition.train.level: record.correctness.right[None, :]
        for record in read_records(workspace.results)
        if record.status == Status.FINISHED and record.condition.budget.folds == 5
    }
    assert len(right) == 10
    level = Question(margin=MARGIN).one_sided
    base = right[ORIGINAL_LEVEL]
    compared = {one: intervals.compare(right[one], base, MARGIN, level) for one in LEVELS}
    safe = [one for one, found in compared.items() if found.p_not_inferior <= level]
    answers = [line for line in printed if line.startswith(("safe: ", "no level"))]
    if not safe:
        assert answers == ["no level is shown to be safe"]
        return
    found = float(answers[0].removeprefix("safe: jpeg ").partition(",")[0])
    place = LEVELS.index(found)
    assert found in safe
    assert not {*LEVELS[place + 1 : place + 2]} & {*safe}
    # Levels that lie further down may pass by chance: what is lost need not grow with every level.
    assert all(compared[one].difference.high > -MARGIN for one in LEVELS[: place + 1])


def test_results_are_a_table_with_a_row_a_trial(example, agbench, tmp_path):
    workspace, _ = example
    table = package.results(workspace=workspace.folder)
    assert len(table) == len(read_records(workspace.results))
    assert {"condition", "model", "codec", "level", "seed", "status", "reason", "accuracy", "bytes"} <= {*table}
    assert package.results(workspace=workspace.folder, dataset="digits").empty
    for name in ("all.csv", "all.parquet"):
        done = agbench("--workspace", workspace.folder, "export", tmp_path / name)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{len(table)} trials in {tmp_path / name}\n"
    import pandas as pd

    assert pd.read_parquet(tmp_path / "all.parquet")["accuracy"].equals(table["accuracy"])
    done = agbench("--workspace", workspace.folder, "export", tmp_path / "all.xls")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "end it in .parquet or .csv" in done.stderr
