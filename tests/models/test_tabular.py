from __future__ import annotations

import pytest
from autogluon.tabular import TabularPredictor

from agbench.core.condition import Budget
from agbench.core.errors import UserError
from agbench.models import tabular


@pytest.mark.parametrize("classes", [("coffee", "grass"), ("brick", "coffee", "grass")])
def test_tabular_learns_and_says_what_it_used(make_task, classes):
    task = make_task(classes, Budget(learners=("XT",)), variant="dct")
    fitted = tabular.fit_predict(task)
    assert set(fitted.predictions[0].probabilities.columns) == set(classes)
    right = fitted.predictions[0].probabilities.idxmax(axis=1).to_numpy() == task.tests[0]["label"].to_numpy()
    assert right.mean() >= 0.75
    assert fitted.curve == ()
    assert fitted.notes["features"] == "384"
    assert "ExtraTrees" in fitted.notes["learners"]
    assert set(fitted.seconds) == {"features", "fit"}
    assert fitted.predictions[0].seconds > 0


def test_the_seed_reaches_the_learners(make_task):
    task = make_task(budget=Budget(learners=("XT",)), seed=7, variant="pixels")
    tabular.fit_predict(task)
    predictor = TabularPredictor.load(str(task.model_folder))
    assert predictor._trainer.load_model("ExtraTrees").model.random_state == 7


@pytest.mark.parametrize("budget", [Budget(learners=("RF", "NOPE")), Budget(preset="NOPE")])
def test_what_tabular_predictor_does_not_know_is_refused(budget):
    tabular.check("dct", Budget(learners=("RF", "XT", "GBM"), preset="medium_quality"))
    with pytest.raises(UserError, match="'NOPE'"):
        tabular.check("dct", budget)


def test_default_learners_include_the_boosters(make_task):
    task = make_task(budget=Budget(preset="medium_quality"), variant="dct")
    notes = tabular.fit_predict(task).notes
    for learner in ("LightGBM", "CatBoost", "XGBoost", "NeuralNetFastAI", "NeuralNetTorch"):
        assert learner in notes["learners"], notes
