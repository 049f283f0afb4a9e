from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from agbench.core.condition import Budget, Condition, Preprocessing
from agbench.runner.estimate import GPU_MEMORY, Estimate, GpuMemory
from agbench.store.metrics import Metrics
from agbench.store.outcome import Status
from agbench.store.record import Record


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


def stored(model: str, peak: int | None = None, wall: float | None = None, seed: int = 0) -> Record:
    """Return a trial's record with the most that it allocated on a GPU, and its seconds."""
    named = {"gpu_memory_peak": peak, "wall_seconds": wall, "seconds_total": 100.0}
    metrics = cast(Metrics, {name: float(value) for name, value in named.items() if value is not None})
    one = replace(condition(model), seed=seed)
    return Record("run", one, Status.FINISHED, "", "", 0, "", metrics, {}, Path())


DEEP, PROBE, TABLE = "automm:efficientnet_lite0", "probe:efficientnet_lite0", "tabular:dct"


def test_memory_of_a_gpu_is_that_of_the_models_that_are_to_run():
    probed = Estimate([stored(PROBE, 200)])
    assert probed.gpu_memory([condition(PROBE)]) == GpuMemory(200, True)
    assert probed.gpu_memory([condition(PROBE), condition(DEEP)]) == GpuMemory(GPU_MEMORY, False)
    both = Estimate([stored(PROBE, 200), stored(DEEP, 10 * GPU_MEMORY)])
    assert both.gpu_memory([condition(PROBE)]) == GpuMemory(200, True)
    assert both.gpu_memory([condition(PROBE), condition(DEEP)]) == GpuMemory(10 * GPU_MEMORY, True)
    assert both.gpu_memory([condition(DEEP), condition(DEEP, epochs=3)]) == GpuMemory(10 * GPU_MEMORY, False)


def test_memory_of_a_gpu_is_the_most_of_all_seeds_and_none_of_a_trial_that_used_none():
    estimate = Estimate([stored(DEEP, 300), stored(DEEP, 200, seed=1), stored(PROBE, 0)])
    assert estimate.gpu_memory([condition(DEEP)]) == GpuMemory(300, True)
    assert not estimate.gpu_memory([condition(PROBE)]).is_measured, "its embeddings were kept"


def test_a_table_of_features_takes_none_of_a_gpu_where_it_took_none():
    assert Estimate([stored(TABLE, 0)]).gpu_memory([condition(TABLE)]) == GpuMemory(0, True)
    assert Estimate([]).gpu_memory([condition(TABLE)]) == GpuMemory(GPU_MEMORY, False)


def test_seconds_are_those_that_passed_where_they_are_known():
    assert Estimate([stored("a", wall=7)]).left([condition("a")]) == 7
    assert Estimate([stored("a")]).left([condition("a")]) == 100


def test_folds_take_as_many_times_what_one_training_does_until_they_are_measured():
    estimate = Estimate([])
    estimate.add(condition("a"), 10)
    folds = replace(condition("a"), budget=Budget(folds=5))
    assert estimate.like("a", folds.budget) == estimate.left([folds]) == pytest.approx(50)
    assert estimate.like("b", folds.budget) is None
    estimate.add(folds, 20)
    assert estimate.like("a", folds.budget) == pytest.approx(20)
    assert estimate.like("a", Budget(epochs=3)) is None
