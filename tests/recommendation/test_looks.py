"""Which looks are made, what is run for them, and how often a verdict is wrong, with made-up trials."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from agbench.analysis.intervals import ONE_SIDED
from agbench.analysis.spread import pooled
from agbench.core.condition import Budget, Condition, Preprocessing
from agbench.recommendation.looks import MOST_LOOKS, NextLook, Trainings, follow, look
from agbench.runner.estimate import Estimate
from agbench.store.outcome import Status
from agbench.store.record import Correctness, Record

MARGIN = 0.01
NETWORK, TABLE = "automm:efficientnet_lite0", "tabular:dct"
TOO_FEW = 2
"""Folds with which a network has no image to be validated on, so that seeds are added instead."""

LEVELS = (0.9, 0.5, 0.1)


def conditions(model=TABLE, levels=LEVELS, seeds=(0,), **images):
    return [
        Condition("birds", "f", Preprocessing.at(level, **images), model, Budget(), seed)
        for level in (1.0, *levels)
        for seed in seeds
    ]


def followed(model=TABLE, levels=LEVELS, seeds=(0,), folds=5):
    (one,) = follow(conditions(model, levels, seeds), folds)
    return one


def record(condition, right, looks=MOST_LOOKS):
    """A finished trial with these images right."""
    found = Record(condition.id, condition, Status.FINISHED, "", "", 0, "", {}, {}, Path(), looks=looks)
    folds = None if condition.budget.folds is None else np.arange(len(right)) % condition.budget.folds
    vars(found)["correctness"] = Correctness("images", right, "", np.arange(len(right)), folds)
    return found


def outcomes(images, losses, deviation=0.0, changed=0.02):
    """Return a function that draws which images a trial gets right, from its condition alone."""

    def draw(condition):
        number = images if condition.budget.folds is None else 5 * images
        level, seed = round(100 * condition.train.level), condition.seed
        training = np.random.default_rng((level, seed)).normal(0, deviation)
        lost = losses.get(condition.train.level, 0.0) + changed + training
        return np.random.default_rng((level, seed, number)).random(number) >= max(lost, 0)

    return draw


def run(one, draw, margin=MARGIN, images=5000, failed=(), **known):
    """Run what is next until nothing is; return all standings, and the trials."""
    records, standings = {}, []
    while True:
        standings.append(look(one, records, failed, margin, images, **known))
        if standings[-1].next is None:
            return standings, records
        for condition in standings[-1].next.todo:
            assert condition.id not in records, "nothing is run twice"
            records[condition.id] = record(condition, draw(condition))


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([NETWORK, TABLE]),
    st.sampled_from([(0,), (7,), (0, 2, 4)]),
    st.sampled_from([50, 1500]),
    st.lists(st.floats(0, 0.05), min_size=3, max_size=3),
    st.sampled_from([0.0, 0.005, 0.02]),
)
def test_it_ends_and_runs_no_level_that_is_decided(model, seeds, images, losses, deviation):
    one = followed(model, seeds=seeds)
    draw = outcomes(images, dict(zip(LEVELS, losses, strict=True)), deviation)
    standings, records = run(one, draw, images=5 * images)
    assert len(standings) <= MOST_LOOKS + 1
    assert len(one.looks) <= MOST_LOOKS
    for before, after in pairwise(standings):
        settled = {of: at for of, at in before.looks.items() if at.is_decided}
        assert not set(settled) & set(before.next.images)
        assert {of: after.looks[of] for of in settled} == settled, "what is decided stays"
    assert {(of.condition.budget, of.condition.seed) for of in records.values()} <= {
        (trainings.budget, seed) for trainings in one.looks for seed in trainings.seeds
    }
    words = [line.split(": ", 1)[1] for line in standings[-1].lines()]
    for of, said in zip(one.images, words, strict=True):
        assert standings[-1].looks[of].is_decided == said.startswith(("not inferior (", "inferior ("))


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([NETWORK, TABLE]), st.floats(0, 0.03), st.sampled_from([0.0, 0.01]))
def test_looks_do_not_depend_on_how_often_one_asks_or_what_else_is_stored(model, loss, deviation):
    one = followed(model)
    draw = outcomes(1500, dict.fromkeys(LEVELS, loss), deviation)
    standings, records = run(one, draw, images=7500)
    last = standings[-1]
    assert look(one, records, (), MARGIN, 7500) == last
    everything = records | {of.id: record(of, draw(of)) for of in one.all_conditions() if of.id not in records}
    again = look(one, everything, (), MARGIN, 7500)
    compared = [{of: (at.trainings, at.comparison) for of, at in found.looks.items()} for found in (again, last)]
    assert compared[0] == compared[1]


def test_trainings_double_and_all_are_one_looks_correction():
    for model in (NETWORK, TABLE):
        assert [str(trainings) for trainings in followed(model).looks] == [
            "1 seed",
            "1 seed, 5 folds",
            "2 seeds, 5 folds",
            "4 seeds, 5 folds",
        ]
    assert [len(trainings.seeds) for trainings in followed(NETWORK, folds=TOO_FEW).looks] == [1, 2, 4, 8]
    assert followed(NETWORK, seeds=(1,), folds=TOO_FEW).looks[2].seeds == (1, 0, 2, 3)
    right = np.ones(4000, dtype=bool)
    one = followed(TABLE, levels=(0.5,))
    records = {of.id: record(of, right) for of in one.all_conditions()}
    (found,) = look(one, records, (), MARGIN, 4000).looks.values()
    plain = {of.id: record(of, right, looks=1) for of in one.all_conditions()}
    (alone,) = look(one, plain, (), MARGIN, 4000).looks.values()
    assert found.comparison.p_not_inferior == MOST_LOOKS * alone.comparison.p_not_inferior
    assert found.comparison.excluded_loss > alone.comparison.excluded_loss


def test_only_what_differs_from_the_original_by_its_level_is_followed():
    plain = conditions()
    others = [replace(plain[1], test=Preprocessing()), *conditions(noise=1.0)]
    assert follow([*plain, *others], 5) == follow(plain, 5)
    both = follow([*plain, *conditions(codec="webp"), *conditions(NETWORK)], 5)
    assert [(one.original.model, one.images[0].codec) for one in both] == [
        (TABLE, "jpeg"),
        (TABLE, "webp"),
        (NETWORK, "jpeg"),
    ]


def test_one_training_of_a_network_decides_nothing():
    for folds, then in ((5, "1 seed, 5 folds"), (TOO_FEW, "2 seeds")):
        standings, _ = run(followed(NETWORK, folds=folds), outcomes(5000, {}, changed=0.0), images=25_000)
        assert "not inferior (this training) (1 seed)" in standings[1].lines()[0]
        assert str(standings[1].next.trainings) == then
        assert standings[-1].lines()[0] == f"{NETWORK} jpeg 0.9: not inferior ({then})"


def test_folds_are_added_where_all_images_would_decide_and_nothing_where_they_would_not():
    one = followed(TABLE, levels=(0.5,))
    standings, _ = run(one, outcomes(500, {}, changed=0.001), images=2500)
    assert [of.next and str(of.next.trainings) for of in standings] == ["1 seed", "1 seed, 5 folds", None]
    assert standings[-1].decided == 1
    standings, _ = run(one, outcomes(50, {}, changed=0.0), images=250)
    assert len(standings) == 2, "five times as many images are still too few"
    (line,) = standings[-1].lines()
    assert line.startswith("tabular:dct jpeg 0.5: not decided (1 seed): about ")
    assert " more images would" in line
    assert line.endswith(" points is decided now")


def test_what_is_withheld_or_failed_is_not_run_again():
    one = followed(TABLE, levels=(0.9, 0.5))
    draw = outcomes(5000, {}, changed=0.0)
    standings, _ = run(one, draw, is_withheld=True)
    assert len(standings) == 2
    assert standings[-1].lines()[0].endswith("withheld (1 seed)")
    failed = {of.id for of in one.all_conditions() if of.train.level == 0.5}
    standings, _ = run(one, draw, failed=failed)
    assert [line.split(": ")[1] for line in standings[-1].lines()] == ["not inferior (1 seed)", "no result"]
    failed = {of.id for of in one.all_conditions() if of.train.is_original}
    standings, _ = run(one, draw, failed=failed)
    assert {line.split(": ")[1] for line in standings[-1].lines()} == {"no result"}


def test_seconds_for_each_level_tell_what_comes_first():
    estimate = Estimate([])
    cheap, dear = conditions(TABLE), conditions(NETWORK)
    for of, seconds in ((cheap[0], 5), (dear[0], 100)):
        estimate.add(of, seconds)
    three = NextLook(Trainings(Budget(), (0,)), tuple(Preprocessing.at(level) for level in LEVELS), tuple(dear))
    assert three.seconds_each(estimate) == pytest.approx(400 / 3)
    one = NextLook(Trainings(Budget(), (0,)), (Preprocessing.at(0.9),), tuple(cheap[:2]))
    assert one.seconds_each(estimate) == pytest.approx(10)


DRAWS, IMAGES, CHANGED = 20_000, 2000, 0.03
MOST_WRONG = 0.03
NOISE = 3 * (MOST_WRONG * (1 - MOST_WRONG) / DRAWS) ** 0.5


def sequential(deviation, loss, draws=DRAWS):
    """Return at which look each draw is called not inferior (none: -1), and the images gained and lost of each.

    All seeds have the same images gained and lost, which is the worst case, and each training its own deviation.
    """
    generator = np.random.default_rng(round(1e4 * deviation))
    shift = np.rint(IMAGES * generator.normal(0, deviation * 2**0.5, (draws, 8))).astype(int)
    lost = generator.binomial(IMAGES, CHANGED + loss, draws)[:, None] + np.maximum(shift, 0)
    gained = generator.binomial(IMAGES, CHANGED, draws)[:, None] + np.maximum(-shift, 0)
    found = np.full(draws, -1)
    for number, seeds in ((1, 2), (2, 4), (3, 8)):  # the first look is at one training, which decides nothing
        differences = (gained[:, :seeds] - lost[:, :seeds]) / IMAGES
        one_sided = ONE_SIDED / MOST_LOOKS
        over_seeds = stats.t.isf(one_sided, seeds - 1) * differences.std(axis=1, ddof=1) / seeds**0.5
        over_images = reach(gained[:, :seeds].mean(axis=1), lost[:, :seeds].mean(axis=1), one_sided)
        shown = differences.mean(axis=1) - np.hypot(over_images, over_seeds) > -MARGIN
        found[shown & (found < 0)] = number
    return found, gained, lost


def reach(gained, lost, one_sided):
    """How far Tango's score interval reaches below the difference, by bisection."""
    value = (gained - lost) / IMAGES
    low, high = np.zeros_like(value), 1 + value
    for _ in range(40):
        middle = (low + high) / 2
        difference = value - middle
        between = gained + lost - difference * (2 * IMAGES - gained + lost)
        root = np.sqrt(np.maximum(between**2 + 8 * IMAGES * lost * difference * (1 - difference), 0))
        variance = ((between + root) / (2 * IMAGES) + difference * (1 - difference)) / IMAGES
        is_inside = middle < stats.norm.isf(one_sided) * np.sqrt(np.maximum(variance, 1e-300))
        low, high = np.where(is_inside, middle, low), np.where(is_inside, high, middle)
    return low


@pytest.mark.slow
@pytest.mark.parametrize("deviation", [0.005, 0.01, 0.02])
def test_few_verdicts_are_wrong_at_any_look(deviation):
    found, *_ = sequential(deviation, MARGIN)
    assert (found >= 0).mean() <= MOST_WRONG + NOISE


@pytest.mark.slow
def test_the_simulated_looks_are_those_that_are_made():
    """But for levels that are not followed, as more trainings would probably not decide them."""
    one = followed(NETWORK, levels=(0.5,), folds=TOO_FEW)
    compared = 0
    for deviation, loss in ((0.0, 0.0), (0.005, -0.02), (0.01, -0.03), (0.005, MARGIN)):
        found, gained, lost = sequential(deviation, loss, 15)
        for number, number_of_look in enumerate(found):
            rights = {}
            for seed in range(8):
                base, ours = np.ones(IMAGES, dtype=bool), np.ones(IMAGES, dtype=bool)
                base[: gained[number, seed]] = False
                ours[IMAGES - lost[number, seed] :] = False
                rights[seed] = (base, ours)
            standings, _ = run(one, lambda of, rights=rights: rights[of.seed][not of.train.is_original])
            (at,) = standings[-1].looks.values()
            is_shown = at.is_decided and at.comparison.verdict == "not inferior"
            if is_shown or at.trainings == one.looks[-1]:
                assert is_shown == (number_of_look >= 0)
                assert not is_shown or at.trainings == one.looks[number_of_look]
                compared += is_shown
    assert compared > 10


@pytest.mark.slow
@pytest.mark.parametrize("deviation", [0.005, 0.01, 0.02])
def test_few_verdicts_are_wrong_where_the_spread_is_that_of_all_levels(deviation):
    generator, draws, levels = np.random.default_rng(0), 1000, 5
    over_images = (2 * CHANGED / IMAGES) ** 0.5
    one_sided = ONE_SIDED / MOST_LOOKS
    wrong = np.zeros((draws, levels), dtype=bool)
    for draw in range(draws):
        base, own = generator.normal(size=(1, 8)), generator.normal(size=(levels, 8))
        drawn = deviation * (own - base) + generator.normal(0, over_images, (levels, 1)) - MARGIN
        for seeds in (2, 4, 8):
            spreads = pooled(dict(enumerate(drawn[:, :seeds].tolist())))
            over_seeds = [spreads[level].reach(seeds, one_sided) for level in range(levels)]
            half = np.hypot(stats.norm.isf(one_sided) * over_images, over_seeds)
            wrong[draw] |= drawn[:, :seeds].mean(axis=1) - half > -MARGIN
    assert wrong.mean(axis=0).max() <= MOST_WRONG + 3 * (MOST_WRONG * (1 - MOST_WRONG) / draws) ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize("deviation", [0.005, 0.01, 0.02])
def test_few_verdicts_are_wrong_where_looks_are_at_folds(deviation):
    """The images of a fold are the same with each seed; each fold of each seed has a training of its own."""
    generator, draws, levels, folds = np.random.default_rng(0), 1000, 5, 5
    over_images = (2 * CHANGED / IMAGES / folds) ** 0.5
    one_sided = ONE_SIDED / MOST_LOOKS
    wrong = np.zeros((draws, levels), dtype=bool)
    for draw in range(draws):
        base, own = generator.normal(size=(1, 4, folds)), generator.normal(size=(levels, 4, folds))
        of_fold = generator.normal(0, over_images * folds**0.5, (levels, 1, folds))
        drawn = deviation * (own - base) + of_fold - MARGIN
        for seeds in (1, 2, 4):
            # As `by_fold`: each fold's deviation from its own seed's mean.
            within = drawn[:, :seeds] - drawn[:, :seeds].mean(axis=2, keepdims=True)
            trainings = drawn[:, :seeds].mean(axis=(1, 2))[:, None] + within.reshape(levels, -1)
            spreads = pooled(dict(enumerate(trainings.tolist())))
            over_trainings = [spreads[level].reach(seeds * folds, one_sided) for level in range(levels)]
            join = np.maximum if seeds == 1 else np.hypot
            half = join(stats.norm.isf(one_sided) * over_images, over_trainings)
            wrong[draw] |= trainings.mean(axis=1) - half > -MARGIN
    assert wrong.mean(axis=0).max() <= MOST_WRONG + 3 * (MOST_WRONG * (1 - MOST_WRONG) / draws) ** 0.5
