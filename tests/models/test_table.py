from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from autogluon.tabular import TabularPredictor

from agbench.core.condition import Budget
from agbench.models import table
from agbench.models.registry import Task

ROWS = 60


def made_up(tmp_path, classes, *, known, folds=5):
    """Return a task of made-up rows with its table: features that tell the class, or each row alone."""
    generator = np.random.default_rng(0)
    labels = np.arange(ROWS) % classes
    values = generator.normal(size=(ROWS, 8))
    values[:, 0] += 8 * labels if known else 0
    images = pd.DataFrame({"image": [f"{row}.png" for row in range(ROWS)], "label": [f"c{one}" for one in labels]})
    other = images.assign(image=[f"small-{row}.png" for row in range(ROWS)])
    rows = np.concatenate([values, values + 1e-6])
    index = [*images["image"], *other["image"]]
    features = pd.DataFrame(rows.astype(np.float32), index=index, columns=[f"f{place}" for place in range(8)])
    fold = pd.Series(np.arange(ROWS) // classes % folds)
    task = Task("", images, images[:0], (images, other), Budget(folds=folds), 0, tmp_path, cpus=1, folds=fold)
    return task, features


@pytest.mark.parametrize("classes", [2, 3])
def test_each_row_is_predicted_by_the_model_that_did_not_see_it(tmp_path, classes):
    task, features = made_up(tmp_path, classes, known=True)
    fitted = table.fit_linear(task, features, {"features": 1.0})
    same, other = (prediction.probabilities for prediction in fitted.predictions)
    predictor = TabularPredictor.load(str(task.model_folder))
    assert np.array_equal(same.to_numpy(), predictor.predict_proba_oof().to_numpy(), equal_nan=False)
    assert list(same.columns) == sorted(task.train["label"].unique())
    assert np.allclose(same, other, atol=1e-3), "the same rows at another level"
    assert (same.idxmax(axis=1) == task.train["label"]).mean() > 0.9
    assert fitted.notes["learners"] == "LinearModel_BAG_L1"
    assert set(fitted.seconds) == {"features", "fit"}


def test_what_tells_a_row_alone_tells_nothing_of_the_others(tmp_path):
    task, features = made_up(tmp_path, 2, known=False)
    (same, _) = table.fit_linear(task, features, {}).predictions
    right = (same.probabilities.idxmax(axis=1) == task.train["label"]).mean()
    assert 0.2 < right < 0.8, "a model that had seen a row would know it"


def test_the_rows_of_a_test_need_not_be_in_the_order_of_the_folds(tmp_path):
    task, features = made_up(tmp_path, 2, known=True)
    shuffled = np.random.default_rng(1).permutation(ROWS)
    images = task.train.iloc[shuffled].reset_index(drop=True)
    moved = replace(task, train=images, tests=(images,), folds=pd.Series(task.folds.to_numpy()[shuffled]))
    (first, _) = table.fit_linear(task, features, {}).predictions
    (second,) = table.fit_linear(replace(moved, folder=tmp_path / "other"), features, {}).predictions
    assert np.allclose(first.probabilities.to_numpy()[shuffled], second.probabilities, atol=1e-2)


def test_a_class_that_is_in_one_fold_alone_is_never_predicted(tmp_path):
    task, features = made_up(tmp_path, 2, known=True)
    alone = task.train.assign(label=task.train["label"].where(task.folds != 0, "rare"))
    (same, _) = table.fit_linear(replace(task, train=alone, tests=(alone, alone)), features, {}).predictions
    assert list(same.probabilities.columns) == ["c0", "c1", "rare"]
    assert (same.probabilities["rare"][task.folds == 0] == 0).all()


def test_features_that_do_not_vary_give_the_shares_of_the_classes(tmp_path):
    task, features = made_up(tmp_path, 3, known=True)
    (same, _) = table.fit_linear(task, features * 0, {}).predictions
    assert np.allclose(same.probabilities, 1 / 3, atol=0.02)
