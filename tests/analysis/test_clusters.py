from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from agbench.analysis import intervals, outlook
from agbench.analysis.clusters import Clusters


def alike(groups, size, changed):
    """Differences of images of which whole groups are lost, and their groups."""
    lost = np.repeat(np.arange(groups) < changed, size)
    return -lost.astype(float), np.repeat(np.arange(groups), size)


def test_groups_that_change_as_a_whole_count_as_one_image_each():
    values, groups = alike(40, 10, 8)
    found = Clusters.of(values, groups)
    assert (found.images, found.count, found.size) == (400, 40, 10)
    assert found.effect == pytest.approx(10, abs=0.01)
    assert found.unit == pytest.approx(10, abs=0.01)


def test_images_that_change_each_for_itself_count_as_nearly_independent():
    generator = np.random.default_rng(0)
    values = -(generator.random(4000) < 0.3).astype(float)
    assert Clusters.of(values, np.repeat(np.arange(400), 10)).effect < 1.3


def test_where_nothing_changes_groups_count():
    assert Clusters.of(np.zeros(400), np.repeat(np.arange(40), 10)).effect == 10


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.data())
def test_the_effect_is_between_one_and_the_size_of_groups(groups, data):
    changes = data.draw(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=len(groups), max_size=len(groups)))
    found = Clusters.of(np.array(changes), np.array(groups))
    assert 1 <= found.effect <= found.size + 1e-9
    assert found.count == len(set(groups))
    assert found.unit <= max(map(groups.count, groups)) + 1e-9


@given(st.lists(st.booleans(), min_size=1, max_size=80), st.data())
def test_groups_of_one_image_change_nothing(right, data):
    base = data.draw(st.lists(st.booleans(), min_size=len(right), max_size=len(right)))
    ours, originals = np.array([right]), np.array([base])
    names = np.random.default_rng(0).permutation(len(right))
    assert intervals.compare(ours, originals, groups=names) == intervals.compare(ours, originals)
    assert intervals.accuracy(ours, names) == intervals.accuracy(ours)


def test_few_groups_have_students_quantile():
    found = Clusters(100, 10, 10.0, 1.0)
    assert found.quantile(0.025) == pytest.approx(stats.t.ppf(0.975, 9))
    assert found.tail(2.0) == pytest.approx(stats.t.sf(2.0, 9))


def test_the_same_images_in_groups_have_wider_intervals_and_larger_p_values():
    values, groups = alike(40, 10, 4)
    base = np.ones((1, 400), bool)
    ours = (values == 0)[None, :]
    alone, grouped = intervals.compare(ours, base), intervals.compare(ours, base, groups=groups)
    assert grouped.difference.value == alone.difference.value
    assert grouped.difference.low < alone.difference.low
    assert grouped.difference.high > alone.difference.high
    assert grouped.p_values[0] > alone.p_values[0]
    assert (alone.verdict, grouped.verdict) == ("inferior", "not decided")
    assert (grouped.groups, grouped.group_size) == (40, 10)


def test_what_would_be_not_inferior_is_withheld_where_images_seem_related():
    base = np.ones((1, 2000), bool)
    worse = base.copy()
    worse[0, :400] = False
    assert intervals.compare(base, base, is_withheld=True).verdict == "withheld"
    assert intervals.compare(worse, base, is_withheld=True).verdict == "inferior"


def test_it_takes_more_images_where_they_are_in_groups():
    values, groups = np.zeros((1, 400), bool), np.repeat(np.arange(40), 10)
    alone = intervals.missing(values, values, 0.005)[0]
    grouped = intervals.missing(values, values, 0.005, groups=groups)[0]
    assert alone is not None
    assert grouped is not None
    assert grouped > 9 * alone
    fewest = outlook.fewest_images(0.05, group_size=10)
    assert fewest > 10 * outlook.fewest_images(0.05)
    for images, verdict in ((fewest + 9, "not inferior"), (fewest - 10, "not decided")):
        same, groups = np.ones((1, images), bool), np.arange(images) // 10
        assert intervals.compare(same, same, 0.05, groups=groups).verdict == verdict
