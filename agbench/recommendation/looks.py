"""Looks at a model's levels until each is decided: what each look rests on, and what is to be run for the next.

Nothing is run here, and nothing is kept: the looks follow from the stored trials, so that it does not matter to
their correction how often they are asked for.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice

import numpy as np

from agbench.analysis import intervals
from agbench.analysis.cell import Cell, missing, paired, shared_seeds, with_spreads
from agbench.analysis.intervals import ONE_SIDED, Comparison, Verdict, in_points, in_words
from agbench.analysis.spread import Spread
from agbench.core.condition import ORIGINAL_LEVEL, Budget, Condition, Preprocessing
from agbench.models import registry
from agbench.recommendation.answer import what_would_decide
from agbench.runner.estimate import Estimate
from agbench.store.record import Record

MOST_LOOKS = 4
"""Maximum number of looks at a level, with more trainings at each. Each is corrected for all (Bonferroni)."""


@dataclass(frozen=True)
class Trainings:
    """Trainings that a look rests on: those of each level, and of the original.

    Parameters
    ----------
    budget : Budget
        Settings of the model, with the number of folds where every image is predicted.
    seeds : tuple of int
        Seeds, one trial each.

    Examples
    --------
    >>> print(Trainings(Budget(folds=5), (0, 1)))
    2 seeds, 5 folds
    """

    budget: Budget
    seeds: tuple[int, ...]

    def __str__(self) -> str:
        seeds = f"{len(self.seeds)} seed{'s' if len(self.seeds) > 1 else ''}"
        return seeds if self.budget.folds is None else f"{seeds}, {self.budget.folds} folds"


@dataclass(frozen=True)
class Followed:
    """Levels of a model, by one codec, that are looked at until each is decided.

    Parameters
    ----------
    original : Condition
        The model on the images as they came, with its first seed.
    images : tuple of Preprocessing
        Levels that are compared with it.
    looks : tuple of Trainings
        Trainings of each look, at most `MOST_LOOKS`; each is more than the one before.
    """

    original: Condition
    images: tuple[Preprocessing, ...]
    looks: tuple[Trainings, ...]

    def conditions(self, trainings: Trainings, images: Iterable[Preprocessing]) -> list[Condition]:
        """Return the conditions of trainings on images, those of the original first."""
        return [
            replace(self.original, train=one, budget=trainings.budget, seed=seed)
            for one in (self.original.train, *images)
            for seed in trainings.seeds
        ]

    def all_conditions(self) -> list[Condition]:
        """Return the conditions of all looks."""
        return [one for trainings in self.looks for one in self.conditions(trainings, self.images)]


@dataclass(frozen=True)
class Look:
    """The newest look at a level.

    Parameters
    ----------
    trainings : Trainings
        What it rests on.
    ours, base : Cell
        The level, and the original.
    comparison : Comparison
        Difference of the two, corrected for all looks.
    """

    trainings: Trainings
    ours: Cell
    base: Cell
    comparison: Comparison

    @property
    def is_decided(self) -> bool:
        """Whether the verdict is about the model, not about one training of a network."""
        is_clear = self.comparison.verdict in (Verdict.NOT_INFERIOR, Verdict.INFERIOR)
        return is_clear and not self.comparison.is_one_training

    @property
    def is_withheld(self) -> bool:
        """Whether the images' groups have to be named before it can be decided."""
        return self.comparison.verdict is Verdict.WITHHELD

    def would_decide(self, then: Trainings, images: int) -> bool:
        """Return whether other trainings would decide it, if the difference and its spread stay as they are.

        Parameters
        ----------
        then : Trainings
            Trainings of a later look.
        images : int
            Number of all images, of which folds predict each.
        """
        seeds = shared_seeds(self.ours, self.base)
        ours, base, groups = self.ours.right(seeds), self.base.right(seeds), self.ours.groups
        times = len(then.seeds) // len(seeds)
        parts = images // ours.shape[1] if then.budget != self.trainings.budget else 1
        # One training has no spread: what it decides, more of them may.
        spread = self.ours.over_trainings or Spread.of(intervals.differences(ours, base, self.ours.folds(seeds)))
        one_sided = ONE_SIDED / MOST_LOOKS
        later = np.tile(ours, (times, parts))
        each = then.budget.folds if self.ours.is_network else None
        found = intervals.compare(
            later,
            np.tile(base, (times, parts)),
            self.comparison.margin,
            one_sided,
            np.concatenate([groups + part * (groups.max() + 1) for part in range(parts)]),
            spread=spread.grown(self.comparison.seeds * self.comparison.folds, len(later) * (each or 1)),
            folds=None if each is None else np.tile(np.arange(later.shape[1]) % each, (len(later), 1)),
        )
        return intervals.decide(found.p_not_inferior, found.p_inferior, one_sided) is not Verdict.NOT_DECIDED

    def __str__(self) -> str:
        said = f"{in_words(self.comparison.verdict, self.comparison)} ({self.trainings})"
        if self.is_decided or self.is_withheld:
            return said
        if self.comparison.verdict is not Verdict.NOT_DECIDED:
            return f"{said}: another training would tell more"
        more = missing(self.ours, self.base, self.comparison.margin)
        excluded = in_points(self.comparison.excluded_loss, is_bound=True)
        return f"{said}{what_would_decide(self.comparison, *more)}; a margin of {excluded} is decided now"


@dataclass(frozen=True)
class NextLook:
    """Trials that a next look needs.

    Parameters
    ----------
    trainings : Trainings
        What that look rests on.
    images : tuple of Preprocessing
        Levels that it will probably decide.
    todo : tuple of Condition
        Conditions without a result.
    """

    trainings: Trainings
    images: tuple[Preprocessing, ...]
    todo: tuple[Condition, ...]

    def seconds_each(self, estimate: Estimate) -> float:
        """Return the estimated seconds for each level; 0 where nothing is known."""
        return (estimate.left(self.todo) or 0.0) / len(self.images)


@dataclass(frozen=True)
class Standing:
    """What is known of the levels of a model.

    Parameters
    ----------
    followed : Followed
        Model and levels.
    looks : mapping of Preprocessing to Look
        Newest look at each level; a level without a result has none.
    next : NextLook, optional
        What is to be run for the next look; ``None`` where all is decided, or no look would decide more.
    made : int
        Number of looks that were made.
    """

    followed: Followed
    looks: Mapping[Preprocessing, Look]
    next: NextLook | None
    made: int

    def conditions(self) -> list[Condition]:
        """Return the conditions of all looks that were made, and of the next one."""
        looks = self.followed.looks[: self.made + (self.next is not None)]
        return [one for trainings in looks for one in self.followed.conditions(trainings, self.followed.images)]

    @property
    def decided(self) -> int:
        """Number of levels that are decided."""
        return sum(one.is_decided for one in self.looks.values())

    def lines(self) -> list[str]:
        """Return the state of each level, a line each."""
        found = []
        for images in self.followed.images:
            line = f"{self.followed.original.model} {images}: {self.looks.get(images, 'no result')}"
            is_next = self.next is not None and images in self.next.images
            found.append(f"{line}; next: {self.next.trainings}" if self.next is not None and is_next else line)
        return found


def can_be_decided(condition: Condition) -> bool:
    """Return whether a condition is of a level without noise, tested as it was trained.

    Examples
    --------
    >>> can_be_decided(Condition("dtd", "f", Preprocessing.at(0.3), "tabular:dct", Budget()))
    True
    """
    return condition.test is None and condition.train.noise is None and condition.train.codec is not None


def follow(conditions: Iterable[Condition], folds: int) -> list[Followed]:
    """Return the models and levels of conditions that can be decided: those without noise, tested as trained.

    Parameters
    ----------
    conditions : iterable of Condition
        Conditions of a run.
    folds : int
        Number of folds that a model's images can be predicted in.
    """
    found: dict[tuple[Condition, str], dict[Preprocessing, list[int]]] = {}
    for one in conditions:
        if can_be_decided(one):
            key = replace(one, train=Preprocessing(), seed=0), str(one.train.codec)
            found.setdefault(key, {}).setdefault(one.train, []).append(one.seed)
    followed = []
    for (original, _), by_images in found.items():
        seeds = next(iter(by_images.values()))
        first = Trainings(original.budget, tuple(seeds))
        family, _ = registry.find_model(original.model)
        fewest = registry.FEWEST_FOLDS if family.kind is registry.Kind.DEEP else 2
        looks = _looks(first, folds if "folds" in family.reads and folds >= fewest else None)
        followed.append(Followed(replace(original, seed=seeds[0]), tuple(by_images), looks))
    return followed


def _looks(first: Trainings, folds: int | None) -> tuple[Trainings, ...]:
    """Return the trainings of each look: then folds, where the model can be fitted in them, then more seeds.

    With K folds all images are tested rather than a fifth of them, and a network is trained K times.
    """
    looks = [first]
    if folds is not None and first.budget.folds is None:
        looks.append(replace(first, budget=replace(first.budget, folds=folds)))
    while len(looks) < MOST_LOOKS:
        last = looks[-1]
        unused = (seed for seed in count() if seed not in last.seeds)
        looks.append(replace(last, seeds=(*last.seeds, *islice(unused, len(last.seeds)))))
    return tuple(looks)


def look(
    followed: Followed,
    records: Mapping[str, Record],
    failed: Container[str],
    margin: float,
    images: int,
    is_withheld: bool = False,
) -> Standing:
    """Return how the levels of a model stand after as many looks as there are trainings for.

    Parameters
    ----------
    followed : Followed
        Model and levels.
    records : mapping of str to Record
        Finished trials by the condition's id, with `MOST_LOOKS` planned looks.
    failed : container of str
        Ids of conditions that won't be run again.
    margin : float
        Smallest loss that counts, 0 to 1.
    images : int
        Number of all images.
    is_withheld : bool
        As in `agbench.analysis.intervals.Comparison`.
    """
    looks: dict[Preprocessing, Look] = {}
    undecided: Sequence[Preprocessing] = followed.images
    cells: dict[Budget, dict[float, Cell]] = {}
    for number, trainings in enumerate(followed.looks):
        wanted = followed.conditions(trainings, undecided)
        todo = tuple(one for one in wanted if one.id not in records and one.id not in failed)
        if todo:
            return Standing(followed, looks, NextLook(trainings, tuple(undecided), todo), number)
        lacking = {one.train for one in wanted if one.id not in records}
        if followed.original.train in lacking:
            break
        undecided = [one for one in undecided if one not in lacking]
        alike = cells.setdefault(trainings.budget, {})
        for one in (followed.original.train, *undecided):
            own = [records[of.id] for of in wanted if of.train == one]
            alike[one.level] = Cell(tuple(own), is_withheld)
        placed = with_spreads(alike)
        for one in undecided:
            ours, base = placed[one.level], placed[ORIGINAL_LEVEL]
            if (compared := paired(ours, base, margin)) is not None:
                looks[one] = Look(trainings, ours, base, compared)
        later = followed.looks[number + 1 :]
        undecided = [one for one in undecided if _is_promising(looks[one], later, images)]
        if not undecided:
            break
    return Standing(followed, looks, None, number + 1)


def _is_promising(one: Look, later: Iterable[Trainings], images: int) -> bool:
    """Return whether a level is not decided, and a later look will probably decide it."""
    if one.is_decided or one.is_withheld:
        return False
    return any(one.would_decide(then, images) for then in later)
