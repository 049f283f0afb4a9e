"""What is said of the paper's claims, where the truth is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from agbench.analysis.gather import gather
from agbench.reporting.tables.claims import CLAIMS, findings
from agbench.reporting.tables.tables import difference_table, margins_table
from agbench.studies.study import PAPER_LEVELS
from tests.reporting import made

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

    def ask(start, trials, pixels=None, failed=()):
        records = [made.record(tmp_path, condition, *rest) for condition, *rest in trials]
        records += [made.failed(condition) for condition in failed]
        evidence = gather("mine", records, independent)
        if pixels:
            evidence = dataclasses.replace(evidence, facts={"pixels": [pixels, pixels]})
        ((_, finding),) = [pair for pair in findings(evidence) if pair[0].words.startswith(start)]
        return finding.verdict, finding.numbers

    return ask


def independent(fingerprint):
    """Whether images seem to be related: they do not."""
    return False


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


def test_levels_that_were_not_run_leave_the_claim_open(verdict):
    some = [one for one in levels({}) if one[0].train.level in (1.0, 0.3)]
    answer, numbers = verdict("negligible", some)
    assert (answer, "without a result: 0.9, 0.8" in numbers) == ("not decided", True)


def test_a_certain_loss_decides_whatever_is_missing(verdict):
    some = [one for one in levels({0.9: 300}) if one[0].train.level in (1.0, 0.9)]
    assert verdict("negligible", some, failed=[made.condition("mine", SMALL, 0.3)])[0] == "not supported"


def test_one_training_is_said_with_the_verdict(tmp_path):
    for seeds, expected in ((1, "supported (this training)"), (3, "supported")):
        trials = [
            (dataclasses.replace(condition, seed=seed), rest)
            for seed in range(seeds)
            for condition, rest in levels({})
        ]
        records = [made.record(tmp_path, *trial) for trial in trials]
        evidence = gather("mine", records, independent)
        found = {claim.words[:10]: str(finding) for claim, finding in findings(evidence)}
        assert found["negligible"] == expected


@pytest.mark.parametrize(
    ("are_related", "why"),
    [(True, "images seem to be related"), (None, "related images have not been looked for")],
)
def test_it_is_said_why_a_claim_is_not_decided(tmp_path, are_related, why):
    wrong = ((SMALL, 1.0, 20), (SMALL, 0.3, 30), (LARGE, 1.0, 300))
    trials = [(made.condition("mine", model, level), right(MANY, count)) for model, level, count in wrong]
    evidence = gather("mine", [made.record(tmp_path, *trial) for trial in trials], lambda fingerprint: are_related)
    found = {claim.words[:21]: finding for claim, finding in findings(evidence)}
    assert found["compressing costs les"].verdict == "not decided"
    assert found["compressing costs les"].numbers.startswith(f"{why}; automm:efficientnet_b0 at 0.3 minus")


@pytest.mark.parametrize("are_related", [True, None])
def test_no_claim_about_images_is_decided_where_these_may_be_related(tmp_path, are_related):
    trials = [(dataclasses.replace(one, seed=seed), rest) for seed in range(3) for one, rest in levels({})]
    evidence = gather("mine", [made.record(tmp_path, *trial) for trial in trials], lambda fingerprint: are_related)
    found = {claim.words[:10]: finding for claim, finding in findings(evidence)}
    assert found["negligible"].verdict == "not decided"
    assert "tolerance 1" in found["negligible"].numbers
    assert found["65 to 86 %"].verdict in ("supported", "not supported"), "bytes are counted"
    (series,) = evidence.series
    assert {str(one.verdict) for one in series.compared.values()} == {"withheld"}
    table = margins_table(evidence)
    assert table.rows[0][1:] == (1.0, 1.0, 1.0, 1.0, "withheld")
    assert {row[3] for row in difference_table(evidence).rows} == {None}


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


FASTER, FAST, SLOW, SLOWER = (
    tuple(0.5 if epoch < first else 0.9 for epoch in range(1, 11)) for first in (1, 2, 7, 8)
)


LONG, LONGER, LONGEST = (tuple(0.5 if epoch < first else 0.9 for epoch in range(1, 51)) for first in (32, 34, 36))


@pytest.mark.parametrize(
    ("original", "compressed", "expected"),
    [
        ((LONGEST,) * 3, (LONGEST, LONGER, LONGEST), "supported"),
        ((LONGEST,) * 3, (LONG, LONGER, LONG), "not decided"),
        ((SLOW,) * 3, (SLOWER, SLOW, SLOWER), "supported"),
        ((SLOW,) * 3, (FAST, SLOWER, SLOWER), "not decided"),
        ((SLOWER,) * 3, (FAST, FASTER, FAST), "not supported"),
        ((SLOW,) * 2, (FAST, FAST), "not decided"),
        ((SLOW,), (SLOWER,), "not decided"),
        ((SLOW,) * 3, (SLOW,) * 3, "not decided"),
        ((FASTER,) * 3, (SLOW, SLOWER, SLOWER), "not decided"),
    ],
)
def test_convergence(verdict, original, compressed, expected):
    trials = [
        (made.condition("mine", SMALL, level, seed), right(FEW, 3), curve)
        for level, curves in ((1.0, original), (0.3, compressed))
        for seed, curve in enumerate(curves)
    ]
    answer, numbers = verdict("no faster", trials)
    assert answer == expected, numbers
    assert ("at least 3 seeds" in numbers) == (len(original) < 3)


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
    trials = [(made.condition("mine", SMALL, 0.3), right(images, 3))]
    trials += [(made.condition("mine", model, 0.3), right(images, tabular)) for model in made.FEATURES]
    assert verdict("tabular", trials)[0] == expected


def test_every_tabular_model_is_every_one(verdict):
    trials = [
        (made.condition("mine", SMALL, 0.3), right(MANY, 3)),
        (made.condition("mine", "tabular:pixels", 0.3), right(MANY, 600)),
    ]
    answer, numbers = verdict("tabular", trials, failed=[made.condition("mine", "tabular:dct", 0.3)])
    assert answer == "not decided"
    assert "without a result: tabular:dct, tabular:pixels+dct" in numbers


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


def test_the_noise_is_the_papers(verdict):
    trials = [
        (made.condition("mine", SMALL, level, noise=noise), right(MANY, wrong))
        for noise, level, wrong in (
            (None, 1.0, 3),
            (0.1, 1.0, 3),
            (0.1, 0.3, 3),
            (1.0, 1.0, 900),
            (1.0, 0.3, 950),
        )
    ]
    assert verdict("JPEG", trials)[0] == "supported"
    assert verdict("JPEG", trials[:3])[0] == "not run"


def test_a_model_of_another_image_size_or_place_is_no_larger_model(tmp_path):
    for names in (
        ("automm:vit_base_patch16_224", "automm:vit_base_patch16_384"),
        ("automm:/a/ckpt1", "automm:/a/ckpt2"),
    ):
        records = [made.record(tmp_path, made.condition("mine", name, 1.0), right(FEW, 3)) for name in names]
        assert gather("mine", records).sizes == []


def test_what_failed_is_no_claim_that_was_not_run(verdict):
    answer, numbers = verdict(
        "JPEG",
        [(made.condition("mine", SMALL, 1.0), right(FEW, 3))],
        failed=[made.condition("mine", SMALL, 0.3, noise=1.0)],
    )
    assert answer == "not decided"
    assert "no memory" in numbers


def test_what_was_not_run_comes_with_its_command(verdict):
    for claim in CLAIMS:
        answer, numbers = verdict(claim.words, [(made.condition("mine", "tabular:dct", 1.0), right(FEW, 3))])
        assert answer == "not run"
        assert numbers.startswith("run: agbench run --dataset mine --study ")
