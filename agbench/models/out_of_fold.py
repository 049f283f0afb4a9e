"""Tasks that are folds: every image is predicted by a model that was fitted without its fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from agbench.models.registry import LABEL, Fitted, Prediction, Task


def tasks(task: Task, with_validation: bool = False) -> list[Task]:
    """Return the task of each fold: its images are the tests, and the others train.

    Parameters
    ----------
    task : Task
        A task with folds.
    with_validation : bool
        Whether the next fold validates instead of training. Its images of classes that are not in the training are
        left out: the model has no number for these.

    Returns
    -------
    list of Task
        In the order of folds.
    """
    of_row = np.asarray(task.folds)
    numbers = np.unique(of_row)
    made = []
    for number, following in zip(numbers, np.roll(numbers, -1), strict=True):
        held, validates = of_row == number, (of_row == following) & with_validation
        train, validation = task.train[~held & ~validates], task.train[validates]
        known = validation[LABEL].isin(train[LABEL])
        tests = tuple(test[held] for test in task.tests)
        made.append(
            replace(task, train=train, validation=validation[known], tests=tests, folds=None, fold=int(number))
        )
    return made


def merged(task: Task, fitted: Sequence[Fitted]) -> Fitted:
    """Return the predictions of all images from those of each fold.

    Parameters
    ----------
    task : Task
        A task with folds.
    fitted : sequence of Fitted
        What each of its `tasks` gave, in their order.

    Returns
    -------
    Fitted
        The curve is the mean over folds at each epoch, up to the last one of the shortest. Seconds are sums, and
        notes are those of the first fold.
    """
    classes = sorted(task.train[LABEL].unique())
    predictions = tuple(
        Prediction(
            # A class that no image of a fold's training has is unknown to the model that predicts it.
            pd.concat([one.probabilities for one in part]).reindex(columns=classes).fillna(0.0).sort_index(),
            sum(one.seconds for one in part),
        )
        for part in zip(*(one.predictions for one in fitted), strict=True)
    )
    curve = tuple(float(np.mean(epoch)) for epoch in zip(*(one.curve for one in fitted), strict=False))
    seconds = {name: sum(one.seconds[name] for one in fitted) for name in fitted[0].seconds}
    return Fitted(predictions, curve, seconds, fitted[0].notes)
