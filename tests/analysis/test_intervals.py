from __future__ import annotations

import gc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from agbench.analysis import intervals


def paired(both, gained, lost, neither, seeds=1):
    ours = [True] * (both + gained) + [False] * (lost + neither)
    base = [True] * both + [False] * gained + [True] * lost + [False] * neither
    return intervals.compare(np.array([ours] * seeds), np.array([base] * seeds))


def score(counts, difference):
    """Tango's score by maximising the likelihood under the supposed difference, instead of by its formula."""
    both, gained, lost, neither = counts
    images = sum(counts)

    def unlikely(share):
        found = ((gained, share + difference), (lost, share), (both + neither, 1 - 2 * share - difference))
        return -sum(count * np.log(max(chance, 1e-300)) for count, chance in found if count)

    bounds = max(0, -difference), (1 - difference) / 2
    share = optimize.minimize_scalar(unlikely, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
    variance = (2 * share + difference - difference**2) / images
    return ((gained - lost) / images - difference) / variance**0.5


@pytest.mark.parametrize(
    "counts", [(36, 12, 2, 0), (36, 14, 0, 0), (40, 0, 3, 5), (100, 7, 30, 63), (900, 3, 11, 86), (1, 1, 1, 1)]
)
def test_ends_of_an_interval_are_where_tangos_score_says(counts):
    found = paired(*counts)
    ends = (found.difference.low, found.difference.high)
    for end, expected in zip(ends, (stats.norm.ppf(0.975), stats.norm.ppf(0.025)), strict=True):
        assert score(counts, end) == pytest.approx(expected, abs=1e-4)
    assert found.p_not_inferior == pytest.approx(stats.norm.sf(score(counts, -0.01)), rel=1e-3)


def test_without_a_discordant_image_the_interval_is_wilsons_of_none():
    difference = paired(54, 0, 0, 0).difference
    z = stats.norm.ppf(0.975)
    assert (difference.low, difference.high) == pytest.approx((-(z**2) / (54 + z**2), z**2 / (54 + z**2)))


@pytest.mark.parametrize("images", [300, 1000, 3000, 12000])
def test_a_loss_of_the_margin_passes_for_none_as_rarely_as_said_where_images_are_only_lost(images):
    size = 0.0
    for lost in range(3 * images // 100):
        if paired(6 * images // 10 - lost, 0, lost, 4 * images // 10).verdict == "not inferior":
            size += stats.binom.pmf(lost, images, intervals.MARGIN)
    assert size <= intervals.ONE_SIDED


def test_accuracies_have_wilsons_interval():
    # Wilson's 95 % interval of 81 in 263, as Newcombe gives it.
    interval = intervals.accuracy(np.array([[True] * 81 + [False] * (263 - 81)]))
    assert (interval.value, interval.low, interval.high) == pytest.approx((0.3080, 0.2553, 0.3662), abs=5e-5)


@given(*[st.integers(0, 60)] * 4)
def test_intervals_hold_their_estimate_and_stay_possible(both, gained, lost, neither):
    if both + gained + lost + neither == 0:
        return
    comparison = paired(both, gained, lost, neither)
    difference = comparison.difference
    assert -1 - 1e-9 <= difference.low <= difference.value + 1e-9
    assert difference.value - 1e-9 <= difference.high <= 1 + 1e-9
    assert 0 <= comparison.p_values[0] <= 1
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


@given(st.integers(1, 3), st.integers(2, 5), st.integers(10, 60), st.integers(0, 2**32 - 1))
def test_differences_of_folds_are_weighted_by_their_images(seeds, folds, images, seed):
    generator = np.random.default_rng(seed)
    ours, base = generator.random((2, seeds, images)) < 0.7
    of_image = generator.permuted(np.tile(np.arange(images) % folds, (seeds, 1)), axis=1)
    found = intervals.differences(ours, base, of_image)
    value = ours.mean() - base.mean()
    assert np.mean(found) == pytest.approx(value)
    here = [of_image == fold for fold in range(folds)]
    own = [((ours * 1.0 - base) * one).sum(axis=1) / one.sum(axis=1) - value for one in here]
    shares = [one.mean(axis=1) for one in here]
    weighted = value + folds * np.multiply(own, shares)
    assert found == pytest.approx(weighted.T.ravel().tolist())


@pytest.mark.parametrize("lost", [4, 40])
def test_folds_that_differ_widen_an_interval_and_folds_that_do_not_leave_it(lost):
    base, fold = np.ones((1, 1000), dtype=bool), np.arange(1000)[None, :] % 4
    alike, different = base.copy(), base.copy()
    alike[0, :lost] = different[0, : 4 * lost : 4] = False
    even, uneven = (intervals.compare(ours, base, folds=fold) for ours in (alike, different))
    alone = intervals.compare(alike, base)
    assert even.difference.low == pytest.approx(alone.difference.low)
    assert even.p_not_inferior == pytest.approx(alone.p_not_inferior)
    assert uneven.difference.low < alone.difference.low - 0.001
    # The interval at the level of the p-value ends at the margin.
    level = uneven.p_not_inferior if lost == 4 else 1 - uneven.p_not_inferior
    found = intervals.compare(different, base, one_sided=level, folds=fold).difference
    assert (found.low if lost == 4 else found.high) == pytest.approx(-intervals.MARGIN)


def test_trainings_are_told_as_seeds_and_folds():
    base, fold = np.ones((3, 20), dtype=bool), np.tile(np.arange(20) % 5, (3, 1))
    assert intervals.compare(base[:1], base[:1]).trainings == "one seed"
    assert intervals.compare(base[:1], base[:1], folds=fold[:1]).trainings == "5 folds"
    assert intervals.compare(base, base, folds=fold).trainings == "3 seeds of 5 folds"


def test_other_images_or_seeds_are_not_compared():
    for ours, base in (((1, 3), (1, 2)), ((2, 3), (1, 3)), ((1, 0), (1, 0))):
        with pytest.raises(ValueError, match="the same seeds and images"):
            intervals.compare(np.ones(ours, dtype=bool), np.ones(base, dtype=bool))


@given(*[st.integers(1, 60)] * 4)
def test_mcnemar_and_wilson_are_statsmodels(both, gained, lost, neither):
    table = [[both, gained], [lost, neither]]
    assert paired(both, gained, lost, neither).p_values[0] == pytest.approx(mcnemar(table, exact=True).pvalue)
    images = both + gained + lost + neither
    interval = intervals.accuracy(np.array([[True] * both + [False] * (images - both)]))
    assert (interval.low, interval.high) == pytest.approx(proportion_confint(both, images, method="wilson"))


@pytest.fixture(scope="module")
def frozen():
    """Keep what there is out of the garbage collections that statsmodels' Holm asks for, a second each."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("frozen")
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_the_correction_is_statsmodels(p_values):
    assert intervals.holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_nothing_to_correct_is_nothing():
    assert intervals.holm([]) == []


@given(*[st.integers(0, 60)] * 4, st.sampled_from([0.01, 0.05]), st.integers(1, 3))
def test_the_verdict_is_that_of_the_interval(both, gained, lost, neither, margin, seeds):
    if both + gained + lost + neither == 0:
        return
    ours = np.array([[True] * (both + gained) + [False] * (lost + neither)] * seeds)
    base = np.array([[True] * both + [False] * gained + [True] * lost + [False] * neither] * seeds)
    one = intervals.compare(ours, base, margin)
    assert 0 <= one.p_not_inferior <= 1
    assert one.p_not_inferior + one.p_inferior >= 1 - 1e-9
    # Before a loss is called certain, one loss fewer is counted: that image is right in both.
    fewer = ours.copy()
    fewer[:, -neither - 1 : len(fewer[0]) - neither] |= lost > 0
    one_less = intervals.compare(fewer, base, margin)
    ends = one.difference.low, one_less.difference.high
    if min(abs(end + margin) for end in ends) > 1e-6:
        expected = "not inferior" if one.difference.low > -margin else "not decided"
        assert one.verdict == ("inferior" if one_less.difference.high < -margin else expected)


def test_no_significant_difference_is_not_read_as_no_drop():
    assert paired(40, 0, 3, 5).p_values[0] > 0.05
    assert paired(40, 0, 3, 5).verdict == "not decided"
    assert paired(4000, 0, 3, 500).verdict == "not inferior"
    assert paired(40, 0, 30, 5).verdict == "inferior"


def test_seeds_that_disagree_widen_the_interval_as_students_t_says():
    generator = np.random.default_rng(1)
    base = np.ones((3, 400), dtype=bool)
    alike = base.copy()
    alike[:, :20] = False
    apart = base.copy()
    for seed, wrong in enumerate((5, 20, 35)):
        apart[seed, generator.permutation(400)[:wrong]] = False
    narrow, wide = intervals.compare(alike, base), intervals.compare(apart, base)
    assert narrow.difference.value == pytest.approx(wide.difference.value) == pytest.approx(-0.05)
    assert narrow.difference == intervals.compare(alike[:1], base[:1]).difference
    added = stats.t.ppf(0.975, 2) * np.std([5 / 400, 20 / 400, 35 / 400], ddof=1) / 3**0.5
    for end in ("low", "high"):
        reach = abs(getattr(narrow.difference, end) - narrow.difference.value)
        assert abs(getattr(wide.difference, end) + 0.05) == pytest.approx((reach**2 + added**2) ** 0.5)
    assert len(wide.p_values) == 3


def test_a_mean_over_seeds_has_students_interval():
    interval = intervals.mean([1.0, 2.0, 4.0])
    expected = stats.ttest_1samp([1.0, 2.0, 4.0], 0).confidence_interval()
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))
    assert intervals.mean([1.0]) is None
