"""What a trial is without agbench: its tables, and the settings of MultiModalPredictor."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pandas as pd

from agbench.core.condition import Budget, Condition, Preprocessing
from agbench.data.dataset import Dataset
from agbench.data.splits import TEST, TRAIN, VALIDATION
from agbench.models import registry, weights
from agbench.studies import conditions, study

DATASET, BACKBONE, LEVEL = "patches", "efficientnet_lite0", 0.3
MODEL = f"automm:{BACKBONE}"


def parts(dataset: Dataset) -> dict[str, pd.DataFrame]:
    """Give image (absolute path) and label of each part of the data set's one variant."""
    home = next((dataset.folder / "variants").glob("jpeg-0.3-*/index.parquet")).parent
    index = pd.read_parquet(home / "index.parquet").set_index("image_id")
    codes = {label: f"class {place:05d}" for place, label in enumerate(dataset.classes)}
    table = pd.DataFrame(
        {
            "image": [str((home / index.loc[one, "file"]).resolve()) for one in dataset.index["image_id"]],
            "label": dataset.index["label"].map(codes),
            "split": dataset.index["split"],
        }
    )
    return {part: table.loc[table["split"] == part, ["image", "label"]] for part in (TRAIN, VALIDATION, TEST)}


def condition(dataset: Dataset, images: Preprocessing, budget: Budget, seed: int) -> Condition:
    """Give agbench's condition of the same training."""
    name, checkpoint = conditions.located(MODEL)
    settings = budget.only(registry.find_model(MODEL)[0].reads)
    return Condition(dataset.name, dataset.fingerprint, images, name, settings, seed, weights=checkpoint)


def hyperparameters(scratch: Path, budget: Budget = study.QUICK) -> dict[str, Any]:
    """Give those of a budget, and of the paper's protocol."""
    return {
        "model.names": ["timm_image"],
        "model.timm_image.checkpoint_name": weights.checkpoint(BACKBONE, scratch / "weights" / BACKBONE),
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
        "env.num_workers": 0,
        "env.num_workers_inference": 0,
    }


def called(
    parts: dict[str, pd.DataFrame], settings: dict[str, Any], seed: int, folder: Path
) -> tuple[float, float]:
    """Make the bare calls, and give the seconds that they take and the test accuracy."""
    from autogluon.multimodal import MultiModalPredictor

    started = time.perf_counter()
    predictor = MultiModalPredictor(
        label="label",
        problem_type="multiclass",
        eval_metric="accuracy",
        validation_metric="accuracy",
        path=str(folder),
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
