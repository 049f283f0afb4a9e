from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agbench import statistics
from agbench.statistics import Comparison, Interval


def predictions(right):
    """Predictions of two classes, right where told."""
    return pd.DataFrame(
        {"label": ["a"] * len(right), "predicted": ["a" if one else "b" for one in right]},
        index=pd.Index([f"{place}.png" for place in range(len(right))], name="image_id"),
    )


def paired(both, gained, lost, neither):
    ours = [True] * (both + gained) + [False] * (lost + neither)
    theirs = [True] * both + [False] * gained + [True] * lost + [False] * neither
    return statistics.compare(predictions(ours), predictions(theirs))


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # Newcombe, Statistics in Medicine 17 (1998) 2635-2650, table III, method 10.
        ((36, 12, 2, 0), (0.2000, 0.0569, 0.3404)),
        ((36, 14, 0, 0), (0.2800, 0.1528, 0.4167)),
        ((54, 0, 0, 0), (0.0, -0.0664, 0.0664)),
    ],
)
def test_paired_differences_are_newcombes(counts, expected):
    difference = paired(*counts).difference
    assert (difference.value, difference.low, difference.high) == pytest.approx(expected, abs=1e-4)


def test_accuracies_have_wilsons_interval():
    # Wilson's 95 % interval of 81 in 263, as Newcombe gives it.
    interval = statistics.accuracy(81, 263)
    assert (interval.value, interval.low, interval.high) == pytest.approx((0.3080, 0.2553, 0.3662), abs=5e-5)


@given(*[st.integers(0, 60)] * 4)
def test_intervals_hold_their_estimate_and_stay_possible(both, gained, lost, neither):
    if both + gained + lost + neither == 0:
        return
    comparison = paired(both, gained, lost, neither)
    difference = comparison.difference
    assert -1 - 1e-9 <= difference.low <= difference.value + 1e-9
    assert difference.value - 1e-9 <= difference.high <= 1 + 1e-9
    assert 0 <= comparison.p_value <= 1
    mirrored = paired(both, lost, gained, neither).difference
    assert mirrored.value == pytest.approx(-difference.value)
    assert mirrored.low == pytest.approx(-difference.high)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    shares = [0.78, 0.04, 0.08, 0.10]
    covered = 0
    for counts in generator.multinomial(150, shares, size=2000):
        difference = paired(*counts).difference
        covered += difference.low <= shares[1] - shares[2] <= difference.high
    assert 0.93 <= covered / 2000 <= 0.98


def test_the_order_of_images_does_not_matter():
    ours, theirs = predictions([True, False, True]), predictions([True, True, False])
    assert statistics.compare(ours, theirs) == statistics.compare(ours.iloc[::-1], theirs)


def test_other_images_are_not_compared():
    with pytest.raises(ValueError, match="same test images"):
        statistics.compare(predictions([True, False]), predictions([True]))
    relabelled = predictions([True, False]).assign(label="b")
    with pytest.raises(ValueError, match="same labels"):
        statistics.compare(predictions([True, False]), relabelled)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(-0.005, 0.02, "not inferior"), (-0.05, -0.02, "inferior"), (-0.05, 0.05, "not decided")],
)
def test_no_significant_difference_is_not_read_as_no_drop(low, high, verdict):
    assert Comparison(Interval((low + high) / 2, low, high), 0.5, 100).verdict(0.01) == verdict
