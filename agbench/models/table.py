"""TabularPredictor on a table with one row per image: features, or a backbone's embeddings."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from autogluon.features.generators import IdentityFeatureGenerator
from autogluon.tabular import TabularPredictor
from threadpoolctl import threadpool_limits

from agbench.models import autogluon_internals, out_of_fold, registry
from agbench.models.registry import FOLD, LABEL, Fitted, GpuMemoryError, ModelError, Prediction, Task, predictions

LINEAR = {"LR": {"proc.skew_threshold": 1e9}}
"""TabularPredictor's linear model on columns of mean 0 and variance 1, its hyperparameters by its key.

By default, it gives skewed columns a normal distribution instead. Nearly all of an embedding's are skewed: that
takes most of the time, and accuracies are alike.
"""

ONE_FOLD_AT_A_TIME = {"fold_fitting_strategy": "sequential_local"}
"""Of AutoGluon's bagging: by default, each fold is fitted by a Ray worker of its own."""


def images_of(task: Task) -> list[Path]:
    """Return the paths of all of a task's images, each once."""
    parts = (task.train, task.validation, *task.tests)
    return [Path(path) for path in dict.fromkeys(path for part in parts for path in part["image"])]


def fit_predict(
    task: Task,
    table: pd.DataFrame,
    learners: Mapping[str, dict[str, Any]] | None,
    seconds: dict[str, float],
    generator: Any = "auto",
) -> Fitted:
    """Fit TabularPredictor on rows of a table, and predict a task's test images.

    Every learner in `learners` must be trained; failures among AutoGluon's own choice are only noted.

    Parameters
    ----------
    task : Task
        Images to fit and to predict.
    table : DataFrame of float32
        One row per image, indexed by its path.
    learners : mapping of str to dict, optional
        Hyperparameters by TabularPredictor's keys of learners, such as ``"GBM"``; by default it chooses.
    seconds : dict of str to float
        Seconds for computing the table, by phase.
    generator : str or AbstractFeatureGenerator
        What AutoGluon makes of the columns before learners see them, as ``feature_generator`` of its ``fit``.

    Returns
    -------
    Fitted
        With folds, as `agbench.models.out_of_fold.merged` says.

    Raises
    ------
    ModelError
        If no learner could be trained, or one lacked a GPU's memory (`GpuMemoryError`).
    """
    if task.folds is None:
        fitted = _fit(task, table, learners, generator)
    else:
        of_folds = [_fit(one, table, learners, generator) for one in out_of_fold.tasks(task)]
        fitted = out_of_fold.merged(task, of_folds)
    return replace(fitted, seconds={**seconds, **fitted.seconds})


def fit_linear(task: Task, table: pd.DataFrame, seconds: dict[str, float]) -> Fitted:
    """Fit TabularPredictor's linear model on rows of a table, and predict a task's test images.

    Folds are fitted in one call, by AutoGluon's bagging with ``groups``: each model is fitted on all images of the
    other folds. None of these is held out for validation, which a linear model does not need.

    Parameters
    ----------
    task, table, seconds
        As for `fit_predict`.

    Returns
    -------
    Fitted

    Raises
    ------
    ModelError
        If the model could not be trained.
    """
    # Matrices are small: more than one thread waits more than it computes.
    with threadpool_limits(1, "blas"):
        if task.folds is None:
            return fit_predict(task, table, LINEAR, seconds, IdentityFeatureGenerator())
        # AutoGluon's bagging does not expect a class that is in one fold alone: its model does not know it.
        in_one = (task.folds.groupby(task.train[LABEL]).nunique() < 2).any()
        if in_one or _is_constant(_rows(table, task.train)):
            return fit_predict(task, table, LINEAR, seconds)
        return _fit_folds_at_once(task, table, task.folds.to_numpy(), seconds)


def _fit_folds_at_once(
    task: Task, table: pd.DataFrame, fold: npt.NDArray[np.int64], seconds: dict[str, float]
) -> Fitted:
    predictor = _predictor(task, groups=FOLD)  # the column by which AutoGluon bags
    task.on_phase("fit")
    started = time.monotonic()
    predictor.fit(
        _rows(table, task.train).assign(**{FOLD: fold}),
        hyperparameters=LINEAR,
        num_bag_folds=len(np.unique(fold)),
        num_bag_sets=1,
        num_stack_levels=0,
        fit_weighted_ensemble=False,
        # Ray, which is the default here, starts workers beside those of the sweep.
        ag_args_ensemble=ONE_FOLD_AT_A_TIME,
        # All columns are numbers: there is nothing to generate.
        feature_generator=IdentityFeatureGenerator(),
        time_limit=task.budget.time_limit,
        raise_on_model_failure=True,
        num_cpus=task.cpus,
        num_gpus=_gpus(task),
    )
    fitted = time.monotonic()
    task.on_phase("predict")
    predicted = predictions(
        lambda test: autogluon_internals.predict_each_by_its_fold(
            predictor, _rows(table, test).drop(columns=LABEL), fold
        ),
        task.tests,
    )
    return Fitted(predicted, (), {**seconds, "fit": fitted - started}, _notes(table, predictor))


def _predictor(task: Task, **more: Any) -> TabularPredictor:
    autogluon_internals.seed_learners(task.seed)
    autogluon_internals.look_up_versions_once()
    return TabularPredictor(
        label=LABEL,
        problem_type=task.problem_type,
        eval_metric="accuracy",
        path=str(task.model_folder),
        verbosity=2,
        # By default, classes with fewer than ten images are left out of the training without an error.
        learner_kwargs={"label_count_threshold": 1},
        **more,
    )


def _fit(task: Task, table: pd.DataFrame, learners: Mapping[str, dict[str, Any]] | None, generator: Any) -> Fitted:
    predictor = _predictor(task)
    task.on_phase("fit")
    started = time.monotonic()
    rows = _rows(table, task.train)
    if _is_constant(rows):
        notes = {"features": "0", "best": "none: no feature varies"}
        return Fitted(_prior(task.train, task.tests), (), {"fit": time.monotonic() - started}, notes)
    held_out: dict[str, Any] = {}
    if not task.validation.empty:
        held_out = {"tuning_data": _rows(table, task.validation), "use_bag_holdout": True}
    # Ray would let each fold wait for the GPU that this trial holds.
    strategy = {"ag_args_ensemble": ONE_FOLD_AT_A_TIME} if task.gpus else {}
    predictor.fit(
        rows,
        presets=task.budget.preset,
        hyperparameters=None if learners is None else dict(learners),
        time_limit=task.budget.time_limit,
        raise_on_model_failure=learners is not None,
        num_cpus=task.cpus,
        num_gpus=_gpus(task),
        feature_generator=generator,
        **held_out,
        **strategy,
    )
    fitted = time.monotonic()
    _check_gpu_memory(predictor.model_failures())
    if not predictor.model_names():
        raise ModelError("TabularPredictor trained no model; its log says why")
    task.on_phase("predict")
    predicted = predictions(
        lambda test: predictor.predict_proba(_rows(table, test).drop(columns=LABEL), as_multiclass=True),
        task.tests,
    )
    return Fitted(predicted, (), {"fit": fitted - started}, _notes(table, predictor))


def _gpus(task: Task) -> str | int:
    """Return ``"auto"`` for a trial with a GPU: AutoGluon gives it to the learners that gain by it.

    A number would give it to all: also to XGBoost, which is installed without CUDA, and to LightGBM and CatBoost,
    of whose accuracy AutoGluon then warns (``AbstractModel.default_num_gpus``).
    """
    return "auto" if task.gpus else 0


def _notes(table: pd.DataFrame, predictor: TabularPredictor) -> dict[str, str]:
    return {
        "features": str(table.shape[1]),
        "best": predictor.model_best,
        "learners": ", ".join(predictor.model_names()),
        "failed": _failures(predictor.model_failures()),
    }


def _prior(train: pd.DataFrame, tests: tuple[pd.DataFrame, ...]) -> tuple[Prediction, ...]:
    """Predict the classes' shares for every image, as no feature varies."""
    shares = train[LABEL].value_counts(normalize=True).sort_index()
    return tuple(
        Prediction(pd.DataFrame([shares.to_dict()] * len(test), index=test.index, columns=shares.index), 0.0)
        for test in tests
    )


def _is_constant(rows: pd.DataFrame) -> bool:
    values = rows.drop(columns=LABEL).to_numpy()
    return bool((values == values[0]).all())


def _rows(table: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    rows = table.loc[images["image"]].set_axis(images.index)
    rows[LABEL] = images[LABEL]
    return rows


def _check_gpu_memory(failures: pd.DataFrame) -> None:
    """Raise `GpuMemoryError` where a learner lacked a GPU's memory: other trials may have held it."""
    for row in failures.itertuples():
        if registry.lacked_gpu_memory(str(row.exc_str)):
            raise GpuMemoryError(f"{row.model}: {row.exc_str}")


def _failures(failures: pd.DataFrame) -> str:
    return "; ".join(
        f"{row.model}: {row.exc_type}" for row in failures.itertuples() if getattr(row, "model", None)
    )
