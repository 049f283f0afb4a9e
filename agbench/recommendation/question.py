"""The question of a recommendation, the levels it is asked of, and the bisection over them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agbench.analysis.intervals import MARGIN, ONE_SIDED, Comparison, Interval, Verdict
from agbench.core.arguments import as_float, checked
from agbench.core.condition import Budget, Preprocessing
from agbench.core.errors import UserError
from agbench.core.metric import ACCURACY, Metric
from agbench.data.dataset import Dataset
from agbench.models import registry
from agbench.studies import study

LEVELS = study.PAPER_LEVELS[1:]
"""Levels that are bisected, from high to low: the paper's without the original."""

FOLDS = 5
"""Maximum number of folds; fewer where a class has fewer different images."""

SMALLEST_SIDE = 32
"""Fewest pixels a side of what a backbone sees."""


@dataclass(frozen=True)
class Question:
    """What is asked of a data set: the smallest level that loses less than a margin.

    Parameters
    ----------
    margin : float
        Smallest loss of the metric that matters, above 0 and below the most that there is; 0.01 is one point.
    codecs : tuple of str
        Names of the codecs to try.
    seeds : tuple of int
        Seeds, one trial a level each; folds are drawn from the seed.
    model : str
        Name of the model that is trained at each level: a ``probe`` or ``tabular`` one, which predicts every image
        out of fold.
    image_size : int, optional
        Side in pixels to which a probe scales images, 32 or more; by default its backbone's own.
    budget : float, optional
        Seconds after which trials in flight are stopped; by default there is no limit.
    confirm : str, optional
        Name of a deep model that is fine-tuned at the original and at the level found.
    confirm_budget : Budget
        Budget of that deep model.
    metric : Metric
        What decides.

    Raises
    ------
    UserError
        If a value is out of range, or `model` is a network, or can't predict images out of fold.

    Examples
    --------
    >>> Question(codecs=("jpeg", "webp")).tests
    8
    """

    margin: float = MARGIN
    codecs: tuple[str, ...] = ("jpeg",)
    seeds: tuple[int, ...] = (0,)
    model: str = study.PROBE
    image_size: int | None = None
    budget: float | None = None
    confirm: str | None = None
    confirm_budget: Budget = study.STANDARD
    metric: Metric = ACCURACY

    def __post_init__(self) -> None:
        check_margin(self.margin, self.metric)
        if self.image_size is not None:
            checked("image_size", self.image_size, int, "a whole number of pixels")
            if self.image_size < SMALLEST_SIDE:
                raise UserError(
                    f"{self.image_size} is too small an image_size: use {SMALLEST_SIDE} or more pixels"
                )
        family, _ = registry.find_model(self.model)
        if family.kind is registry.Kind.DEEP or "folds" not in family.reads:
            raise UserError(
                f"{self.model} can't predict images out of fold in little time: use a probe or tabular model, and "
                "confirm with it"
            )
        if not self.codecs or not self.seeds:
            raise UserError("a recommendation needs at least one codec and one seed")
        for name in ("codecs", "seeds"):  # twice the same would count for two
            object.__setattr__(self, name, tuple(dict.fromkeys(getattr(self, name))))

    @property
    def tests(self) -> int:
        """Maximum number of levels that are compared with the original."""
        return len(self.codecs) * most_tests(len(LEVELS))

    @property
    def one_sided(self) -> float:
        """One-sided significance level of each test, 0 to 1: all tests together keep that of a 95 % interval."""
        return ONE_SIDED / self.tests


@dataclass(frozen=True)
class LevelTest:
    """A level compared with the original on the same images.

    Parameters
    ----------
    preprocessing : Preprocessing
        Codec and level.
    base, ours : Interval
        Value of the question's metric at the original and at this level.
    comparison : Comparison
        Difference of the two, level minus original, with an interval at the question's significance level.
    bytes, bytes_original : int
        Bytes of all images' files at this level and at the original.
    verdict : Verdict
        What is decided, at the question's significance level.
    image_size : int, optional
        Side in pixels of what the model saw of each image; ``None`` where it does not say.
    accuracy : Interval
        Accuracy at the original, 0 to 1, whatever the metric: a model at chance shows no loss.
    more_images, more_seeds : int, optional
        Estimated number of further images, or seeds, that would exclude such a loss if the difference stays as it
        is; ``None`` where the level is safe, or no number would.
    """

    preprocessing: Preprocessing
    base: Interval
    ours: Interval
    comparison: Comparison
    bytes: int
    bytes_original: int
    verdict: Verdict
    accuracy: Interval
    image_size: int | None = None
    more_images: int | None = None
    more_seeds: int | None = None

    @property
    def saved(self) -> float:
        """Share of the original bytes that is saved, at most 1; negative where files grew."""
        return 1 - self.bytes / self.bytes_original

    @property
    def is_safe(self) -> bool:
        """Whether a loss of the margin or more is excluded."""
        return self.verdict is Verdict.NOT_INFERIOR

    @property
    def is_passed(self) -> bool:
        """Whether such a loss is excluded, if the images are independent."""
        return self.verdict in (Verdict.NOT_INFERIOR, Verdict.WITHHELD)

    @property
    def is_harmful(self) -> bool:
        """Whether a loss of more than the margin is shown."""
        return self.verdict is Verdict.INFERIOR


def check_margin(margin: float, metric: Metric = ACCURACY) -> None:
    """Raise `UserError` unless a margin is above 0 and below the most that a metric can lose.

    Examples
    --------
    >>> check_margin(2)
    Traceback (most recent call last):
    agbench.core.errors.UserError: 2 is not a margin: use a share between 0 and 1, such as 0.01
    """
    checked("margin", margin, (int, float), "a number")
    if not 0 < margin < metric.most:
        unit = "a share" if metric.unit == "points" else metric.unit
        raise UserError(
            f"{as_float(margin):g} is not a margin: use {unit} between 0 and {metric.most:.2g}, such as 0.01"
        )


def most_folds(dataset: Dataset) -> int:
    """Return the number of folds that a data set's images are predicted in: fewer than 5 for a small class."""
    smallest = int(dataset.index.groupby("label")["group"].nunique().min())
    return max(min(FOLDS, smallest), 2)


def most_tests(levels: int) -> int:
    """Return the maximum number of levels that a bisection tests.

    Parameters
    ----------
    levels : int
        Number of levels to bisect.

    Examples
    --------
    >>> most_tests(9)
    4
    """
    return math.ceil(math.log2(levels + 1))


def smallest_safe(levels: Sequence[float], is_safe: Callable[[float], bool]) -> float | None:
    """Return the lowest safe level, found by bisection.

    If safety is monotone in the level, only the levels on one path of the bisection can be called safe wrongly:
    each is tested because all safe ones before were found safe. So the tests are corrected for the length of a
    path, not for the number of levels.

    Parameters
    ----------
    levels : sequence of float
        Levels from high to low.
    is_safe : callable
        Function of a level that returns whether it was shown to be safe.

    Returns
    -------
    float or None
        ``None`` where no level was shown to be safe.

    Examples
    --------
    >>> smallest_safe([0.9, 0.5, 0.3, 0.1], lambda level: level >= 0.3)
    0.3
    """
    safe, unsafe = -1, len(levels)
    while unsafe - safe > 1:
        middle = (safe + unsafe) // 2
        if is_safe(levels[middle]):
            safe = middle
        else:
            unsafe = middle
    return levels[safe] if safe >= 0 else None
