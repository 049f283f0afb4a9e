"""The answer of a report, on made-up results."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agbench.analysis.gather import gather
from agbench.reporting.answer import answer_of, lines
from tests.reporting import made

SMALL = "automm:efficientnet_lite0"
MANY, FEW = 4000, 130


def right(images, wrong):
    """Every image right but so many, spread over both classes."""
    found = np.ones(images, dtype=bool)
    found[:wrong] = False
    return found


@pytest.fixture
def said(tmp_path):
    """The lines of results: (model, level, images, wrong, saved) each."""

    def say(*trials, is_related=False, codec="jpeg"):
        records = [
            made.record(
                tmp_path, made.condition("mine", model, level, codec=codec), right(images, wrong), saved=saved
            )
            for model, level, images, wrong, saved in trials
        ]
        evidence = gather("mine", records, lambda fingerprint: is_related)
        return lines(evidence, answer_of(evidence))

    return say


def test_the_lowest_level_that_loses_less_than_a_point_is_the_answer(said):
    first, second, *rest = said(
        (SMALL, 1.0, MANY, 100, 0), (SMALL, 0.5, MANY, 100, 0.78), (SMALL, 0.1, MANY, 900, 0.9)
    )
    assert first == "At jpeg 0.5: 78 % of the bytes saved (1.0 kB to 220 B); of 10.0 TB, 7.8 TB less."
    assert second == (
        "Accuracy 0.975 to 0.975 (automm:efficientnet_lite0, one seed, 4,000 images); "
        "a loss of more than 0.1 points is excluded for this training."
    )
    assert rest == [
        "The network was trained once for each level: another training may say otherwise.",
        "Next: agbench run --dataset mine --models automm:efficientnet_lite0 --levels 1,0.5 --seeds 0,1,2 "
        "--epochs 6 --learning-rate 0.001 --batch-size 32 --image-size 64",
    ]


def test_what_is_decided_comes_with_the_command_that_does_it(said):
    found = said(("tabular:dct", 1.0, MANY, 100, 0), ("tabular:dct", 0.5, MANY, 100, 0.78))
    assert found[-1] == "Next: agbench compress FOLDER --level 0.5 --out DIR writes such a copy."
    found = said(("tabular:dct", 1.0, MANY, 100, 0), ("tabular:dct", 0.5, MANY, 100, 0.78), codec="webp")
    assert "compress FOLDER --codec webp --level 0.5 " in found[-1]


def test_where_a_point_is_out_of_reach_a_larger_margin_answers_and_more_images_are_asked_for(said):
    first, second, third, *_ = said((SMALL, 1.0, FEW, 10, 0), (SMALL, 0.5, FEW, 10, 0.7))
    assert first.startswith("At jpeg 0.5: 70 % of the bytes saved")
    assert "a loss of more than 2.88 points is excluded" in second
    assert third == "To exclude 1 point: about 260 more test images, if the difference stays as it is."


def test_nothing_that_may_lose_ten_points_is_called_an_answer(said):
    (first, *_) = said((SMALL, 1.0, 20, 2, 0), (SMALL, 0.5, 20, 2, 0.5))
    assert first.startswith(
        "No level is shown to lose less than 10 points. At jpeg 0.5, 50 % of the bytes would be"
    )


def test_where_every_level_does_harm_the_originals_are_kept(said):
    (first, *_) = said((SMALL, 1.0, MANY, 100, 0), (SMALL, 0.5, MANY, 900, 0.5), (SMALL, 0.1, MANY, 1500, 0.8))
    assert first == "Keep the originals: each level that was run loses more than 1 point, in this training."


def test_where_a_level_probably_costs_more_than_a_point_higher_ones_are_named(said):
    found = said((SMALL, 1.0, FEW, 10, 0), (SMALL, 0.5, FEW, 22, 0.7))
    assert found[-1].startswith(
        "Next, as higher levels may cost less: agbench run --dataset mine --models automm:efficientnet_lite0 "
        "--levels 0.9,0.8,0.7,0.6 --epochs 6"
    )


def test_files_that_grow_are_no_answer(said):
    (first, *_) = said((SMALL, 1.0, MANY, 100, 0), (SMALL, 0.5, MANY, 100, -0.5))
    assert first == "Keep the originals: no level that was run takes fewer bytes (jpeg 0.5: 1.0 kB to 1.5 kB)."


def test_a_model_at_chance_has_no_answer(said):
    (only,) = said((SMALL, 1.0, MANY, 2000, 0), (SMALL, 0.5, MANY, 2000, 0.5))
    assert only.startswith("No answer: automm:efficientnet_lite0 has an accuracy of 0.500 on originals, ")


def test_without_the_original_there_is_no_answer(said):
    assert said((SMALL, 0.5, MANY, 100, 0.5)) == ["No answer yet: no level is compared with the originals."]


def test_related_images_are_said_and_no_loss_is_called_excluded(said):
    found = said((SMALL, 1.0, MANY, 100, 0), (SMALL, 0.5, MANY, 100, 0.78), is_related=True)
    assert "would be excluded if images were independent" in found[1]
    assert any(line.startswith("Images seem to belong together") for line in found)
    assert found[-1].startswith("Next: agbench prepare --dataset mine")


def test_the_most_accurate_model_answers_and_others_are_told_where_they_say_something_else(said):
    found = said(
        *((SMALL, level, MANY, 100, saved) for level, saved in ((1.0, 0), (0.5, 0.78))),
        *(
            ("tabular:dct", level, MANY, wrong, saved)
            for level, wrong, saved in ((1.0, 900, 0), (0.5, 1500, 0.78))
        ),
    )
    assert "automm:efficientnet_lite0" in found[1]
    assert "tabular:dct loses more than 1 point at jpeg 0.5 for certain." in found


def test_a_level_that_grows_hides_no_other(said):
    grown = said(
        ("tabular:dct", 1.0, MANY, 100, 0),
        ("tabular:dct", 0.9, MANY, 100, -0.1),
        ("tabular:dct", 0.5, MANY, 100, 0.7),
    )
    assert grown[0].startswith("At jpeg 0.5: 70 % of the bytes saved")


def test_one_training_is_never_safe_and_several_are(tmp_path):
    found = []
    for model in (SMALL, "tabular:dct"):
        records = [
            made.record(tmp_path / model, made.condition("mine", model, level), right(MANY, 100))
            for level in (1.0, 0.5)
        ]
        found.append(answer_of(gather("mine", records, lambda fingerprint: False)))
    assert [one.is_safe for one in found] == [False, True]


def test_all_codecs_count_where_the_originals_are_kept_and_their_number_is_corrected_for(tmp_path):
    outcomes = {("jpeg", 0.5): 900, ("webp", 0.5): 100}
    records = [made.record(tmp_path, made.condition("mine", "tabular:dct", 1.0), right(MANY, 100))]
    records += [
        made.record(tmp_path, made.condition("mine", "tabular:dct", level, codec=codec), right(MANY, wrong))
        for (codec, level), wrong in outcomes.items()
    ]
    evidence = gather("mine", records, lambda fingerprint: False)
    found = answer_of(evidence)
    assert lines(evidence, found)[0].startswith("At webp 0.5: 80 % of the bytes saved")
    (series,) = [one for one in evidence.series if one.codec == "webp"]
    assert found.comparison.excluded_loss > series.compared[0.5].excluded_loss


def test_of_one_model_the_settings_with_most_evidence_answer(tmp_path):
    few = [made.record(tmp_path, made.condition("mine", SMALL, level), right(FEW, 2)) for level in (1.0, 0.5)]
    conditions = [made.condition("mine", SMALL, level) for level in (1.0, 0.5)]
    folded = [replace(one, budget=replace(one.budget, folds=5)) for one in conditions]
    many = [made.record(tmp_path, one, right(5 * FEW, 60)) for one in folded]
    found = answer_of(gather("mine", [*few, *many], lambda fingerprint: False))
    assert (found.comparison.folds, found.comparison.images) == (5, 5 * FEW)
