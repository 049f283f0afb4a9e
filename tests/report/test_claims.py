"""What is said of the paper's claims, where the truth is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from agbench.report.claims import CLAIMS, findings
from agbench.report.gather import gather
from agbench.study import PAPER_LEVELS
from tests.report import made

SMALL, LARGE = made.SIZES[0], made.SIZES[4]
MANY, FEW = 3000, 60


def right(images, wrong):
    """Predictions of which so many are wrong, the same ones first."""
    found = np.ones(images, dtype=bool)
    found[:wrong] = False
    return found


@pytest.fixture
def verdict(tmp_path):
    """Give the verdict on the claim that starts so, and its numbers."""

    def ask(start, trials, pixels=None):
        records = [made.record(tmp_path, condition, *rest) for condition, *rest in trials]
        evidence = gather("mine", records)
        if pixels:
            evidence = dataclasses.replace(evidence, facts={"pixels": [pixels, pixels]})
        ((_, finding),) = [pair for pair in findings(evidence) if pair[0].words.startswith(start)]
        return finding.verdict, finding.numbers

    return ask


def levels(wrong, images=MANY):
    """The paper's levels, with so many wrong at some of them."""
    return [
        (made.condition("mine", SMALL, level), right(images, wrong.get(level, 10 if images > 100 else 3)))
        for level in PAPER_LEVELS
    ]


@pytest.mark.parametrize(
    ("wrong", "images", "pixels", "expected"),
    [
        ({}, MANY, 224, "supported"),
        ({}, MANY, 32, "not supported"),
        ({0.4: 300}, MANY, 224, "not supported"),
        ({0.4: 300}, MANY, 32, "supported"),
        ({0.2: 300}, MANY, 224, "supported"),
        ({0.2: 300}, MANY, 32, "not supported"),
        ({}, FEW, 224, "not decided"),
        ({0.3: 5}, FEW, 32, "not decided"),
    ],
)
def test_negligible_drop_and_tiny_images(verdict, wrong, images, pixels, expected):
    assert verdict("negligible", levels(wrong, images), pixels)[0] == expected


def test_a_level_that_was_left_out_on_the_way_down_is_named(verdict):
    some = [one for one in levels({}) if one[0].train.level in (1.0, 0.3)]
    answer, numbers = verdict("negligible", some)
    assert (answer, "levels 0.3" in numbers) == ("supported", True)


@pytest.mark.parametrize(
    ("saved", "expected"), [(0.65, "supported"), (0.64, "not supported"), (-2, "not supported")]
)
def test_storage(verdict, saved, expected):
    trial = (made.condition("mine", "tabular:dct", 0.3), right(FEW, 3), (), saved)
    answer, numbers = verdict("65 to 86 %", [trial])
    assert answer == expected
    assert ("more than before" in numbers) == (saved < 0)


@pytest.mark.parametrize(
    ("small", "large", "images", "expected"),
    [(30, 300, MANY, "supported"), (300, 30, MANY, "not supported"), (30, 31, MANY, "not decided")],
)
def test_the_larger_model(verdict, small, large, images, expected):
    trials = [
        (made.condition("mine", SMALL, 1.0), right(images, 20)),
        (made.condition("mine", SMALL, 0.3), right(images, small)),
        (made.condition("mine", LARGE, 1.0), right(images, large)),
    ]
    assert verdict("compressing costs less", trials)[0] == expected


SLOW, FAST = (0.1, 0.2, 0.5, 0.7, 0.9, 0.9), (0.9, 0.9, 0.9, 0.9, 0.9, 0.9)


@pytest.mark.parametrize(
    ("original", "compressed", "seeds", "expected"),
    [
        (FAST, SLOW, 3, "supported"),
        (SLOW, SLOW, 3, "supported"),
        (SLOW, FAST, 3, "not supported"),
        (SLOW, FAST, 2, "not decided"),
        (FAST, SLOW, 1, "not decided"),
    ],
)
def test_convergence(verdict, original, compressed, seeds, expected):
    trials = [
        (made.condition("mine", SMALL, level, seed), right(FEW, 3), curve)
        for seed in range(seeds)
        for level, curve in ((1.0, original), (0.3, compressed))
    ]
    answer, numbers = verdict("no faster", trials)
    assert answer == expected
    assert ("at least 3 seeds" in numbers) == (seeds < 3)


@pytest.mark.parametrize(
    ("before", "after", "large", "images", "expected"),
    [
        (300, 300, 30, MANY, "supported"),
        (300, 30, 30, MANY, "not supported"),
        (300, 200, 30, MANY, "not decided"),
        (6, 6, 3, FEW, "not decided"),
    ],
)
def test_a_smaller_model(verdict, before, after, large, images, expected):
    trials = [
        (made.condition("mine", SMALL, 1.0), right(images, before)),
        (made.condition("mine", SMALL, 0.3), right(images, after)),
        (made.condition("mine", LARGE, 1.0), right(images, large)),
    ]
    assert verdict("no smaller", trials)[0] == expected


@pytest.mark.parametrize(
    ("tabular", "images", "expected"),
    [(600, MANY, "supported"), (10, MANY, "not supported"), (4, FEW, "not decided")],
)
def test_tabular(verdict, tabular, images, expected):
    trials = [
        (made.condition("mine", SMALL, 0.3), right(images, 3)),
        (made.condition("mine", "tabular:dct", 0.3), right(images, tabular)),
    ]
    assert verdict("tabular", trials)[0] == expected


@pytest.mark.parametrize(
    ("noisy", "both", "images", "expected"),
    [
        (900, 900, MANY, "supported"),
        (900, 1200, MANY, "supported"),
        (900, 300, MANY, "not supported"),
        (10, 10, MANY, "not decided"),
        (20, 18, FEW, "not decided"),
    ],
)
def test_noise(verdict, noisy, both, images, expected):
    trials = [
        (made.condition("mine", SMALL, 1.0), right(images, 3)),
        (made.condition("mine", SMALL, 1.0, noise=1.0), right(images, noisy)),
        (made.condition("mine", SMALL, 0.3, noise=1.0), right(images, both)),
    ]
    assert verdict("JPEG", trials)[0] == expected


def test_what_was_not_run_comes_with_its_command(verdict):
    for claim in CLAIMS:
        answer, numbers = verdict(claim.words, [(made.condition("mine", "tabular:dct", 1.0), right(FEW, 3))])
        assert answer == "not run"
        assert numbers.startswith("run: agbench run --dataset mine --study ")
