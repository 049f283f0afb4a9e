from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agbench.core.condition import Budget, Condition, Preprocessing
from agbench.core.errors import UserError

texts = st.text(min_size=1, max_size=20)
qualities = st.integers(1, 100)
noises = st.none() | st.floats(0.1, 4)
preprocessings = st.builds(lambda quality, noise: Preprocessing.at(quality / 100, noise=noise), qualities, noises)
budgets = st.builds(
    Budget,
    epochs=st.none() | st.integers(1, 100),
    learning_rate=st.none() | st.floats(1e-6, 1),
    learners=st.none() | st.lists(texts, min_size=1, max_size=3).map(tuple),
    time_limit=st.none() | st.floats(1, 1e6),
)
conditions = st.builds(
    Condition,
    dataset=texts,
    fingerprint=texts,
    train=preprocessings,
    model=texts,
    budget=budgets,
    seed=st.integers(0, 2**31),
    test=st.none() | preprocessings,
    weights=st.none() | texts,
)


@given(conditions)
def test_a_condition_survives_the_store(condition):
    assert Condition.from_dict(condition.to_dict()) == condition
    assert Condition.from_dict(condition.to_dict()).id == condition.id


@given(conditions, conditions)
def test_equal_ids_mean_equal_conditions(one, other):
    assert (one.id == other.id) == (one == other)


def test_every_field_is_part_of_the_id():
    base = Condition("a", "b", Preprocessing(), "m", Budget())
    changed: dict[str, Any] = {
        "dataset": "x",
        "fingerprint": "x",
        "train": Preprocessing.at(0.3),
        "model": "x",
        "budget": Budget(epochs=1),
        "seed": 1,
        "test": Preprocessing.at(0.3),
        "weights": "x",
    }
    assert set(changed) == {field.name for field in fields(Condition)}
    ids = {replace(base, **{name: value}).id for name, value in changed.items()}
    assert len(ids | {base.id}) == len(changed) + 1


def test_the_id_stays_what_it_was():
    # Results of older releases are found by it: changing it throws every user's results away.
    condition = Condition("patches", "00", Preprocessing.at(0.3), "automm:efficientnet_lite0", Budget(epochs=6))
    assert condition.id == "727743d18e931510"


@given(qualities)
def test_a_level_is_a_hundredth_of_the_quality(quality):
    preprocessing = Preprocessing.at(quality / 100)
    assert preprocessing.level == quality / 100
    assert preprocessing.is_original == (quality == 100)
    assert preprocessing.quality == (None if quality == 100 else quality)


@pytest.mark.parametrize("level", [0, -0.1, 1.01, 0.305, 30, float("nan"), float("inf")])
def test_no_other_number_is_a_level(level):
    with pytest.raises(UserError, match="is not a level"):
        Preprocessing.at(level)


def test_a_budget_keeps_only_what_a_model_reads():
    assert Budget(epochs=3, learners=("RF",)).only(("learners",)) == Budget(learners=("RF",))


STORED = {"dataset": "d", "fingerprint": "f", "train": {}, "model": "automm", "seed": 0}


@pytest.mark.parametrize(
    ("budget", "written"),
    [({"image_size": 16}, "image size 16"), ({"epochs": 0}, "epochs 0"), ({"learners": []}, "learners ")],
)
def test_a_stored_condition_is_read_though_its_budget_would_be_refused_today(budget, written):
    condition = Condition.from_dict({**STORED, "budget": budget})
    assert str(condition.budget) == written
    stored = json.loads(json.dumps(condition.to_dict()))
    assert stored["budget"] == budget
    assert Condition.from_dict(stored).id == condition.id


def test_a_stored_whole_number_of_seconds_is_the_same_condition_as_a_new_one():
    stored = Condition.from_dict({**STORED, "budget": {"time_limit": 600}})
    assert stored.id == replace(stored, budget=Budget(time_limit=600)).id
