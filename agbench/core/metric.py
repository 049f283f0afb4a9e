"""What predictions are measured by: accuracy, and more than accuracy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agbench.core.errors import look_up

CLIP = float(np.finfo(np.float16).eps)
"""Least probability of the true class that log loss counts: as scikit-learn takes it for half precision, 0.001."""

BINS = 15
"""Number of bins of equal width of the calibration error, as in Guo et al., ICML 2017."""

MOST_GUESSES = 5
"""Number of guesses of the top-5 accuracy, which more classes than these have."""

Codes = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Predicted:
    """What a model predicted of images.

    Parameters
    ----------
    labels, predicted : ndarray of int, shape (images,)
        Number of each image's true class, and of the class that was predicted.
    probabilities : ndarray of float, shape (images, classes), optional
        Of all classes, a sum of 1 for each image; ``None`` where they are not known.
    """

    labels: Codes
    predicted: Codes
    probabilities: Shares | None = None

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Whether each image was predicted rightly."""
        right: npt.NDArray[np.bool_] = self.labels == self.predicted
        return right


@dataclass(frozen=True)
class Score:
    """The value of a metric, and what each image has to do with it.

    Parameters
    ----------
    value : float
        Value of the metric.
    influence : ndarray of float, shape (images,)
        Influence of each image on the value, with a mean of 0: images that are drawn anew change the value by
        about the mean of theirs.
    largest : float
        How much the influence of one image may change where it was predicted well and is not any more.
    excess : float
        How much larger than the truth the value is on average, at most: of the calibration error.
    """

    value: float
    influence: Shares
    largest: float
    excess: float = 0.0


@dataclass(frozen=True)
class Metric:
    """What predictions are measured by.

    Parameters
    ----------
    name : str
        Name for the command line and the store: AutoGluon's, where it has one.
    label : str
        Name in sentences and tables.
    function : callable
        Takes a `Predicted`, and returns a `Score`; ``None`` where the metric says nothing of these classes.
    needs_probabilities : bool
        Whether the predicted classes alone are not enough.
    is_higher_better : bool
        Whether a higher value is better.
    unit : str
        Unit of the value: ``"points"``, which are hundredths, or ``"nats"``.
    most : float
        Largest value that there can be; the smallest is 0.
    """

    name: str
    label: str
    function: Callable[[Predicted], Score | None]
    needs_probabilities: bool = True
    is_higher_better: bool = True
    unit: str = "points"
    most: float = 1.0

    def score(self, of: Predicted) -> Score | None:
        """Return the score of predictions; ``None`` where they can't give it.

        Examples
        --------
        >>> wrong = Predicted(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]))
        >>> ACCURACY.score(wrong).value, METRICS["balanced_accuracy"].score(wrong).value
        (0.75, 0.5)
        >>> METRICS["log_loss"].score(wrong) is None
        True
        """
        return None if self.needs_probabilities and of.probabilities is None else self.function(of)

    def gain(self, difference: float) -> float:
        """Return how much better a difference of values is, in the metric's unit; negative where it is worse."""
        return difference if self.is_higher_better else -difference

    def amount(self, value: float, sign: str = "", is_bound: bool = False) -> str:
        """Return a difference with its unit.

        Parameters
        ----------
        value : float
            Difference of values.
        sign : str
            ``"+"`` where a sign stands before what is positive, too.
        is_bound : bool
            Whether it is the end of what is excluded, which must not become smaller by rounding.

        Examples
        --------
        >>> ACCURACY.amount(0.0412), ACCURACY.amount(0.01), ACCURACY.amount(0.010049, is_bound=True)
        ('4.12 points', '1 point', '1.01 points')
        >>> METRICS["log_loss"].amount(0.01, "+")
        '+0.01 nats'
        """
        scale, digits = (100, 2) if self.unit == "points" else (1, 4)
        shown = scale * value
        if is_bound:
            shown = math.ceil(shown * 10**digits - 1e-6) / 10**digits
        text = f"{shown:{sign}.{digits}f}".rstrip("0").rstrip(".")
        return f"{text} {self.unit.removesuffix('s') if text.lstrip('+-') == '1' else self.unit}"


def find_metric(name: str) -> Metric:
    """Return the metric of a name.

    Raises
    ------
    UserError
        If there is none; the error names those that there are.

    Examples
    --------
    >>> find_metric("log_loss").label
    'log loss'
    """
    return look_up("metric", name, METRICS)


def scores_of(predicted: Predicted) -> dict[str, Score]:
    """Return the score by each metric that says something of predictions, by the metric's name.

    Examples
    --------
    >>> [*scores_of(Predicted(np.array([0, 1]), np.array([0, 1])))]
    ['accuracy', 'balanced_accuracy', 'f1_macro']
    """
    found = {name: metric.score(predicted) for name, metric in METRICS.items()}
    return {name: score for name, score in found.items() if score is not None}


def normalised(probabilities: npt.NDArray[np.floating]) -> Shares:
    """Return probabilities of half precision, shape (images, classes), with a sum of 1 for each image.

    Examples
    --------
    >>> normalised(np.array([[0.5, 0.25]], dtype=np.float16)).round(3).tolist()
    [[0.667, 0.333]]
    """
    exact = probabilities.astype(np.float64)
    shares: Shares = exact / exact.sum(axis=1, keepdims=True)
    return shares


def _mean(values: Shares, largest: float) -> Score:
    """Return the score of a metric that is a mean over images."""
    value = float(values.mean())
    return Score(value, values - value, largest)


def _accuracy(of: Predicted) -> Score:
    return _mean(of.right.astype(np.float64), 1.0)


def _balanced_accuracy(of: Predicted) -> Score:
    """Return the mean over the classes of the labels of the share that is predicted rightly."""
    images = np.bincount(of.labels)
    classes = int((images > 0).sum())
    recall = np.bincount(of.labels, of.right) / np.maximum(images, 1)
    weight = len(of.labels) / (classes * images[of.labels])
    return Score(float(recall.sum()) / classes, weight * (of.right - recall[of.labels]), float(weight.max()))


def _f1_macro(of: Predicted) -> Score:
    """Return the mean F1 of the classes of the labels."""
    count = 1 + max(of.labels.max(), of.predicted.max())
    images, taken = (np.bincount(codes, minlength=count) for codes in (of.labels, of.predicted))
    both = images + taken
    f1 = np.where(images > 0, 2 * np.bincount(of.labels, of.right, count) / np.maximum(both, 1), 0.0)
    weight = np.where(images > 0, len(of.labels) / ((images > 0).sum() * np.maximum(both, 1)), 0.0)
    loss = weight * f1
    influence = 2 * weight[of.labels] * of.right - loss[of.labels] - loss[of.predicted]
    return Score(float(f1[images > 0].mean()), influence, 2 * float(weight.max()))


def _log_loss(of: Predicted) -> Score:
    """Return the mean of minus the logarithm of the true class's probability, which is at least `CLIP`."""
    return _mean(-np.log(np.maximum(_of_class(of, of.labels), CLIP)), -math.log(CLIP))


def _top_5_accuracy(of: Predicted) -> Score | None:
    """Return the share of images whose class is among the five that are the most probable; of ties the last."""
    shares = _probabilities(of)
    if shares.shape[1] <= MOST_GUESSES:
        return None
    own = _of_class(of, of.labels)[:, None]
    later = np.arange(shares.shape[1]) > of.labels[:, None]
    before = ((shares > own) | ((shares == own) & later)).sum(axis=1)
    return _mean((before < MOST_GUESSES).astype(np.float64), 1.0)


def _roc_auc(of: Predicted) -> Score | None:
    """Return the area under the ROC curve: of the second of two classes, or the mean of each against the rest.

    Influences are those of DeLong et al., Biometrics 44, 1988, 837-845.
    """
    shares, images = _probabilities(of), len(of.labels)
    present = np.flatnonzero(np.bincount(of.labels))
    if len(present) < 2:
        return None
    classes = present if shares.shape[1] > 2 else present[1:]
    value, influence, largest = 0.0, np.zeros(images), 0.0
    for one in classes:
        own = of.labels == one
        rest, of_one = np.sort(shares[~own, one]), np.sort(shares[own, one])
        above, below = _above(rest, shares[own, one]), 1 - _above(of_one, shares[~own, one])
        area = float(above.mean())
        value += area / len(classes)
        influence[own] += (above - area) * images / (len(of_one) * len(classes))
        influence[~own] += (below - area) * images / (len(rest) * len(classes))
        largest = max(largest, images / (min(len(of_one), len(rest)) * len(classes)))
    return Score(value, influence, largest)


def _above(ordered: Shares, values: Shares) -> Shares:
    """Return the share of ordered numbers that each value is above; half of those that it is equal to."""
    below, up_to = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    above: Shares = (below + up_to) / (2 * len(ordered))
    return above


def _calibration_error(of: Predicted) -> Score:
    """Return the expected calibration error of the predicted class's probability, over `BINS` of equal width.

    It is too large on average: a bin's mean is off by chance, and whichever way it is counts as an error.
    """
    confidence = _of_class(of, of.predicted)
    gap = of.right - confidence
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    sums, images = np.bincount(bins, gap, BINS), len(gap)
    value = float(np.abs(sums).sum()) / images
    excess = math.sqrt(2 / math.pi) * float(np.sqrt(np.bincount(bins, gap**2, BINS)).sum()) / images
    return Score(value, np.sign(sums)[bins] * gap - value, 1.0, excess)


def _probabilities(of: Predicted) -> Shares:
    if of.probabilities is None:
        raise ValueError("this metric needs probabilities")
    return of.probabilities


def _of_class(of: Predicted, classes: Codes) -> Shares:
    """Return each image's probability of a class."""
    return _probabilities(of)[np.arange(len(classes)), classes]


ACCURACY = Metric("accuracy", "accuracy", _accuracy, needs_probabilities=False)

METRICS = {
    metric.name: metric
    for metric in (
        ACCURACY,
        Metric("balanced_accuracy", "balanced accuracy", _balanced_accuracy, needs_probabilities=False),
        Metric("f1_macro", "macro F1", _f1_macro, needs_probabilities=False),
        Metric("log_loss", "log loss", _log_loss, is_higher_better=False, unit="nats", most=-math.log(CLIP)),
        Metric("top_5_accuracy", "top-5 accuracy", _top_5_accuracy),
        Metric("roc_auc", "AUC", _roc_auc),
        Metric("calibration_error", "calibration error", _calibration_error, is_higher_better=False),
    )
}
"""Metrics by name: those of predictions. A further one is one entry here."""
