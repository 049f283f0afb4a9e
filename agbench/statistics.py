"""Intervals and paired comparisons. scipy and statsmodels do the mathematics."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

CONFIDENCE = 0.95
MARGIN = 0.01
"""What a compressed data set may lose and still count as not inferior: one point of accuracy."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval.

    Parameters
    ----------
    value, low, high : float
        The estimate, and the interval's ends.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Two conditions compared on the same test images.

    Parameters
    ----------
    difference : Interval
        Accuracy of the one minus accuracy of the base, -1 to 1.
    p_value : float
        Of the exact McNemar test that the two are equally accurate.
    images : int
        How many images it rests on.
    """

    difference: Interval
    p_value: float
    images: int

    def verdict(self, margin: float = MARGIN) -> str:
        """Say what the interval decides about a loss of at most `margin`.

        Returns
        -------
        str
            ``"not inferior"`` where the whole interval lies above ``-margin``, ``"inferior"`` where it
            lies below, ``"not decided"`` otherwise.
        """
        if self.difference.low > -margin:
            return "not inferior"
        if self.difference.high < -margin:
            return "inferior"
        return "not decided"


def accuracy(right: float, images: int) -> Interval:
    """Give an accuracy with its Wilson interval.

    Parameters
    ----------
    right : float
        Images predicted rightly; a mean over seeds need not be whole.
    images : int
        Images in all.

    Returns
    -------
    Interval
        Over the drawing of test images; it knows nothing of the seed.
    """
    low, high = proportion_confint(right, images, alpha=1 - CONFIDENCE, method="wilson")
    return Interval(right / images, float(low), float(high))


def compare(predictions: pd.DataFrame, base: pd.DataFrame) -> Comparison:
    """Compare two conditions image by image.

    Parameters
    ----------
    predictions, base : DataFrame
        By ``image_id``: ``label`` and ``predicted``.

    Returns
    -------
    Comparison
        With Newcombe's interval for a paired difference (Statistics in Medicine 17, 1998, method 10): the
        two Wilson intervals joined, minding their correlation.

    Raises
    ------
    ValueError
        If the two are not of the same images with the same labels.
    """
    if set(predictions.index) != set(base.index) or not (
        predictions["label"].reindex(base.index).equals(base["label"])
    ):
        raise ValueError("a paired comparison needs the same test images with the same labels")
    ours = (predictions["label"] == predictions["predicted"]).reindex(base.index)
    theirs = base["label"] == base["predicted"]
    both, gained = int((ours & theirs).sum()), int((ours & ~theirs).sum())
    lost, neither = int((~ours & theirs).sum()), int((~ours & ~theirs).sum())
    images = len(base)
    return Comparison(
        difference=_paired_difference(both, gained, lost, neither),
        p_value=float(mcnemar([[both, gained], [lost, neither]], exact=True).pvalue),
        images=images,
    )


def _paired_difference(both: int, gained: int, lost: int, neither: int) -> Interval:
    images = both + gained + lost + neither
    first, second = accuracy(both + gained, images), accuracy(both + lost, images)
    margins = (both + gained) * (lost + neither) * (both + lost) * (gained + neither)
    agreement = both * neither - gained * lost
    if margins == 0:
        correlation = 0.0
    else:
        # Newcombe's continuity correction, where the two agree.
        corrected = max(agreement - images / 2, 0) if agreement > 0 else agreement
        correlation = corrected / math.sqrt(margins)
    difference = first.value - second.value

    def reach(one: float, other: float) -> float:
        return math.sqrt(max(one**2 - 2 * correlation * one * other + other**2, 0))

    return Interval(
        value=difference,
        low=difference - reach(first.value - first.low, second.high - second.value),
        high=difference + reach(first.high - first.value, second.value - second.low),
    )
