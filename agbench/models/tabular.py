"""``tabular``: TabularPredictor on features of the images."""

from __future__ import annotations

import time

from autogluon.tabular.configs.presets_configs import tabular_presets_alias, tabular_presets_dict
from autogluon.tabular.registry import ag_model_registry

from agbench.core.condition import Budget
from agbench.core.errors import look_up, unknown
from agbench.models import features, table
from agbench.models.registry import Fitted, Task


def check(variant: str, budget: Budget) -> None:
    """Raise `UserError` where a preset or a learner is unknown to TabularPredictor."""
    if budget.preset is not None:
        look_up("preset of TabularPredictor", budget.preset, {**tabular_presets_dict, **tabular_presets_alias})
    for name in budget.learners or ():
        if name not in ag_model_registry.keys:
            raise unknown("learner of TabularPredictor", name, ag_model_registry.keys)


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
    return table.fit_predict(task, made, task.budget.learners, {"features": time.monotonic() - started})
