"""How far one's own images can be compressed: the smallest level that is shown to lose less than a margin."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np

from agbench import statistics, study, sweep
from agbench.condition import Budget, Condition, Preprocessing
from agbench.data.dataset import Dataset
from agbench.errors import UserError
from agbench.events import Ended, OfSweep
from agbench.flights import Engine
from agbench.models import registry
from agbench.outcome import Failure
from agbench.plan import make_plan
from agbench.record import Record
from agbench.statistics import MARGIN, ONE_SIDED, Comparison, Interval
from agbench.store import Store
from agbench.workspace import Workspace

FOLDS = 5
"""At most; fewer where a class has fewer different images."""

LEVELS = study.PAPER_LEVELS[1:]


class TrialFailedError(Exception):
    """A trial that the answer rests on gave no result; the message says which, and why."""


class OutOfBudgetError(Exception):
    """The time is spent."""


class BlindError(Exception):
    """What judges is no better than guessing."""


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
        if not self.codecs or not self.seeds:
            raise UserError("a recommendation needs a codec and a seed at least")
        for name in ("codecs", "seeds"):  # twice the same would count for two
            object.__setattr__(self, name, tuple(dict.fromkeys(getattr(self, name))))

    @property
    def looks(self) -> int:
        """How many levels are compared with the original at most."""
        return len(self.codecs) * most_looks(len(LEVELS))

    @property
    def one_sided(self) -> float:
        """Level of the test at each look, so that all looks together keep that of a 95 % interval."""
        return ONE_SIDED / self.looks


@dataclass(frozen=True)
class Look:
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
    looks : tuple of Look
        What it rests on, in the order of looking.
    chosen : Look, optional
        The one of fewest bytes that is safe; ``None`` where none was shown to be.
    next : Look, optional
        The highest level below it, of the same codec, that was looked at and not shown to be safe.
    confirmed : Look, optional
        The chosen level by the deep model, on test images.
    is_whole : bool
        Whether it was looked as far as asked; not so where the time ran out.
    is_blind : bool
        Whether what judges does not see the classes even at the original: it then says nothing of what is lost.
    """

    dataset: str
    question: Question
    looks: tuple[Look, ...]
    chosen: Look | None
    next: Look | None
    confirmed: Look | None = None
    is_whole: bool = True
    is_blind: bool = False


def most_looks(levels: int) -> int:
    """Give how many levels a bisection over so many looks at, at most."""
    return math.ceil(math.log2(levels + 1))


def smallest_safe(levels: Sequence[float], is_safe: Callable[[float], bool]) -> float | None:
    """Bisect for the lowest safe level.

    Where every level above a safe one is truly safe too, only levels on one way down the bisection can be called
    safe wrongly: those that are truly not, each looked at because all safe ones before were found safe. So it is
    enough to correct the tests for the number of looks on a way.

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


def recommend(
    dataset: Dataset,
    workspace: Workspace,
    question: Question | None = None,
    engine: Engine | None = None,
    tell: Callable[[OfSweep], None] = lambda event: None,
) -> Recommendation:
    """Find the smallest level at which a data set loses less than a margin.

    Its trials go through the ordinary sweep and store: called again, it runs nothing; interrupted, it goes on.

    Parameters
    ----------
    dataset : Dataset
        Prepared.
    workspace : Workspace
        Where everything is.
    question : Question, optional
        What is asked.
    engine : Engine, optional
        How trials are run.
    tell : callable
        Told what happens.

    Returns
    -------
    Recommendation

    Raises
    ------
    UserError
        If a model can't work here.
    TrialFailedError
        If a trial that the answer needs failed.
    """
    asked = question or Question()
    looks: list[Look] = []
    confirmed, is_whole, is_blind = None, True, False
    guessed = float(dataset.index["label"].value_counts(normalize=True).max())
    with _trials(dataset, workspace, asked, engine or Engine(), tell) as trials:

        def is_safe(codec: str, level: float) -> bool:
            looks.append(_look(dataset, Preprocessing.at(level, codec), asked, trials))
            if looks[-1].base.low <= guessed:
                raise BlindError
            return looks[-1].is_safe

        try:
            for codec in asked.codecs:
                smallest_safe(LEVELS, partial(is_safe, codec))
        except OutOfBudgetError:
            is_whole = False
        except BlindError:
            is_blind = True
        safe = [one for one in looks if one.is_safe and one.saved > 0 and not is_blind]
        chosen = min(safe, key=lambda one: one.bytes, default=None)
        if chosen is not None and asked.confirm is not None and is_whole:
            try:
                confirmed = _confirm(dataset, chosen.preprocessing, asked, asked.confirm, trials)
            except OutOfBudgetError:
                is_whole = False
    below = [
        one
        for one in looks
        if not one.is_safe and (chosen is None or one.preprocessing.codec == chosen.preprocessing.codec)
    ]
    return Recommendation(
        dataset=dataset.name,
        question=asked,
        looks=tuple(looks),
        chosen=chosen,
        next=max(below, key=lambda one: one.preprocessing.level, default=None),
        confirmed=confirmed,
        is_whole=is_whole,
        is_blind=is_blind,
    )


_Trials = Callable[[Sequence[Condition]], list[Record]]


@contextmanager
def _trials(
    dataset: Dataset,
    workspace: Workspace,
    asked: Question,
    engine: Engine,
    tell: Callable[[OfSweep], None],
) -> Iterator[_Trials]:
    """Give what runs conditions and gives their records; workers are started when the first one is missing."""
    store = Store(workspace.results)
    end = math.inf if asked.budget is None else time.monotonic() + asked.budget
    with ExitStack() as stack:
        running: list[sweep.Running] = []

        def trials(conditions: Sequence[Condition]) -> list[Record]:
            plan = make_plan(conditions, store.records(dataset.name))
            if plan.todo:
                if not running:
                    opened = sweep.opened(dataset, workspace, store, engine)
                    running.append(stack.enter_context(opened))
                with closing(running[0](plan.todo)) as events:  # type: ignore[type-var]
                    for event in events:
                        tell(event)
                        if isinstance(event, Ended) and isinstance(event.outcome, Failure):
                            raise TrialFailedError(f"{event.condition}: {event.outcome.reason}")
                        if time.monotonic() > end:
                            raise OutOfBudgetError
                plan = make_plan(conditions, store.records(dataset.name))
            by_id = {record.condition.id: record for record in plan.done}
            return [by_id[condition.id] for condition in conditions]

        yield trials


def _look(dataset: Dataset, preprocessing: Preprocessing, asked: Question, trials: _Trials) -> Look:
    smallest = int(dataset.index.groupby("label")["sha256"].nunique().min())
    budget = Budget(folds=max(min(FOLDS, smallest), 2), image_size=asked.image_size)
    return _compared(dataset, preprocessing, asked, asked.model, budget, asked.one_sided, trials)


def _confirm(dataset: Dataset, preprocessing: Preprocessing, asked: Question, model: str, trials: _Trials) -> Look:
    return _compared(dataset, preprocessing, asked, model, asked.confirm_budget, ONE_SIDED, trials)


def _compared(
    dataset: Dataset,
    preprocessing: Preprocessing,
    asked: Question,
    model: str,
    budget: Budget,
    one_sided: float,
    trials: _Trials,
) -> Look:
    """Run a model at the original and at a level, with all seeds, and compare."""
    family, _ = registry.find(model)
    name, checkpoint = study.located(model)
    own = budget.only(family.reads)
    conditions = [
        Condition(dataset.name, dataset.fingerprint, images, name, own, seed, weights=checkpoint)
        for images in (Preprocessing(), preprocessing)
        for seed in asked.seeds
    ]
    records = trials(conditions)
    base, ours = (
        np.stack([record.outcome.right for record in part])
        for part in (records[: len(asked.seeds)], records[len(asked.seeds) :])
    )
    compared = statistics.compare(ours, base, asked.margin, one_sided)
    is_safe = compared.p_not_inferior <= one_sided
    images = base.shape[1]
    more = (None, None) if is_safe else statistics.missing(ours, base, asked.margin, one_sided)
    return Look(
        preprocessing=preprocessing,
        base=statistics.accuracy(float(base.sum(axis=1).mean()), images),
        ours=statistics.accuracy(float(ours.sum(axis=1).mean()), images),
        comparison=compared,
        bytes=int(records[-1].metrics["bytes"]),
        bytes_original=int(records[-1].metrics["bytes_original"]),
        is_safe=is_safe,
        more_images=more[0],
        more_seeds=more[1],
    )
