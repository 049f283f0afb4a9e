"""The rule by which a level is called safe, by simulation, and the command on images whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import special, stats
from scipy.fft import idctn

from agbench.analysis import influence, intervals
from agbench.analysis.intervals import Verdict
from agbench.core.condition import Preprocessing
from agbench.core.errors import UserError
from agbench.core.metric import METRICS, Predicted
from agbench.recommendation.answer import Recommendation
from agbench.recommendation.question import LEVELS, LevelTest, Question, most_tests, smallest_safe
from tests.analysis.test_error_rates import score

DRAWS = 1000
CHANGED = 0.04
"""Share of images that are right at one of two levels alone, where nothing is lost."""


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_the_bisection_finds_where_safety_ends_and_looks_little(flags):
    safe = sorted(flags, reverse=True)
    levels = [1 - place / 100 for place in range(len(safe))]
    looked = []

    def is_safe(level):
        looked.append(level)
        return safe[levels.index(level)]

    found = smallest_safe(levels, is_safe)
    assert found == (levels[sum(safe) - 1] if any(safe) else None)
    assert len(looked) == len(set(looked)) <= most_tests(len(levels))


def outcomes(generator, images, losses):
    """Right or wrong for the original and for each level that loses so much, of the same images."""
    base = generator.random(images) < 0.9
    drawn = {}
    for level, loss in losses.items():
        # Images gained and lost, so that the expected difference is the loss exactly.
        lost = base & (generator.random(images) < (CHANGED / 2 + max(loss, 0)) / 0.9)
        gained = ~base & (generator.random(images) < (CHANGED / 2 - min(loss, 0)) / 0.1)
        drawn[level] = (base & ~lost) | gained
    return base[None, :], {level: right[None, :] for level, right in drawn.items()}


@pytest.mark.parametrize("images", [300, 1000, 4000])
@pytest.mark.parametrize("knee", [0, 3, 6, 8])
def test_few_verdicts_of_safe_are_wrong(images, knee):
    """At levels from the knee down the margin is lost exactly: the worst case for a verdict of safe."""
    question, generator = Question(), np.random.default_rng(images + knee)
    losses = {level: 0.0 if place < knee else question.margin for place, level in enumerate(LEVELS)}
    wrong = 0
    for _ in range(DRAWS):
        base, ours = outcomes(generator, images, losses)

        def is_safe(level, base=base, ours=ours):
            return is_shown(ours[level], base, question)

        found = smallest_safe(LEVELS, is_safe)
        wrong += found is not None and losses[found] >= question.margin
    assert wrong / DRAWS < 0.05


def is_shown(ours, base, question):
    """Return what `intervals.compare` says of a loss of the margin, by Tango's score at the margin alone."""
    gained, lost = (float(cell.sum()) for cell in (ours & ~base, base & ~ours))
    return score(gained, lost, base.size, -question.margin) >= -special.ndtri(question.one_sided)


def test_the_simulated_rule_is_that_of_comparisons():
    question, generator = Question(), np.random.default_rng(0)
    losses = {level: place * question.margin / 4 for place, level in enumerate(LEVELS)}
    shown = set()
    for images in (300, 1000, 4000):
        for _ in range(10):
            base, ours = outcomes(generator, images, losses)
            for level in LEVELS:
                one = intervals.compare(ours[level], base, question.margin, question.one_sided)
                assert is_shown(ours[level], base, question) == (one.p_not_inferior <= question.one_sided)
                shown.add(one.p_not_inferior <= question.one_sided)
    assert shown == {True, False}


def test_safe_levels_are_found_where_there_is_evidence():
    question, generator = Question(), np.random.default_rng(0)
    losses = {level: 0.0 if level >= 0.3 else 0.1 for level in LEVELS}
    found = []
    for _ in range(100):
        base, ours = outcomes(generator, 20_000, losses)
        compared = {
            level: intervals.compare(ours[level], base, question.margin, question.one_sided) for level in LEVELS
        }
        safe = {level: one.p_not_inferior <= question.one_sided for level, one in compared.items()}
        found.append(smallest_safe(LEVELS, safe.__getitem__))
    assert found.count(0.3) >= 95


def write(folder, make, seed=0, classes=2, images=150, side=48):
    generator = np.random.default_rng(seed)
    for label in range(classes):
        for number in range(images):
            path = folder / f"class {label}" / f"{number:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(make(label, generator, side)).save(path)
    return folder


def fine(label, generator, side):
    """The class is in which of two finest patterns an image has.

    One coefficient of each block of 8x8 pixels is 55. JPEG's table at quality 50 divides it by about 100, and
    keeps a step of it; at quality 40 by about 125: nothing is left, of either class.
    """
    block = np.zeros((8, 8))
    block[(7, 6) if label else (6, 7)] = 55
    pattern = np.tile(idctn(block, norm="ortho"), (side // 8, side // 8))
    return gray(128 + pattern + generator.normal(0, 1, (side, side)))


def unrelated(label, generator, side):
    """The class is not in the image."""
    return gray(generator.normal(128, 20, (side, side)))


def gray(pixels):
    return np.repeat(np.clip(pixels, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def coarse(label, generator, side):
    """The class is in the colour of the whole image alone, which any JPEG keeps."""
    colour = np.array([200, 60, 60] if label else [60, 60, 200])
    return np.clip(colour + generator.normal(0, 12, (side, side, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("make", "expected"), [(fine, 0.5), (coarse, 0.1)])
def test_a_known_tolerance_is_found(on_cluster, tmp_path, make, expected, seed):
    """The seed is that of the images and of the folds."""
    images = tmp_path / "photos"
    write(images, make, seed)
    # To a network, which knows none of them, all images of a class look alike.
    command = ("recommend", images, "--margin", "0.03", "--image-size", "48", "--seeds", seed, "--independent")
    done = on_cluster("--workspace", tmp_path / "w", *command)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0] == (
        "photos: 300 images, each predicted out of fold by probe:efficientnet_lite0 from 48x48 pixels, one seed; "
        "intervals of 98.75 %"
    )
    assert said[1].startswith(f"Safe: jpeg {expected:g} loses less than 3 points")
    assert "measured" in said[1]
    assert f"agbench compress {images} --codec jpeg --level {expected:g} --out DIR" in said[3]
    if seed:
        return
    again = on_cluster("--workspace", tmp_path / "w", *command)
    assert again.stdout == done.stdout
    assert "begins" not in again.stderr, "nothing is run twice"
    if make is coarse:
        by_class = on_cluster("--workspace", tmp_path / "w", *command, "--metric", "balanced_accuracy")
        assert " points of balanced accuracy, and saves " in by_class.stdout.splitlines()[1]
        assert "balanced accuracy 1.0000 at the original" in by_class.stdout
    page = (tmp_path / "w" / "reports" / "photos" / "recommendation.md").read_text()
    assert "not inferior" in page
    assert (tmp_path / "w" / "reports" / "photos" / "recommendation.png").is_file()


def bursts(folder, photographs=5, crops=24):
    """Ten photographs, and crops of each; the class is in the finest pattern alone, which quality 40 erases."""
    generator = np.random.default_rng(1)
    for label in range(2):
        (folder / f"class {label}").mkdir(parents=True)
        for photograph in range(photographs):
            blurred = Image.fromarray(generator.integers(60, 200, (3, 3, 3)).astype(np.uint8))
            low = np.asarray(blurred.resize((64, 64), Image.Resampling.BICUBIC)).astype(float)
            for crop in range(crops):
                y, x = generator.integers(0, 17, 2)
                pixels = low[y : y + 48, x : x + 48] + fine(label, generator, 48) - 128.0
                path = folder / f"class {label}" / f"photo{photograph}_crop{crop}.png"
                Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)
    return folder


def test_crops_of_a_few_photographs_are_never_called_safe(on_cluster, tmp_path):
    images = bursts(tmp_path / "photos")
    command = ("--workspace", tmp_path / "w", "recommend", images, "--margin", "0.05", "--image-size", "48")
    done = on_cluster(*command)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[1].startswith("Withheld: if its images were independent, jpeg")
    named = (
        "`agbench prepare --fresh --dataset photos --group-by '(.*)_crop'` (10 groups) names images of one origin"
    )
    assert named in said[3]
    page = (tmp_path / "w" / "reports" / "photos" / "recommendation.md").read_text()
    for text in (done.stdout, page):
        assert "withheld" in text
        assert "not inferior" not in text
        assert "Safe:" not in text
    grouped = on_cluster(*command, "--dataset", "apart", "--group-by", "(.*)_crop")
    assert grouped.returncode == 2, "a folder and a name are not both"
    grouped = on_cluster("--workspace", tmp_path / "v", *command[2:], "--group-by", "(.*)_crop")
    assert grouped.returncode == 0, grouped.stderr
    assert "240 images in 10 groups" in grouped.stdout
    assert "Safe" not in grouped.stdout


def test_what_does_not_see_the_classes_gives_no_answer(on_cluster, tmp_path):
    images = write(tmp_path / "photos", unrelated, images=40)
    done = on_cluster("--workspace", tmp_path / "w", "recommend", images, "--margin", "0.3", "--image-size", "32")
    assert done.returncode == 0, done.stderr
    assert "no better than always predicting the largest class" in done.stdout
    assert "Safe" not in done.stdout
    assert "not inferior" not in done.stdout
    assert "| not inferior" not in (tmp_path / "w" / "reports" / "photos" / "recommendation.md").read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--margin", "0"), "0 is not a margin"),
        (("--margin", "nan"), "nan is not a margin"),
        (("--codec", "jpg"), "did you mean 'jpeg'"),
        (("--codec", ","), "not a comma-separated list of codecs"),
        (("--seeds", "a"), "not a comma-separated list of seeds"),
        (("--seeds", "-1"), "is not a seed"),
        (("--model", "automm:efficientnet_lite0"), "can't predict images out of fold"),
        (("--model", "prob"), "no model called 'prob'"),
        (("--budget", "soon"), "not a duration"),
        (("--dataset", "digits"), "not both"),
    ],
)
def test_a_users_error_is_told_in_a_line(agbench, tmp_path, plain_images, options, said):
    done = agbench("--workspace", tmp_path / "w", "recommend", plain_images, *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def look(losses=0, images=60):
    base = np.ones((1, images), dtype=bool)
    ours = base.copy()
    ours[0, :losses] = False
    question = Question()
    return LevelTest(
        preprocessing=Preprocessing.at(0.5),
        base=intervals.accuracy(base),
        ours=intervals.accuracy(ours),
        comparison=intervals.compare(ours, base, question.margin, question.one_sided),
        bytes=30,
        bytes_original=100,
        verdict=Verdict.NOT_DECIDED,
        accuracy=intervals.accuracy(base),
        more_images=intervals.missing(ours, base, question.margin, question.one_sided)[0],
    )


def test_what_is_not_decided_says_what_would_decide_it():
    few = look()
    said = Recommendation("photos", Question(), (few,), None, few).text()
    assert "No level is shown to lose less than 1 point of accuracy" in said
    assert "takes at least 618 images; this data set has fewer" in said
    assert "jpeg 0.5: not decided: about 560 more images would" in said
    worse = look(losses=6)
    said = Recommendation("photos", Question(), (worse,), None, worse).text()
    assert "more images would hardly help" in said


def test_a_metric_of_which_a_rise_is_a_loss_has_its_margin_above():
    metric, images = METRICS["log_loss"], np.arange(400)
    question = Question(margin=0.1, metric=metric)
    labels = images % 2

    def score(sure):
        shares = np.where(np.eye(2)[labels] == 1, sure, 1 - sure)
        return metric.score(Predicted(labels, labels, shares))

    compared = influence.compare(metric, [score(0.6)], [score(0.9)], images, question.margin)
    one = replace(look(), comparison=compared, verdict=compared.verdict)
    said = Recommendation("photos", question, (one,), None, one).text()
    assert "No level is shown to lose less than 0.1 nats of log loss" in said
    assert "jpeg 0.5: shown to lose more" in said
    assert "+0.4055 nats (+0.3" in said
    curve = said.splitlines()[-2]
    assert curve.index(":") < curve.index("|") < curve.index("o"), "none, the margin, and what was found"
    assert "difference of log loss" in said


def test_a_level_that_the_deep_model_contradicts_is_not_called_safe():
    chosen = replace(look(), verdict=Verdict.NOT_INFERIOR)
    harmful = replace(look(losses=30), verdict=Verdict.INFERIOR)
    assert harmful.is_harmful
    answer = Recommendation("photos", Question(confirm="automm"), (chosen,), chosen, None, confirmed=harmful)
    said = answer.text().splitlines()
    assert said[1].startswith("No safe level: jpeg 0.5 loses less than 1 point of accuracy with probe")
    assert not any(line.startswith("Safe") or "agbench compress" in line for line in said)


def test_what_is_withheld_is_neither_chosen_nor_called_excluded():
    base = np.ones((1, 2000), dtype=bool)
    compared = intervals.compare(base, base, is_withheld=True)
    one = replace(look(), verdict=Verdict.WITHHELD, comparison=compared, bytes=30)
    answer = Recommendation(
        "photos", Question(), (one,), None, None, withheld=one, groups="related images are there"
    )
    said = answer.text().splitlines()
    assert said[1].startswith("Withheld: if its images were independent, jpeg 0.5 would lose less than 1 point")
    assert "would be excluded" in said[2]
    assert said[3] == "  related images are there"
    assert not any("is excluded" in line or "Safe" in line or "not inferior" in line for line in said)


def test_only_what_predicts_out_of_fold_may_judge():
    with pytest.raises(UserError, match="can't predict images out of fold"):
        Question(model="automm:efficientnet_lite0")


@given(
    st.integers(2, 6).flatmap(lambda seeds: st.lists(st.integers(0, 12), min_size=seeds, max_size=seeds)),
    st.integers(100, 400),
    st.floats(0.01, 0.2),
)
def test_the_seeds_that_are_missing_are_just_enough(losses, images, margin):
    """By Student's interval over seeds and Tango's over images, the former recomputed with scipy.stats."""
    base = np.ones((len(losses), images), dtype=bool)
    ours = base.copy()
    for seed, lost in enumerate(losses):
        ours[seed, :lost] = False
    found = intervals.compare(ours, base, margin)
    more_images, more = intervals.missing(ours, base, margin)
    value, spread = -np.mean(losses) / images, np.std(losses, ddof=1) / images
    reach = stats.t.ppf(0.975, len(losses) - 1) * spread / np.sqrt(len(losses))
    over_images = np.sqrt(max((value - found.difference.low) ** 2 - reach**2, 0))

    def low(seeds):
        return value - np.hypot(over_images, stats.t.ppf(0.975, seeds - 1) * spread / np.sqrt(seeds))

    if found.difference.low <= -1 or found.p_not_inferior <= intervals.ONE_SIDED:
        return
    if value <= -margin:
        assert (more_images, more) == (None, None)
    elif more is None:
        assert low(len(losses) + 999) <= -margin + 1e-9
    else:
        assert low(len(losses) + more) > -margin - 1e-9
        assert more == 1 or low(len(losses) + more - 1) <= -margin + 1e-9


@given(st.integers(1, 400), st.integers(0, 40), st.floats(0.005, 0.3))
def test_the_images_that_are_missing_are_enough(images, losses, margin):
    base = np.ones((1, images), dtype=bool)
    ours = base.copy()
    ours[0, :losses] = False
    found = intervals.compare(ours, base, margin)
    more, _ = intervals.missing(ours, base, margin)
    if found.p_not_inferior <= intervals.ONE_SIDED or more is None:
        return
    factor = (images + more) / images
    low = intervals.compare(np.tile(ours, 50), np.tile(base, 50), margin).difference.low
    if factor <= 50:
        assert low > -margin, "fifty times the images would be more than enough"
