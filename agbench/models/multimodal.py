"""``automm``: MultiModalPredictor fine-tunes a backbone on the images."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from agbench.core.condition import Budget
from agbench.core.errors import UserError
from agbench.core.gpu import free_gpu
from agbench.models import autogluon_internals, out_of_fold, weights
from agbench.models.autogluon_internals import (
    PATH_SEPARATOR,
    PER_GPU_BATCH_SIZE,
    preset_backbone,
)
from agbench.models.registry import (
    FEWEST_FOLDS,
    IMAGE,
    LABEL,
    Fitted,
    ModelError,
    OutOfTimeError,
    Task,
    predictions,
)


def check(variant: str, budget: Budget) -> None:
    """Raise `UserError` if folds are too few, the preset is unknown, or the backbone's weights are missing."""
    if budget.folds is not None and budget.folds < FEWEST_FOLDS:
        raise UserError(
            f"{budget.folds} folds leave a network nothing to train on or to be validated on: "
            f"use --folds {FEWEST_FOLDS} or more"
        )
    backbone = variant
    # AutoMM takes seconds to import, and is only asked for its presets.
    if budget.preset is not None or not variant:
        try:
            backbone = preset_backbone(budget.preset)
        except ValueError as error:
            raise UserError(f"MultiModalPredictor has no preset {budget.preset!r}: {error}") from error
    weights.check_available(variant or backbone)


def fit_predict(task: Task) -> Fitted:
    """Fine-tune on a task's training images, and predict its test images.

    The number of epochs is exact: AutoMM's early stopping is taken out, its threshold too, which ends the
    training at a validation accuracy of 1. Validation follows every epoch, and the checkpoint of the
    epoch with the best validation accuracy is kept (the first of equals).

    With folds, a network is trained for each of them, with a seed of its own; the next fold validates it.

    Parameters
    ----------
    task : Task
        Images to fit and to predict.

    Returns
    -------
    Fitted
        With folds, as `agbench.models.out_of_fold.merged` says.

    Raises
    ------
    ModelError
        If an epoch is missing, or AutoMM could not read an image.
    """
    if task.folds is None:
        return _fit(task, task.budget.time_limit)
    limit = task.budget.time_limit
    fitted: list[Fitted] = []
    for one in out_of_fold.tasks(task, with_validation=True):
        left = None if limit is None else limit - sum(other.seconds["fit"] for other in fitted)
        if left is not None and left <= 0:
            raise OutOfTimeError(f"training ended after {len(fitted)} folds (time limit {limit:g} s)")
        fitted.append(_fit(_as_training_of_its_own(one, sum(len(other.curve) for other in fitted)), left))
        free_gpu()
    return out_of_fold.merged(task, fitted)


def _as_training_of_its_own(task: Task, epochs: int) -> Task:
    """Return a fold's task with a seed of its own, and with its epochs counted after those of the folds before."""
    return replace(
        task,
        seed=int(np.random.SeedSequence([task.seed, task.fold or 0]).generate_state(1)[0]),
        on_epoch=lambda epoch, accuracy: task.on_epoch(epochs + epoch, accuracy),
    )


def _fit(task: Task, time_limit: float | None) -> Fitted:
    from autogluon.multimodal import MultiModalPredictor

    from agbench.models.callbacks import Augmentations, Curve, FastestLayout

    paths = pd.concat([task.train, task.validation, *task.tests])[IMAGE]
    if paths.str.contains(PATH_SEPARATOR, regex=False).any():
        raise ModelError(f"AutoMM can't take a path with {PATH_SEPARATOR!r} in it: {paths.iloc[0]}")
    replaced = autogluon_internals.ReplacedImages(task.folder / "unread.txt")
    predictor = MultiModalPredictor(
        label=LABEL,
        problem_type=task.problem_type,
        eval_metric="accuracy",
        validation_metric="accuracy",
        presets=task.budget.preset,
        path=str(task.model_folder),
        verbosity=3,
        enable_progress_bar=False,
    )
    curve = Curve(task)
    autogluon_internals.train_exactly_all_epochs(predictor, [FastestLayout(), Augmentations(task.seed), curve])
    settings = _settings(task)
    task.on_phase("fit")
    started = time.monotonic()
    predictor.fit(
        task.train[[IMAGE, LABEL]],
        tuning_data=task.validation[[IMAGE, LABEL]],
        hyperparameters=settings,
        column_types={IMAGE: "image_path"},
        time_limit=time_limit,
        seed=task.seed,
    )
    trained = time.monotonic()
    task.on_phase("predict")
    predicted = predictions(lambda test: predictor.predict_proba(test[[IMAGE]], as_pandas=True), task.tests)
    epochs = task.budget.epochs
    if epochs is not None and len(curve.accuracies) != epochs:
        message = f"training ended after {len(curve.accuracies)} of {epochs} epochs"
        if time_limit is None:
            raise ModelError(message)
        raise OutOfTimeError(f"{message} (time limit {task.budget.time_limit:g} s)")
    replaced.check_none()
    backbone = settings.get("model.timm_image.checkpoint_name") or preset_backbone(task.budget.preset)
    return Fitted(
        predictions=predicted,
        curve=tuple(curve.accuracies),
        seconds={"fit": trained - started},
        notes={
            "backbone": Path(backbone).name if task.variant in weights.PACKAGED else backbone,
            "parameters": str(predictor.total_parameters),
        },
    )


def _settings(task: Task) -> dict[str, Any]:
    budget = task.budget
    settings: dict[str, Any] = {
        "model.names": ["timm_image"],
        "data.image.missing_value_strategy": "skip",
        "optim.val_check_interval": 1.0,
        "optim.top_k": 1,
        "optim.top_k_average_method": "best",
        "env.num_gpus": task.gpus,
        "env.num_workers": task.loaders,
        "env.num_workers_inference": task.loaders,
    }
    if task.variant:
        name = weights.checkpoint(task.variant, task.folder / "weights" / task.variant)
        settings["model.timm_image.checkpoint_name"] = name
    if budget.epochs is not None:
        settings["optim.max_epochs"] = budget.epochs
    if budget.learning_rate is not None:
        settings["optim.lr"] = budget.learning_rate
    if budget.batch_size is not None:
        settings["env.batch_size"] = budget.batch_size
    per_gpu = budget.batch_size or PER_GPU_BATCH_SIZE
    if task.halvings:
        per_gpu = max(per_gpu >> task.halvings, 1)
    if budget.batch_size is not None or task.halvings:
        # AutoMM accumulates gradients from this to ``env.batch_size``.
        settings["env.per_gpu_batch_size"] = per_gpu
    if budget.image_size is not None:
        settings["model.timm_image.image_size"] = budget.image_size
    return settings
