from __future__ import annotations

import pytest

from agbench.core.condition import Budget, Condition, Preprocessing
from agbench.runner.estimate import Estimate


def condition(model: str, level: float = 1.0, epochs: int | None = None) -> Condition:
    return Condition("birds", "f", Preprocessing.at(level), model, Budget(epochs=epochs))


def test_nothing_is_known_before_a_trial_has_finished():
    assert Estimate([]).left([condition("a")]) is None
    assert Estimate([]).left([]) == 0.0


def test_trials_take_the_mean_of_like_ones_and_others_that_of_all():
    estimate = Estimate([])
    estimate.add(condition("a", 1.0), 10)
    estimate.add(condition("a", 0.5), 20)
    estimate.add(condition("b"), 60)
    assert estimate.left([condition("a", 0.3), condition("a", 0.1)]) == pytest.approx(30)
    assert estimate.left([condition("b", 0.3)]) == pytest.approx(60)
    assert estimate.left([condition("a", 0.3, epochs=5)]) == pytest.approx(30), "another budget is another model"


def test_a_trial_that_was_run_again_counts_once():
    estimate = Estimate([])
    estimate.add(condition("a"), 10)
    estimate.add(condition("a"), 30)
    assert estimate.left([condition("a", 0.3)]) == pytest.approx(30)
