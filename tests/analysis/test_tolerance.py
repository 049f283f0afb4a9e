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
    compared = {level: intervals.compare(one, base) for level, one in ours.items()}
    return compared, {level: (one.astype(float) - base).mean(axis=0) for level, one in ours.items()}


def test_the_tolerance_is_the_lowest_level_above_which_nothing_is_lost():
    compared, differences = levels({0.9: 0, 0.5: 2, 0.3: 13, 0.2: 0, 0.1: 900})
    found = Tolerance.of([0.9, 0.5, 0.3, 0.2, 0.1], compared, differences, 0)
    assert (found.level, found.stopped_by) == (0.5, 0.3), "0.2 is beyond a level that was not shown"
    assert found.low <= found.level <= found.high
    assert found.low == 0.2, "13 lost images of 2,000 are within what resampling moves"
    assert found == Tolerance.of([0.9, 0.5, 0.3, 0.2, 0.1], compared, differences, 0)


def test_a_level_without_a_result_ends_the_tolerance():
    compared, differences = levels({0.9: 0, 0.3: 0})
    found = Tolerance.of([0.9, 0.5, 0.3], compared, differences, 0)
    assert (found.level, found.low, found.high, found.stopped_by) == (0.9, 0.9, 0.9, 0.5)
    assert Tolerance.of([0.9, 0.3], compared, differences, 0).stopped_by is None
    assert Tolerance.of([], {}, {}, 0).level == 1.0


@given(st.dictionaries(st.sampled_from([0.9, 0.7, 0.5, 0.3, 0.1]), st.integers(0, 200), min_size=1))
def test_all_levels_down_to_the_tolerance_are_not_inferior(lost):
    compared, differences = levels(lost, 1000)
    found = Tolerance.of(list(lost), compared, differences, 0)
    assert all(compared[level].verdict == "not inferior" for level in lost if level >= found.level)
    assert found.stopped_by is None or compared[found.stopped_by].verdict != "not inferior"
    assert found.low <= found.high
