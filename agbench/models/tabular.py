"""``tabular``: TabularPredictor on features of the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from agbench.core.condition import Budget
from agbench.core.errors import unknown
from agbench.models import autogluon_internals, features, kept
from agbench.models.registry import Fitted, Task


def check(variant: str, budget: Budget) -> None:
    """Raise `UserError` if a preset or a learner is unknown to TabularPredictor."""
    # TabularPredictor takes seconds to import.
    if budget.preset is not None and budget.preset not in (presets := autogluon_internals.tabular_presets()):
        raise unknown("preset of TabularPredictor", budget.preset, presets)
    if budget.learners:
        learners = autogluon_internals.tabular_learners()
        for name in budget.learners:
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
    from agbench.models import table

    task.on_phase("features")
    paths = table.images_of(task)
    parts = [_features(name, paths, task) for name in task.variant.split("+")]
    made = pd.concat([part for part, _ in parts], axis="columns")
    seconds = {"features": sum(computed.seconds for _, computed in parts)}
    named = task.budget.learners
    learners: dict[str, dict[str, object]] | None = None if named is None else {name: {} for name in named}
    fitted = table.fit_predict(task, made, learners, seconds)
    return replace(
        fitted, notes={**fitted.notes, kept.COMPUTED_BEFORE: ", ".join(computed.note for _, computed in parts)}
    )


def _features(name: str, paths: Sequence[Path], task: Task) -> tuple[pd.DataFrame, kept.Computed]:
    """Return one extractor's features of images, by their paths."""

    def compute(some: list[Path]) -> kept.Values:
        return features.extract(some, (name,), task.cpus).to_numpy(np.float32)

    computed = kept.compute_once(task.kept, [name], paths, compute, task.cpus)
    columns = features.EXTRACTORS[name].names
    return pd.DataFrame(computed.values, index=[str(path) for path in paths], columns=columns), computed
