from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agbench.analysis import intervals
from agbench.analysis.tolerance import Tolerance


def levels(lost, images=2000):
    """A comparison each level at which so many images are lost."""
    base = np.ones((1, images), dtype=bool)
    ours = {level: base.copy() for level in lost}
    for level, count in lost.items():
        ours[level][0, :count] = False
    return {level: intervals.compare(one, base) for level, one in ours.items()}


def test_the_tolerance_is_the_lowest_level_above_which_nothing_is_lost():
    compared = levels({0.9: 0, 0.5: 2, 0.3: 13, 0.2: 0, 0.1: 900})
    found = Tolerance.of([0.9, 0.5, 0.3, 0.2, 0.1], compared)
    assert (found.level, found.stopped_by) == (0.5, 0.3), "0.2 is beyond a level that was not shown"
    assert found.lowest == 0.2, "0.3 is not decided, and 0.1 does harm"


def test_a_level_without_a_result_ends_the_tolerance():
    compared = levels({0.9: 0, 0.3: 0})
    found = Tolerance.of([0.9, 0.5, 0.3], compared)
    assert (found.level, found.lowest, found.stopped_by) == (0.9, 0.3, 0.5)
    assert Tolerance.of([0.9, 0.3], compared).stopped_by is None
    assert Tolerance.of([], {}) == Tolerance(1.0, 1.0, None)


def test_the_true_tolerance_is_where_it_is_said_to_be():
    """In 95 % of draws: 131 images, of which levels lose none, none, 1, 3, 8 and 20 %."""
    generator = np.random.default_rng(0)
    chances = {0.9: 0.0, 0.7: 0.0, 0.5: 0.005, 0.4: 0.03, 0.3: 0.08, 0.1: 0.2}
    base = np.ones((1, 131), dtype=bool)
    held = 0
    for _ in range(300):
        draw = generator.random((1, 131))  # what a level loses, lower ones lose, too
        compared = {level: intervals.compare(draw >= chance, base) for level, chance in chances.items()}
        found = Tolerance.of(list(chances), compared)
        held += found.lowest <= 0.5 <= found.level
    assert held / 300 >= 0.95


@given(st.dictionaries(st.sampled_from([0.9, 0.7, 0.5, 0.3, 0.1]), st.integers(0, 200), min_size=1))
def test_all_levels_down_to_the_tolerance_are_not_inferior(lost):
    compared = levels(lost, 1000)
    found = Tolerance.of(list(lost), compared)
    assert all(compared[level].verdict == "not inferior" for level in lost if level >= found.level)
    assert found.stopped_by is None or compared[found.stopped_by].verdict != "not inferior"
    assert found.lowest <= found.level
