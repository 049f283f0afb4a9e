"""Intervals of metrics: how often they are wrong where the truth is the margin itself, by simulation."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agbench.analysis import influence, intervals
from agbench.analysis.spread import Spread
from agbench.core.metric import ACCURACY, METRICS, Predicted, scores_of

DRAWS = 200
MOST = 0.03
"""Share of wrong verdicts that is allowed; 2.5 % is what is said."""

NOISE = 3 * (MOST * (1 - MOST) / DRAWS) ** 0.5
"""Three standard errors of a simulated share."""

TWO, SIX = (0.85, 0.15), (0.4, 0.25, 0.15, 0.1, 0.06, 0.04)
"""Shares of classes."""

CORRELATION = 0.5


def drawn(generator, images, size, classes, loss):
    """Draw predictions on originals and at a level: each image has its group's fate, or one of its own."""
    own = generator.random(images) >= (CORRELATION**0.5 if size > 1 else 0)

    def mixed(draw, *shape):
        shared = np.repeat(draw((images // size, *shape)), size, axis=0)
        return np.where(own.reshape(images, *[1] * len(shape)), draw((images, *shape)), shared)

    number = len(classes)
    labels = np.searchsorted(np.cumsum(classes)[:-1], mixed(generator.random))
    powers = 1.5 * mixed(generator.standard_normal, number) + 4.5 * np.eye(number)[labels]
    worse = powers.copy()
    if loss == "common":
        worse += 0.8 * mixed(generator.standard_normal, number)
    else:
        is_lost = mixed(generator.random) < (0.012 if loss == "rare" else 0.02)
        is_lost &= (loss == "rare") | (labels == number - 1)
        worse -= 9.0 * is_lost[:, None] * np.eye(number)[labels]
    return tuple(scores_of(predicted(labels, one)) for one in (powers, worse))


def predicted(labels, powers):
    shares = np.exp(powers - powers.max(axis=1, keepdims=True))
    return Predicted(labels, shares.argmax(axis=1), shares / shares.sum(axis=1, keepdims=True))


@cache
def truth(classes, loss):
    """Return the gain by each metric, of very many images."""
    base, ours = drawn(np.random.default_rng(1), 200_000, 1, classes, loss)
    return {name: METRICS[name].gain(ours[name].value - base[name].value) for name in base}


@pytest.mark.slow
@pytest.mark.parametrize("images", [400, 2000])
@pytest.mark.parametrize("size", [1, 10])
@pytest.mark.parametrize("loss", ["rare", "common", "of the smallest class"])
@pytest.mark.parametrize("classes", [TWO, SIX], ids=["two", "six"])
def test_few_verdicts_are_wrong(images, size, loss, classes):
    generator, groups = np.random.default_rng(images + size), np.arange(images) // size
    gains = truth(classes, loss)
    wrong = {name: np.zeros(2) for name in gains}
    for _ in range(DRAWS):
        base, ours = drawn(generator, images, size, classes, loss)
        for name in gains.keys() & base.keys() & ours.keys():
            metric = METRICS[name]
            ends = influence.difference(metric, [ours[name]], [base[name]], groups)
            low, high = sorted(map(metric.gain, (ends.low, ends.high)))
            wrong[name] += low > gains[name], high < gains[name]
    for name, count in wrong.items():
        assert max(count / DRAWS) <= MOST + NOISE, name


def right(*counts):
    """Return scores by accuracy of predictions of 1,000 images with so many wrong."""
    return [
        ACCURACY.score(Predicted(np.zeros(1000, int), (np.arange(1000) < count).astype(int))) for count in counts
    ]


def test_intervals_are_nearly_those_of_accuracys_own_method():
    groups = np.arange(1000)
    for lost in (0, 3, 20, 200):
        (base, ours) = (np.arange(1000)[None, :] >= count for count in (50, 50 + lost))
        found = influence.compare(ACCURACY, right(50 + lost), right(50), groups)
        tango = intervals.compare(ours, base)
        assert found.difference.value == pytest.approx(tango.difference.value)
        reaches = [one.difference.high - one.difference.low for one in (found, tango)]
        assert reaches[0] == pytest.approx(reaches[1], rel=0.15)
        assert found.difference.low <= tango.difference.low + 1e-3
        one, other = influence.interval(ACCURACY, right(50 + lost), groups), intervals.accuracy(ours)
        assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=0.005)


@settings(max_examples=30)
@given(st.integers(0, 60), st.integers(0, 60), st.floats(0.001, 0.05))
def test_verdicts_are_those_of_the_interval(lost, more, margin):
    found = influence.compare(ACCURACY, right(lost + more), right(lost), np.arange(1000), margin)
    assert (found.verdict == "not inferior") == (found.difference.low > -margin)
    assert (found.verdict == "inferior") == (found.difference.high < -margin)
    assert (found.p_values[0] < 0.05) == (found.difference.low > 0 or found.difference.high < 0)


def test_of_what_is_better_where_lower_a_rise_is_a_loss():
    labels, groups = np.arange(2000) % 2, np.arange(2000)

    def score(sure):
        shares = np.where(np.eye(2)[labels] == 1, sure, 1 - sure)
        return METRICS["log_loss"].score(Predicted(labels, labels, shares))

    worse = influence.compare(METRICS["log_loss"], [score(0.5)], [score(0.9)], groups)
    better = influence.compare(METRICS["log_loss"], [score(0.9)], [score(0.5)], groups)
    assert worse.difference.value == pytest.approx(np.log(0.9 / 0.5))
    assert (worse.verdict, better.verdict) == ("inferior", "not inferior")
    assert better.excluded_loss == 0
    assert worse.excluded_loss == worse.difference.high > worse.difference.value


def test_groups_and_trainings_make_intervals_wider():
    independent, grouped = np.arange(1000), np.arange(1000) // 10
    alone = influence.compare(ACCURACY, right(60), right(50), independent)
    together = influence.compare(ACCURACY, right(60), right(50), grouped)
    assert together.difference.low < alone.difference.low
    assert (together.groups, together.group_size) == (100, 10)
    seeds = influence.compare(ACCURACY, right(60, 80), right(50, 50), independent)
    assert seeds.difference.value == pytest.approx(-0.02)
    assert seeds.difference.low < alone.difference.low
    known = influence.compare(ACCURACY, right(60, 80), right(50, 50), independent, spread=Spread(0.001, 10))
    assert known.difference.low > seeds.difference.low


def test_one_group_alone_shows_nothing():
    found = influence.compare(ACCURACY, right(0), right(0), np.zeros(1000, int), margin=0.5)
    assert found.verdict == "not decided"


def test_about_so_many_more_images_would_decide():
    more, seeds = influence.missing(ACCURACY, right(50), right(50), np.arange(1000), margin=0.001)
    assert seeds is None
    assert more is not None
    for images, verdict in ((1000 + more + 10, "not inferior"), (1000 + more - 60, "not decided")):
        same = [ACCURACY.score(Predicted(np.zeros(images, int), np.zeros(images, int)))]
        assert influence.compare(ACCURACY, same, same, np.arange(images), margin=0.001).verdict == verdict
    assert influence.missing(ACCURACY, right(70), right(50), np.arange(1000)) == (None, None)
