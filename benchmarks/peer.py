"""A sweep, against the run script of autogluon-bench for MultiModalPredictor, once for each trial.

It needs an environment with the same AutoGluon and ``autogluon.bench``, whose Python `PYTHON` names.
"""

from __future__ import annotations

import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import agbench
from agbench.data.dataset import Dataset
from agbench.data.splits import TEST, TRAIN, VALIDATION
from benchmarks import bare
from benchmarks.row import Row

PYTHON = "AGBENCH_PEER_PYTHON"
SEEDS = range(5)
SCRIPT = "autogluon.bench.frameworks.multimodal.exec"
LOADER = """
import pandas as pd

class Variant:
    problem_type, metric = "multiclass", "accuracy"
    label_columns, image_columns, text_columns = ["label"], ["image"], []

    def __init__(self, dataset_name, split, folder):
        self.data = pd.read_csv(f"{folder}/{split}.csv", dtype=str)
"""


def rows() -> Iterator[Row]:
    """Measure both, each as its user starts it; nothing where there is no such environment."""
    python = os.environ.get(PYTHON)
    if python is None:
        return
    with tempfile.TemporaryDirectory() as scratch:
        done = {workers: _swept(Path(scratch) / f"ours-{workers}", workers) for workers in (1, None)}
        dataset, _, _ = done[1]
        folder = Path(scratch)
        for split, part in zip(("train", "val", "test"), (TRAIN, VALIDATION, TEST), strict=True):
            bare.parts(dataset)[part].to_csv(folder / f"{split}.csv", index=False)
        (folder / "loader.py").write_text(LOADER)
        settings = bare.hyperparameters(folder)  # makes the checkpoint, which the script is given
        seconds, accuracies = [], []
        for seed in SEEDS:
            started = time.perf_counter()
            accuracies.append(_accuracy(python, folder, settings, seed))
            seconds.append(time.perf_counter() - started)
    theirs = statistics.mean(seconds)
    for workers, (_, ours, reached) in done.items():
        how = "at once as by default" if workers is None else "one at a time, as the script has it"
        equal = [round(one, 6) for one in reached] == [round(one, 6) for one in accuracies]
        yield Row(
            f"{len(SEEDS)} trials of {bare.MODEL} on {bare.DATASET}, {how}; "
            f"`agbench run` from its start to its end, each; "
            f"accuracies with equal seeds are {'equal' if equal else 'not equal'}",
            f"{ours:.1f} s",
            f"autogluon-bench's run script: {theirs:.1f} s",
            ours / theirs,
            "at most 0.6",
        )


def _swept(folder: Path, workers: int | None) -> tuple[Dataset, float, list[float]]:
    """Run the trials in a workspace of their own, and give its data set, the seconds of each, and accuracies."""
    dataset = agbench.load_dataset(bare.DATASET, workspace=folder)
    # The variant is made before, as it is for the script.
    agbench.run(dataset, workspace=folder, models="tabular:pixels", levels=bare.LEVEL, quick=True)
    command = [sys.executable, "-m", "agbench", "--workspace", str(folder), "run", "--quick"]
    command += ["--dataset", bare.DATASET, "--models", bare.MODEL, "--levels", str(bare.LEVEL)]
    command += ["--seeds", ",".join(map(str, SEEDS))]
    command += [] if workers is None else ["--workers", str(workers)]
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    seconds = (time.perf_counter() - started) / len(SEEDS)
    done = agbench.results(workspace=folder)
    ours = done[done["model"] == bare.MODEL].sort_values("seed")
    return dataset, seconds, ours["accuracy"].tolist()


def _accuracy(python: str, folder: Path, settings: dict[str, Any], seed: int) -> float:
    loader = {"dataloader_file": str(folder / "loader.py"), "class_name": "Variant", "folder": str(folder)}
    params = {
        "seed": seed,
        "hyperparameters": settings,
        "predictor_args": {"validation_metric": "accuracy", "enable_progress_bar": False},
        "fit_args": {"column_types": {"image": "image_path"}},
    }
    run = folder / f"peer-{seed}"
    command = [
        python,
        "-m",
        SCRIPT,
        "--dataset_name",
        "variant",
        "--framework",
        "AutoGluon",
        "--constraint",
        "none",
    ]
    command += ["--benchmark_dir", str(run), "--metrics_dir", str(run / "metrics")]
    command += ["--custom_dataloader", json.dumps(loader), "--params", json.dumps(params)]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    (file,) = (run / "metrics").rglob("results.csv")
    with file.open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    return float(row["result"])
