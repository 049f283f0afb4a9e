"""A trial in a warm worker, against the bare AutoGluon calls with the same settings and data."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

import agbench
from agbench import study
from agbench.data.dataset import TEST, TRAIN, VALIDATION
from benchmarks import bare
from benchmarks.row import Row

TRIALS = 4
"""The first of them warms up, in both ways, and is not counted."""


def rows() -> Iterator[Row]:
    """Measure both in one run, one after the other."""
    with tempfile.TemporaryDirectory() as scratch:
        dataset = agbench.load_dataset(bare.DATASET, workspace=scratch)
        seeds = range(TRIALS)
        done = agbench.run(dataset, workspace=scratch, models=[bare.MODEL], levels=[bare.LEVEL], seeds=seeds)
        done = done.sort_values("started")
        parts, settings = bare.parts(dataset), bare.hyperparameters(Path(scratch))
        calls = [_called(parts, settings, seed, Path(scratch)) for seed in done["seed"]]
        ours = statistics.median(done["wall_seconds"].iloc[1:])
        theirs = statistics.median(seconds for seconds, _ in calls[1:])
        same = done["accuracy"].tolist() == [accuracy for _, accuracy in calls]
        yield Row(
            f"{bare.MODEL} on {bare.DATASET}, {study.QUICK.epochs} epochs at {study.QUICK.image_size} pixels, "
            f"in a warm worker; accuracies with equal seeds are {'equal' if same else 'NOT equal'}",
            f"{ours:.1f} s",
            f"bare AutoGluon calls: {theirs:.1f} s",
            ours / theirs,
            "at most 1.05",
        )


def _called(
    parts: dict[str, pd.DataFrame], settings: dict[str, Any], seed: int, scratch: Path
) -> tuple[float, float]:
    from autogluon.multimodal import MultiModalPredictor

    started = time.perf_counter()
    predictor = MultiModalPredictor(
        label="label",
        problem_type="multiclass",
        eval_metric="accuracy",
        validation_metric="accuracy",
        path=str(scratch / f"bare-{seed}"),
        enable_progress_bar=False,
    )
    predictor.fit(
        parts[TRAIN],
        tuning_data=parts[VALIDATION],
        column_types={"image": "image_path"},
        seed=seed,
        hyperparameters=dict(settings),
    )
    probabilities = predictor.predict_proba(parts[TEST][["image"]], as_pandas=True)
    taken = time.perf_counter() - started
    right = probabilities.idxmax(axis="columns").to_numpy() == parts[TEST]["label"].to_numpy()
    return taken, float(right.mean())
