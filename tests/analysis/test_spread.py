from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from sklearn.isotonic import IsotonicRegression

from agbench.analysis import intervals, outlook
from agbench.analysis.clusters import Clusters
from agbench.analysis.spread import SHARED_VARIANCE, Spread, pooled

LEVELS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
IMAGES, CHANGED = 10_000, 0.04
DRAWS = 2000
NOISE = 3 * (0.03 * 0.97 / DRAWS) ** 0.5


def simulated(seeds, deviations, loss, shared=0.5, margin=0.01):
    """Return the shares of draws in which each level is called not inferior, and inferior.

    Trainings differ by `deviations`, of whose variance a part is shared through the original; images vary, too.
    """
    generator = np.random.default_rng(seeds)
    over_images = (CHANGED / IMAGES) ** 0.5
    shape = DRAWS, len(LEVELS), seeds
    base, own = generator.normal(size=(DRAWS, 1, seeds)), generator.normal(size=shape)
    trainings = np.array(deviations)[:, None] * (shared**0.5 * base + (1 - shared) ** 0.5 * own)
    drawn = trainings + generator.normal(0, over_images, (DRAWS, len(LEVELS), 1)) - loss
    reach = np.hypot(-special.ndtri(intervals.ONE_SIDED) * over_images, reaches(drawn))
    value = drawn.mean(axis=2)
    return (value - reach > -margin).mean(axis=0), (value + reach < -margin).mean(axis=0)


def reaches(drawn):
    """Return the reach of each level's interval in each draw of shape (draws, levels, seeds), as of `pooled`."""
    variances = drawn.var(axis=2, ddof=1)
    together, levels, seeds = variances.mean(axis=1, keepdims=True), drawn.shape[1], drawn.shape[2]
    # Isotonic regression: the largest, over starts, of the smallest mean, over ends, of what lies between.
    rising = np.full_like(variances, -np.inf)
    for start in range(levels):
        means = variances[:, start:].cumsum(axis=1) / np.arange(1, levels - start + 1)
        smallest = np.minimum.accumulate(means[:, ::-1], axis=1)[:, ::-1]
        rising[:, start:] = np.maximum(rising[:, start:], smallest)
    is_larger = rising > together
    block = np.isclose(rising[:, :, None], rising[:, None, :], rtol=1e-9, atol=0).sum(axis=2)
    among = np.where(is_larger, block, levels)
    freedom = (seeds - 1) * among / (1 + (among - 1) * SHARED_VARIANCE**2)
    deviation = np.sqrt(np.where(is_larger, rising, together))
    return -special.stdtrit(freedom, intervals.ONE_SIDED) * deviation / seeds**0.5


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_simulated_reach_is_that_of_pooled_spreads(seeds):
    scale = np.array([0.005] * 8 + [0.05])[:, None]
    drawn = scale * np.random.default_rng(seeds).normal(size=(100, len(LEVELS), seeds))
    for one, found in zip(drawn, reaches(drawn), strict=True):
        spreads = pooled(dict(zip(LEVELS, one.tolist(), strict=True)))
        expected = [spreads[level].reach(seeds, intervals.ONE_SIDED) for level in LEVELS]
        assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("deviation", [0.005, 0.01, 0.02])
def test_few_verdicts_are_wrong_where_trainings_differ(seeds, deviation):
    not_inferior, inferior = simulated(seeds, [deviation] * len(LEVELS), loss=0.01)
    assert not_inferior.max() <= 0.03 + NOISE
    assert inferior.max() <= 0.03 + NOISE


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("deviations", [np.linspace(0.01, 0.02, len(LEVELS)), np.array([0.005] * 8 + [0.05])])
def test_few_verdicts_are_wrong_where_they_differ_more_at_low_levels(seeds, deviations):
    not_inferior, _ = simulated(seeds, deviations, loss=0.01)
    assert not_inferior.max() <= 0.03 + NOISE


@pytest.mark.parametrize(("seeds", "deviation", "wanted"), [(3, 0.01, 0.225), (5, 0.01, 0.41), (3, 0.005, 0.62)])
def test_what_loses_nothing_is_shown_not_to_as_often_as_trainings_allow(seeds, deviation, wanted):
    not_inferior, _ = simulated(seeds, [deviation] * len(LEVELS), loss=0.0)
    assert not_inferior.mean() >= wanted


@given(st.lists(st.lists(st.floats(-1, 1), min_size=3, max_size=3), min_size=2, max_size=9))
def test_the_variance_is_that_of_all_levels_or_what_rises_with_them(differences):
    levels = LEVELS[: len(differences)]
    found = pooled(dict(zip(levels, differences, strict=True)))
    variances = np.var(differences, axis=1, ddof=1)
    rising = IsotonicRegression().fit_transform(range(len(levels)), variances)
    most = 2 * len(levels) / (1 + (len(levels) - 1) / 4)
    for level, own in zip(levels, rising, strict=True):
        assert found[level].deviation ** 2 == pytest.approx(max(variances.mean(), own), abs=1e-12)
        assert 2 <= found[level].freedom <= most
        if own < variances.mean() - 1e-9:
            assert found[level].freedom == most


def test_one_level_has_its_own_spread_and_one_seed_has_none():
    assert pooled({0.3: [0.01, 0.03]}) == {0.3: Spread.of([0.01, 0.03])}
    assert pooled({0.5: [0.01], 0.3: [0.02]}) == {0.5: Spread(), 0.3: Spread()}
    assert Spread().reach(1, 0.025) == 0
    assert pooled({}) == {}


def test_a_smaller_margin_than_the_images_can_show_is_known_before():
    alone = Clusters.of_groups(276)
    assert outlook.fewest_images(outlook.smallest_margin(alone) * 1.0001) <= 276
    assert outlook.fewest_images(outlook.smallest_margin(alone) * 0.99) > 276
    groups = Clusters.of_groups(276, np.arange(276) // 12)
    assert outlook.smallest_margin(groups) > 10 * outlook.smallest_margin(alone)
    assert outlook.probable_margin(groups) >= outlook.smallest_margin(groups)


def test_groups_whose_images_change_each_on_their_own_exclude_less_than_is_expected():
    groups = np.arange(2640) // 60
    clusters = Clusters.of_groups(len(groups), groups)
    assert " at best" not in outlook.outlook(clusters)
    assert "a smaller one where they change each on its own" in outlook.outlook(clusters)
    assert "out of reach of so few groups, if their images change all together" in outlook.out_of_reach(
        0.05, clusters
    )
    generator = np.random.default_rng(0)
    changed, gained = generator.random(2640) < outlook.CHANGING, generator.random(2640) < 0.5
    found = intervals.compare((~changed | gained)[None], (~changed | ~gained)[None], groups=groups)
    assert found.difference.value - found.difference.low < 0.7 * outlook.probable_margin(clusters)


def test_what_images_will_probably_show_they_show_in_about_four_of_five_draws():
    images, generator = 1000, np.random.default_rng(0)
    margin = outlook.probable_margin(Clusters.of_groups(images))
    shown = 0
    for _ in range(400):
        changed, gained = generator.random(images) < outlook.CHANGING, generator.random(images) < 0.5
        base, ours = ~(changed & gained)[None, :], ~(changed & ~gained)[None, :]
        shown += intervals.compare(ours, base, margin).verdict == "not inferior"
    assert 0.7 <= shown / 400 <= 0.9
