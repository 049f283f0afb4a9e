"""One look of `recommend`: a probe with five folds, against a plain script of timm and scikit-learn."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import timm
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from timm.data import create_transform, resolve_model_data_config

from agbench.core.condition import Budget
from agbench.core.environment import available_cpus
from agbench.data.splits import folds
from agbench.models import probe, weights
from agbench.models.registry import Task
from benchmarks import photographs
from benchmarks.row import Row, paired

BACKBONE, COUNT, FOLDS, BATCH, REPEATS = "efficientnet_lite0", 276, 5, 32, 3


def plain(paths: Sequence[Path], labels: Sequence[str]) -> np.ndarray:
    """Predict each image out of fold, as people write it: embed in batches, scale, fit a logistic regression."""
    packaged = weights.PACKAGED[BACKBONE]
    network = timm.create_model(packaged.architecture, pretrained=False)
    network.load_state_dict(weights.state_dict(packaged))
    network.reset_classifier(0)
    network.eval()
    transform = create_transform(**resolve_model_data_config(network), is_training=False)
    embedded = []
    with torch.inference_mode():
        for start in range(0, len(paths), BATCH):
            batch = [transform(Image.open(path).convert("RGB")) for path in paths[start : start + BATCH]]
            embedded.append(network(torch.stack(batch)).numpy())
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return np.asarray(cross_val_predict(model, np.concatenate(embedded), labels, cv=StratifiedKFold(FOLDS)))


def ours(paths: Sequence[Path], labels: Sequence[str]) -> np.ndarray:
    """Predict the same by agbench."""
    table = pd.DataFrame({"image": [str(path) for path in paths], "label": labels})
    fold = folds(table["label"], table["image"], FOLDS, seed=0)
    with tempfile.TemporaryDirectory() as scratch:
        task = Task(
            variant=BACKBONE,
            train=table,
            validation=table[:0],
            tests=(table,),
            budget=Budget(folds=FOLDS),
            seed=0,
            folder=Path(scratch),
            cpus=available_cpus(),
            folds=fold,
        )
        (prediction,) = probe.fit_predict(task).predictions
    return prediction.probabilities.idxmax(axis="columns").to_numpy()


def rows() -> Iterator[Row]:
    """Measure both in turn, on crops of six photographs that are to be told apart."""
    with tempfile.TemporaryDirectory() as scratch:
        paths = photographs.write(Path(scratch), COUNT)
        labels = [f"photograph {number % len(photographs.photographs())}" for number in range(COUNT)]
        plain(paths[:BATCH], labels[:BATCH])  # imports, and the first use of the cores
        ours(paths[:BATCH], labels[:BATCH])
        seconds = paired({"plain": lambda: plain(paths, labels), "ours": lambda: ours(paths, labels)}, REPEATS)
    yield Row(
        f"one look at {COUNT} photographs, {BACKBONE} at 224 pixels, {FOLDS} folds, {available_cpus()} cores",
        f"{seconds['ours']:.1f} s",
        f"a plain script of timm and scikit-learn: {seconds['plain']:.1f} s",
        seconds["ours"] / seconds["plain"],
        "at most 0.65",
    )
