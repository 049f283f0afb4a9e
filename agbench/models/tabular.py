"""``tabular``: TabularPredictor on features of the images."""

from __future__ import annotations

import time

from agbench.core.condition import Budget
from agbench.core.errors import unknown
from agbench.models import autogluon_internals, features, table
from agbench.models.registry import Fitted, Task


def check(variant: str, budget: Budget) -> None:
    """Raise `UserError` if a preset or a learner is unknown to TabularPredictor."""
    presets, learners = autogluon_internals.tabular_presets(), autogluon_internals.tabular_learners()
    if budget.preset is not None and budget.preset not in presets:
        raise unknown("preset of TabularPredictor", budget.preset, presets)
    for name in budget.learners or ():
        if name not in learners:
            raise unknown("learner of TabularPredictor", name, learners)


def fit_predict(task: Task) -> Fitted:
    """Fit TabularPredictor on features of a task's training images, and predict its test images.

    Parameters
    ----------
    task : Task
        Images to fit and to predict.

    Returns
    -------
    Fitted

    Raises
    ------
    ModelError
        If no learner could be trained.
    """
    task.on_phase("features")
    started = time.monotonic()
    paths = table.images_of(task)
    made = features.extract(paths, tuple(task.variant.split("+")), task.cpus).set_axis(
        [str(path) for path in paths]
    )
    seconds = {"features": time.monotonic() - started}
    named = task.budget.learners
    learners: dict[str, dict[str, object]] | None = None if named is None else {name: {} for name in named}
    return table.fit_predict(task, made, learners, seconds)
