"""``tabular``: TabularPredictor on features of the images."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
from autogluon.core.models import AbstractModel
from autogluon.tabular import TabularPredictor
from autogluon.tabular.configs.presets_configs import tabular_presets_alias, tabular_presets_dict
from autogluon.tabular.registry import ag_model_registry

from agbench.condition import Budget
from agbench.errors import look_up, unknown
from agbench.models import features
from agbench.models.registry import Fitted, ModelError, Task, predictions

LABEL = "label"


def check(variant: str, budget: Budget) -> None:
    """Raise `UserError` where a preset or a learner is unknown to TabularPredictor."""
    if budget.preset is not None:
        look_up("preset of TabularPredictor", budget.preset, {**tabular_presets_dict, **tabular_presets_alias})
    for name in budget.learners or ():
        if name not in ag_model_registry.keys:
            raise unknown("learner of TabularPredictor", name, ag_model_registry.keys)


def fit_predict(task: Task) -> Fitted:
    """Fit TabularPredictor on features of a task's training images, and predict its test images.

    Learners that are named in the budget must all be trained; of AutoGluon's own choice, those that
    failed are noted.

    Parameters
    ----------
    task : Task
        What to fit.

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
    parts = [task.train, task.validation, *task.tests]
    images = pd.concat(parts, ignore_index=True)
    table = features.extract([Path(path) for path in images["image"]], tuple(task.variant.split("+")), task.cpus)
    table[LABEL] = images[LABEL]
    starts = np.cumsum([len(part) for part in parts])[:-1]
    train, validation, *tests = (table.loc[rows] for rows in np.split(np.asarray(table.index), starts))
    extracted = time.monotonic()
    # AutoGluon's models take their seed from here; no argument of fit sets it for all of them.
    AbstractModel.default_random_seed = task.seed
    predictor = TabularPredictor(
        label=LABEL,
        problem_type=task.problem_type,
        eval_metric="accuracy",
        path=str(task.model_folder),
        verbosity=2,
    )
    learners = task.budget.learners
    task.on_phase("fit")
    predictor.fit(
        train,
        tuning_data=validation,
        use_bag_holdout=True,
        presets=task.budget.preset,
        hyperparameters=None if learners is None else {name: {} for name in learners},
        time_limit=task.budget.time_limit,
        raise_on_model_failure=learners is not None,
        num_cpus=task.cpus,
        num_gpus=0,
    )
    trained = time.monotonic()
    if not predictor.model_names():
        raise ModelError("TabularPredictor trained no model; its log says why")
    task.on_phase("predict")
    predicted = predictions(
        lambda test: predictor.predict_proba(test.drop(columns=LABEL), as_multiclass=True), tests
    )
    return Fitted(
        predictions=predicted,
        curve=(),
        seconds={
            "features": extracted - started,
            "fit": trained - extracted,
        },
        notes={
            "features": str(train.shape[1] - 1),
            "best": predictor.model_best,
            "learners": ", ".join(predictor.model_names()),
            "failed": _failures(predictor.model_failures()),
        },
    )


def _failures(failures: pd.DataFrame) -> str:
    return "; ".join(
        f"{row.model}: {row.exc_type}" for row in failures.itertuples() if getattr(row, "model", None)
    )
