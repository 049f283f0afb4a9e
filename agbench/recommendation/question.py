"""How far one's own images can be compressed: what is asked, and what is answered."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agbench.analysis.intervals import MARGIN, ONE_SIDED, Comparison, Interval
from agbench.core.condition import Budget, Preprocessing
from agbench.core.errors import UserError
from agbench.models import registry
from agbench.studies import study

LEVELS = study.PAPER_LEVELS[1:]


@dataclass(frozen=True)
class Question:
    """What is asked of a data set.

    Parameters
    ----------
    margin : float
        The loss of accuracy that counts, 0 to 1.
    codecs : tuple of str
        Which may be used.
    seeds : tuple of int
        One trial each; folds are drawn from the seed.
    model : str
        What judges; a ``probe`` or ``tabular`` one predicts every image out of fold.
    image_size : int, optional
        Side in pixels that a probe sees; by default its backbone's own.
    budget : float, optional
        Seconds for all of it.
    confirm : str, optional
        A deep model that is fine-tuned at the original and at the level that was found.
    confirm_budget : Budget
        What that may spend.
    """

    margin: float = MARGIN
    codecs: tuple[str, ...] = ("jpeg",)
    seeds: tuple[int, ...] = (0,)
    model: str = study.PROBE
    image_size: int | None = None
    budget: float | None = None
    confirm: str | None = None
    confirm_budget: Budget = study.STANDARD

    def __post_init__(self) -> None:
        if not 0 < self.margin < 1:
            raise UserError(f"{self.margin:g} is no margin: use a share between 0 and 1, such as 0.01")
        family, _ = registry.find_model(self.model)
        if "folds" not in family.reads:
            raise UserError(
                f"{self.model} can't predict images out of fold: use a probe or tabular model, and confirm with it"
            )
        if not self.codecs or not self.seeds:
            raise UserError("a recommendation needs a codec and a seed at least")
        for name in ("codecs", "seeds"):  # twice the same would count for two
            object.__setattr__(self, name, tuple(dict.fromkeys(getattr(self, name))))

    @property
    def tests(self) -> int:
        """How many levels are compared with the original at most."""
        return len(self.codecs) * most_tests(len(LEVELS))

    @property
    def one_sided(self) -> float:
        """Level of the test at each look, so that all tests together keep that of a 95 % interval."""
        return ONE_SIDED / self.tests


@dataclass(frozen=True)
class LevelTest:
    """A level, compared with the original on the same images.

    Parameters
    ----------
    preprocessing : Preprocessing
        Codec and level.
    base, ours : Interval
        Accuracy at the original, and at this level.
    comparison : Comparison
        Of the two; its interval has the question's level.
    bytes, bytes_original : int
        Of all images.
    image_size : int, optional
        Side in pixels of what was seen of each image; ``None`` where the model doesn't say it.
    is_safe : bool
        Whether it is shown that less than the margin is lost.
    more_images, more_seeds : int, optional
        About so many more would show it, where it is not shown; ``None`` where no number would.
    """

    preprocessing: Preprocessing
    base: Interval
    ours: Interval
    comparison: Comparison
    bytes: int
    bytes_original: int
    is_safe: bool
    image_size: int | None = None
    more_images: int | None = None
    more_seeds: int | None = None

    @property
    def saved(self) -> float:
        """The share of the bytes that is saved."""
        return 1 - self.bytes / self.bytes_original

    @property
    def is_harmful(self) -> bool:
        """Whether it is shown that more than the margin is lost."""
        return self.comparison.difference.high < -self.comparison.margin


@dataclass(frozen=True)
class Recommendation:
    """The answer.

    Parameters
    ----------
    dataset : str
        Whose images.
    question : Question
        What was asked.
    tests : tuple of LevelTest
        What it rests on, in the order of looking.
    chosen : LevelTest, optional
        The one of fewest bytes that is safe; ``None`` where none was shown to be.
    next : LevelTest, optional
        The highest level below it, of the same codec, that was looked at and not shown to be safe.
    confirmed : LevelTest, optional
        The chosen level by the deep model, on test images.
    is_complete : bool
        Whether it was looked as far as asked; not so where the time ran out.
    is_at_chance : bool
        Whether what judges does not see the classes even at the original: it then says nothing of what is lost.
    """

    dataset: str
    question: Question
    tests: tuple[LevelTest, ...]
    chosen: LevelTest | None
    next: LevelTest | None
    confirmed: LevelTest | None = None
    is_complete: bool = True
    is_at_chance: bool = False

    @property
    def is_contradicted(self) -> bool:
        """Whether the deep model is shown to lose more than the margin at the chosen level."""
        return self.confirmed is not None and self.confirmed.is_harmful


def most_tests(levels: int) -> int:
    """Give how many levels a bisection over so many tests at, at most."""
    return math.ceil(math.log2(levels + 1))


def smallest_safe(levels: Sequence[float], is_safe: Callable[[float], bool]) -> float | None:
    """Bisect for the lowest safe level.

    Where every level above a safe one is truly safe too, only levels on one way down the bisection can be called
    safe wrongly: those that are truly not, each looked at because all safe ones before were found safe. So it is
    enough to correct the tests for the number of tests on a way.

    Parameters
    ----------
    levels : sequence of float
        From high to low.
    is_safe : callable
        Says whether a level was shown to be safe.

    Returns
    -------
    float or None
        ``None`` where no level was shown to be.
    """
    safe, unsafe = -1, len(levels)
    while unsafe - safe > 1:
        middle = (safe + unsafe) // 2
        if is_safe(levels[middle]):
            safe = middle
        else:
            unsafe = middle
    return levels[safe] if safe >= 0 else None
