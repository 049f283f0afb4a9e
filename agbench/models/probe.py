"""``probe``: TabularPredictor's linear model on a frozen backbone's embeddings of the images."""

from __future__ import annotations

import time

import pandas as pd

from agbench.core.condition import Budget
from agbench.models import kept, weights
from agbench.models.registry import IMAGE_SIZE, Fitted, Task


def check(variant: str, budget: Budget) -> None:
    """Raise `UserError` if the backbone's weights are not available."""
    weights.check_available(variant)


def fit_predict(task: Task) -> Fitted:
    """Embed all of a task's images, fit a linear model on its training images, and predict its test images.

    Stronger presets of TabularPredictor take many times as long, and lose accuracy on few images.

    Parameters
    ----------
    task : Task
        Images to fit and to predict; its variant is the backbone, as in `agbench.models.weights.checkpoint`.

    Returns
    -------
    Fitted

    Raises
    ------
    ModelError
        If the linear model could not be trained.
    """
    from agbench.models import table
    from agbench.models.backbone import Backbone, embed

    task.on_phase("features")
    started = time.monotonic()
    paths = table.images_of(task)
    backbone = Backbone.load(task.variant, task.budget.image_size)
    maker = ["embedding", str(backbone.network), backbone.digest(), str(backbone.transform)]
    loaded = time.monotonic() - started
    embedded = kept.compute_once(
        task.kept, maker, paths, lambda some: embed(some, backbone, task.cpus, task.gpus), task.cpus, task.gpus
    )
    made = pd.DataFrame(
        embedded.values,
        index=[str(path) for path in paths],
        columns=[f"embedding_{place}" for place in range(embedded.values.shape[1])],
    )
    fitted = table.fit_linear(task, made, {"features": loaded + embedded.seconds})
    notes = {"backbone": task.variant, IMAGE_SIZE: str(backbone.image_size), kept.COMPUTED_BEFORE: embedded.note}
    notes = {**fitted.notes, **notes}
    return Fitted(fitted.predictions, fitted.curve, fitted.seconds, notes)
