"""Search for the smallest level that is shown to lose less than a margin."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from agbench.analysis import intervals
from agbench.analysis.cell import Cell, missing, paired, with_spreads
from agbench.analysis.intervals import ONE_SIDED, Verdict
from agbench.core.condition import ORIGINAL_LEVEL, Budget, Condition, Preprocessing
from agbench.core.errors import UserError
from agbench.core.metric import ACCURACY
from agbench.core.workspace import Workspace
from agbench.data.dataset import Dataset
from agbench.models import registry
from agbench.recommendation.answer import Recommendation
from agbench.recommendation.question import LEVELS, LevelTest, Question, most_folds, smallest_safe
from agbench.runner import sweep
from agbench.runner.config import ExecutionConfig
from agbench.runner.events import Ended, SweepEvent
from agbench.runner.flips import keep_flips
from agbench.runner.plan import make_plan
from agbench.store.outcome import Failure
from agbench.store.record import Record
from agbench.store.store import Store
from agbench.studies.conditions import located


class TrialFailedError(UserError):
    """A trial that the answer needs has no result; the message names the trial and the reason."""


class _OutOfBudgetError(Exception):
    """The question's time is used up."""


class _AtChanceError(Exception):
    """The model is no better than guessing on the originals."""


def search(
    dataset: Dataset,
    workspace: Workspace,
    question: Question | None = None,
    config: ExecutionConfig | None = None,
    on_event: Callable[[SweepEvent], None] = lambda event: None,
) -> Recommendation:
    """Return the smallest level at which a data set is shown to lose less than a margin.

    Its trials go through the ordinary sweep and store: the same search again runs nothing, and an interrupted one
    goes on.

    Parameters
    ----------
    dataset : Dataset
        Prepared images.
    workspace : Workspace
        Workspace with the data set, where results are stored.
    question : Question, optional
        Margin, codecs, seeds and model; by default a loss of one point, and JPEG.
    config : ExecutionConfig, optional
        Number of concurrent trials, and on which machines.
    on_event : callable
        Called with each event of the sweep.

    Returns
    -------
    Recommendation

    Raises
    ------
    UserError
        If a model can't work on this machine.
    TrialFailedError
        If a trial that the answer needs failed.
    """
    asked = question or Question()
    tests: list[LevelTest] = []
    confirmed, is_complete, is_at_chance = None, True, False
    guessed = float(dataset.index["label"].value_counts(normalize=True).max())
    cells: dict[str, dict[float, Cell]] = {codec: {} for codec in asked.codecs}
    with _trials(dataset, workspace, asked, config or ExecutionConfig(), on_event) as trials:

        def is_safe(codec: str, level: float) -> bool:
            tests.append(_test_level(dataset, Preprocessing.at(level, codec), asked, trials, cells[codec]))
            if tests[-1].accuracy.low <= guessed:
                raise _AtChanceError
            return tests[-1].is_passed

        try:
            for codec in asked.codecs:
                smallest_safe(LEVELS, partial(is_safe, codec))
        except _OutOfBudgetError:
            is_complete = False
        except _AtChanceError:
            is_at_chance = True
        passed = [one for one in tests if one.is_passed and one.saved > 0 and not is_at_chance]
        best = min(passed, key=lambda one: one.bytes, default=None)
        chosen = best if best is not None and best.is_safe else None
        if chosen is not None and asked.confirm is not None and is_complete:
            try:
                confirmed = _confirm(dataset, chosen.preprocessing, asked, asked.confirm, trials)
            except _OutOfBudgetError:
                is_complete = False
    below = [
        one
        for one in tests
        if not one.is_passed and (best is None or one.preprocessing.codec == best.preprocessing.codec)
    ]
    return Recommendation(
        dataset=dataset.name,
        question=asked,
        tests=tuple(tests),
        chosen=chosen,
        withheld=None if best is chosen else best,
        next=max(below, key=lambda one: one.preprocessing.level, default=None),
        confirmed=confirmed,
        is_complete=is_complete,
        is_at_chance=is_at_chance,
        reports=workspace.reports,
        groups=dataset.groups_text(),
        originals="" if dataset.originals is None else dataset.originals.text(),
        folder=dataset.source.origin if Path(dataset.source.origin).is_dir() else "FOLDER",
    )


_Trials = Callable[[Sequence[Condition]], list[Record]]


@contextmanager
def _trials(
    dataset: Dataset,
    workspace: Workspace,
    asked: Question,
    config: ExecutionConfig,
    on_event: Callable[[SweepEvent], None],
) -> Iterator[_Trials]:
    """Yield a function that returns records for conditions and runs the missing ones.

    Workers start on first use.
    """
    store = Store(workspace.results)
    end = math.inf if asked.budget is None else time.monotonic() + asked.budget
    # Each test follows from the one before, and shares its original: one trial a seed at a time.
    most = len(asked.seeds)
    with sweep.on_demand(dataset, workspace, store, config, most=most, deadline=end) as running:

        def trials(conditions: Sequence[Condition]) -> list[Record]:
            plan = make_plan(conditions, store.records(dataset.name))
            if plan.todo:
                with closing(running(plan.todo)) as events:  # type: ignore[type-var]
                    for event in events:
                        on_event(event)
                        if isinstance(event, Ended) and isinstance(event.outcome, Failure):
                            raise TrialFailedError(f"{event.condition}: {event.outcome.reason}")
                plan = make_plan(conditions, store.records(dataset.name))
                if plan.todo:
                    raise _OutOfBudgetError
                if time.monotonic() < end:
                    keep_flips(conditions, dataset, store)
            by_id = {record.condition.id: record for record in plan.done}
            return [by_id[condition.id] for condition in conditions]

        yield trials


def _test_level(
    dataset: Dataset,
    preprocessing: Preprocessing,
    asked: Question,
    trials: _Trials,
    cells: dict[float, Cell],
) -> LevelTest:
    budget = Budget(folds=most_folds(dataset), image_size=asked.image_size)
    return _compared(dataset, preprocessing, asked, asked.model, budget, asked.one_sided, trials, cells)


def _confirm(
    dataset: Dataset, preprocessing: Preprocessing, asked: Question, model: str, trials: _Trials
) -> LevelTest:
    return _compared(dataset, preprocessing, asked, model, asked.confirm_budget, ONE_SIDED, trials, {})


def _compared(
    dataset: Dataset,
    preprocessing: Preprocessing,
    asked: Question,
    model: str,
    budget: Budget,
    one_sided: float,
    trials: _Trials,
    cells: dict[float, Cell],
) -> LevelTest:
    """Return the comparison of a level with the original, over all seeds of one model.

    The spread over seeds is estimated from `differences`, those of the levels that were tested before, by level,
    and of this one, which is added to them.
    """
    family, _ = registry.find_model(model)
    name, checkpoint = located(model)
    own = budget.only(family.reads)
    conditions = [
        Condition(dataset.name, dataset.fingerprint, images, name, own, seed, weights=checkpoint)
        for images in (Preprocessing(), preprocessing)
        for seed in asked.seeds
    ]
    records = trials(conditions)
    if any(asked.metric.name not in record.scores for record in records):
        raise UserError(
            f"{asked.metric.label} says nothing of these classes, or an older trial has not kept what it needs: "
            "`agbench run --fresh` runs it again"
        )
    base, ours = (
        Cell(tuple(part), bool(dataset.is_withheld), metric=asked.metric)
        for part in (records[: len(asked.seeds)], records[len(asked.seeds) :])
    )
    cells.update({ORIGINAL_LEVEL: base, preprocessing.level: ours})
    placed = with_spreads(cells)
    ours, base = placed[preprocessing.level], placed[ORIGINAL_LEVEL]
    compared = paired(ours, base, asked.margin, one_sided)
    if compared is None:
        raise ValueError("trials with the same seeds can be compared")
    verdict = intervals.decide(compared.p_not_inferior, compared.p_inferior, one_sided, compared.is_withheld)
    more: tuple[int | None, int | None] = (None, None)
    if verdict is Verdict.NOT_DECIDED:
        more = missing(ours, base, asked.margin, one_sided)
    return LevelTest(
        preprocessing=preprocessing,
        base=base.interval,
        ours=ours.interval,
        accuracy=replace(base, metric=ACCURACY).interval,
        comparison=compared,
        verdict=verdict,
        bytes=int(records[-1].metrics["bytes"]),
        bytes_original=int(records[-1].metrics["bytes_original"]),
        image_size=records[-1].image_size,
        more_images=more[0],
        more_seeds=more[1],
    )
