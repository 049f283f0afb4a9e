"""How often a verdict is wrong where the truth is the margin itself, by simulation, with images in groups."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from agbench.analysis import intervals
from agbench.analysis.clusters import PRIOR

DRAWS = 6000
MOST = 0.03
"""Share of wrong verdicts that is allowed; 2.5 % is what is said."""

NOISE = 3 * (MOST * (1 - MOST) / DRAWS) ** 0.5
"""Three standard errors of a simulated share."""


def sizes_of(images, size, shape="equal"):
    """Return the sizes of groups: equal ones, or as a geometric distribution has them."""
    if shape == "equal":
        return np.full(images // size, size)
    drawn = np.random.default_rng(0).geometric(1 / size, images)
    return drawn[: np.searchsorted(np.cumsum(drawn), images)]


def outcomes(generator, sizes, draws, lost, gained, correlation):
    """Draw how many images of each group are lost and gained: arrays of int of shape (draws, groups).

    Each image has its group's fate with the probability of the root of the correlation, or one of its own.
    """
    shape = draws, len(sizes)
    fate = generator.random(shape)
    alike = generator.binomial(sizes, correlation**0.5, shape)
    own_lost = generator.binomial(sizes - alike, lost)
    own_gained = generator.binomial(sizes - alike - own_lost, gained / (1 - lost))
    is_gained = (fate >= lost) & (fate < lost + gained)
    return own_lost + alike * (fate < lost), own_gained + alike * is_gained


def verdicts(sizes, lost, gained, margin, one_sided=intervals.ONE_SIDED):
    """Return the shares of "not inferior" and "inferior" among draws, by the rule of `intervals.compare`."""
    images, found = sizes.sum(), gained - lost
    value = found.sum(axis=1) / images
    off = found - value[:, None] * sizes
    squares = lost + gained - 2 * value[:, None] * found + value[:, None] ** 2 * sizes
    size, several, count = (sizes**2).sum() / images, sizes > 1, len(sizes)
    added = PRIOR * size
    spread = count / (count - 1) * (off**2).sum(axis=1)
    by_sums = (spread + added * size) / (squares.sum(axis=1) + added)
    pairs = ((off**2 - squares)[:, several] / (sizes[several] - 1)).sum(axis=1)
    correlation = np.clip((pairs + added) / (squares[:, several].sum(axis=1) + added), 0, 1)
    effect = np.clip(np.maximum(by_sums, 1 + (size - 1) * correlation), 1, size)
    unit = 1 + (sizes.max() - 1) * (effect - 1) / (size - 1) if size > 1 else 1.0
    all_lost, all_gained = lost.sum(axis=1), gained.sum(axis=1)
    quantile = -special.ndtri(one_sided)
    if size > 1:
        quantile = -special.stdtrit(max(images / size - 1, 1), one_sided)
    reach = quantile * np.sqrt(effect)
    not_inferior = score(all_gained, all_lost, images, -margin) >= reach
    inferior = score(all_gained, np.maximum(all_lost - unit, 0), images, -margin) <= -reach
    return not_inferior, inferior


def score(gained, lost, images, difference):
    """Return Tango's score of each draw."""
    middle = gained + lost - difference * (2 * images - gained + lost)
    root = np.sqrt(np.maximum(middle**2 + 8 * images * lost * difference * (1 - difference), 0))
    variance = ((middle + root) / (2 * images) + difference * (1 - difference)) / images
    return ((gained - lost) / images - difference) / np.sqrt(variance)


SCENARIOS = [
    *((images, 1, "equal", 0.0) for images in (400, 1000, 2000)),
    *((images, 5, "equal", correlation) for images in (400, 4000) for correlation in (0.1, 0.4, 1.0)),
    *((images, 10, "equal", correlation) for images in (400, 4000) for correlation in (0.1, 0.4, 1.0)),
    *((images, 40, "equal", correlation) for images in (400, 4000) for correlation in (0.1, 0.4, 1.0)),
    *((1000, size, "geometric", correlation) for size in (2, 10) for correlation in (0.1, 1.0)),
]


@pytest.mark.parametrize(("images", "size", "shape", "correlation"), SCENARIOS)
@pytest.mark.parametrize(("margin", "gained"), [(0.01, 0.0), (0.01, 0.03), (0.05, 0.0), (0.05, 0.2)])
def test_few_verdicts_are_wrong(images, size, shape, correlation, margin, gained):
    generator = np.random.default_rng(images + size)
    sizes = sizes_of(images, size, shape)
    all_lost, all_gained = outcomes(generator, sizes, DRAWS, margin + gained, gained, correlation)
    not_inferior, inferior = verdicts(sizes, all_lost, all_gained, margin)
    assert not_inferior.mean() <= MOST + NOISE
    assert inferior.mean() <= MOST + NOISE


def test_images_in_groups_taken_for_independent_are_often_wrongly_safe():
    """What groups are for: 4,000 images in groups of ten, of a correlation of 0.36."""
    sizes = sizes_of(4000, 10)
    lost, gained = outcomes(np.random.default_rng(0), sizes, DRAWS, 0.03, 0.02, 0.36)
    found = score(gained.sum(axis=1), lost.sum(axis=1), sizes.sum(), -0.01)
    assert (found >= -special.ndtri(intervals.ONE_SIDED)).mean() > 0.1
    assert verdicts(sizes, lost, gained, 0.01)[0].mean() <= MOST + NOISE


@pytest.mark.parametrize(("images", "size", "shape"), [(60, 1, "equal"), (200, 5, "equal"), (200, 4, "geometric")])
def test_the_simulated_rule_is_that_of_comparisons(images, size, shape):
    generator = np.random.default_rng(size)
    sizes = sizes_of(images, size, shape)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    seen = set()
    for lost, gained in ((0.0, 0.0), (0.02, 0.02), (0.1, 0.02), (0.3, 0.0), (0.5, 0.1)):
        all_lost, all_gained = outcomes(generator, sizes, 20, lost, gained, 0.5)
        simulated = verdicts(sizes, all_lost, all_gained, 0.1)
        for number in range(20):
            place = np.concatenate([np.arange(size) for size in sizes])
            is_lost = place < np.repeat(all_lost[number], sizes)
            is_gained = ~is_lost & (place < np.repeat(all_lost[number] + all_gained[number], sizes))
            base, ours = ~is_gained[None, :], ~is_lost[None, :]
            one = intervals.compare(ours, base, margin=0.1, groups=groups)
            expected = tuple(bool(rule[number]) for rule in simulated)
            assert (one.verdict == "not inferior", one.verdict == "inferior") == expected
            seen.add(str(one.verdict))
    assert seen == {"not inferior", "inferior", "not decided"}
