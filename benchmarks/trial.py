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
from benchmarks.row import Row

DATASET, MODEL, LEVEL, TRIALS = "patches", "automm:efficientnet_lite0", 0.3, 4
"""The first of the trials warms up, in both ways, and is not counted."""


def rows() -> Iterator[Row]:
    """Measure both in one run, one after the other."""
    with tempfile.TemporaryDirectory() as scratch:
        dataset = agbench.load_dataset(DATASET, workspace=scratch)
        seeds = range(TRIALS)
        done = agbench.run(dataset, workspace=scratch, models=[MODEL], levels=[LEVEL], seeds=seeds)
        done = done.sort_values("started")
        variant = next((dataset.folder / "variants").glob("*/index.parquet")).parent
        index = pd.read_parquet(variant / "index.parquet").set_index("image_id")
        table = dataset.index.assign(
            image=[str(variant / index.loc[one, "file"]) for one in dataset.index["image_id"]],
            label=dataset.index["label"].map({label: f"class {n:05d}" for n, label in enumerate(dataset.classes)}),
        )
        bare = [_bare(table, seed, Path(scratch)) for seed in seeds]
        ours = statistics.median(done["wall_seconds"].iloc[1:])
        theirs = statistics.median(seconds for seconds, _ in bare[1:])
        same = done["accuracy"].tolist() == [accuracy for _, accuracy in bare]
        yield Row(
            f"{MODEL} on {DATASET}, {study.QUICK.epochs} epochs at {study.QUICK.image_size} pixels, in a warm "
            f"worker; accuracies with equal seeds are {'equal' if same else 'NOT equal'}",
            f"{ours:.1f} s",
            f"bare AutoGluon calls: {theirs:.1f} s",
            ours / theirs,
            "at most 1.05",
        )


def _bare(table: pd.DataFrame, seed: int, scratch: Path) -> tuple[float, float]:
    from autogluon.multimodal import MultiModalPredictor

    from agbench.models import weights

    budget = study.QUICK
    parts: dict[str, Any] = {
        part: table.loc[table["split"] == part, ["image", "label"]] for part in (TRAIN, VALIDATION, TEST)
    }
    name = weights.checkpoint(MODEL.partition(":")[2], scratch / "weights" / MODEL.partition(":")[2])
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
        hyperparameters={
            "model.names": ["timm_image"],
            "model.timm_image.checkpoint_name": name,
            "model.timm_image.image_size": budget.image_size,
            "data.image.missing_value_strategy": "skip",
            "optim.val_check_interval": 1.0,
            "optim.top_k": 1,
            "optim.top_k_average_method": "best",
            "optim.max_epochs": budget.epochs,
            "optim.lr": budget.learning_rate,
            "env.batch_size": budget.batch_size,
            "env.per_gpu_batch_size": budget.batch_size,
            "env.num_gpus": 0,
            "env.num_workers": budget.loaders,
            "env.num_workers_inference": budget.loaders,
        },
    )
    probabilities = predictor.predict_proba(parts[TEST][["image"]], as_pandas=True)
    taken = time.perf_counter() - started
    right = probabilities.idxmax(axis="columns").to_numpy() == parts[TEST]["label"].to_numpy()
    return taken, float(right.mean())
