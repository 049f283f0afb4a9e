"""Run trials until the comparison of each level with the original is decided."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from agbench.analysis.clusters import Clusters
from agbench.analysis.intervals import ONE_SIDED
from agbench.analysis.outlook import out_of_reach, outlook
from agbench.core.condition import Condition
from agbench.core.workspace import Workspace
from agbench.data.dataset import Dataset
from agbench.data.splits import TEST
from agbench.models import registry
from agbench.recommendation.looks import MOST_LOOKS, Standing, follow, look
from agbench.recommendation.question import most_folds
from agbench.runner import sweep
from agbench.runner.config import ExecutionConfig
from agbench.runner.estimate import Estimate
from agbench.runner.events import Ended, SweepEvent
from agbench.runner.flips import keep_flips
from agbench.runner.plan import make_plan
from agbench.store.record import Record
from agbench.store.store import Store


@dataclass(frozen=True)
class Decisions:
    """What was decided of each level, and why no more was run.

    Parameters
    ----------
    standings : tuple of Standing
        What is known of each model, by codec.
    is_out_of_time : bool
        Whether the budget of time ended before the looks did.
    groups : str
        What is known of groups of the images, in a line; empty where there is nothing to say.
    failures : int
        Number of trials that failed.
    """

    standings: tuple[Standing, ...]
    is_out_of_time: bool
    groups: str = ""
    failures: int = 0

    def conditions(self) -> list[Condition]:
        """Return the conditions of all looks that were made, and of the next ones."""
        return [condition for one in self.standings for condition in one.conditions()]

    def text(self) -> str:
        """Return the state of each level, and what ended the run, as lines."""
        lines = [line for one in self.standings for line in one.lines()]
        levels = sum(len(one.followed.images) for one in self.standings)
        decided = sum(one.decided for one in self.standings)
        if decided == levels:
            why = "nothing is left to decide"
        elif self.is_out_of_time:
            why = "the budget of time holds no more: the same command goes on"
        elif self.failures:
            why = f"{self.failures} of the trials failed"
        else:
            why = "more trainings would probably not decide the others"
        lines.append(
            f"{decided} of {levels} levels decided, each by itself and corrected for {MOST_LOOKS} looks; {why}"
        )
        is_withheld = any(look.is_withheld for one in self.standings for look in one.looks.values())
        return "\n".join([*lines, self.groups] if is_withheld else lines)


def run_until_decided(
    dataset: Dataset,
    workspace: Workspace,
    store: Store,
    conditions: Sequence[Condition],
    margin: float,
    stored: Callable[[], list[Record]],
    config: ExecutionConfig | None = None,
    names: Mapping[str, int] | None = None,
    deadline: float = math.inf,
    on_event: Callable[[SweepEvent], None] = lambda event: None,
) -> Decisions:
    """Run conditions, and then more trainings for those levels that these will probably decide.

    Which trainings, `agbench.recommendation.looks` tells. First come those that take the fewest seconds for each
    level. The same call again runs nothing, and an interrupted one goes on.

    Parameters
    ----------
    dataset : Dataset
        Prepared images.
    workspace : Workspace
        Workspace of the data set.
    store : Store
        Store of the workspace.
    conditions : sequence of Condition
        What is run first.
    margin : float
        Smallest loss of accuracy that counts, 0 to 1.
    stored : callable
        Returns the stored trials that may be used, the oldest first.
    config, names, deadline
        As in `agbench.runner.sweep.opened`.
    on_event : callable
        Called with each event of the sweep.

    Returns
    -------
    Decisions

    Raises
    ------
    UserError
        If a model can't work on this machine.
    """
    models = follow(conditions, most_folds(dataset))
    possible = [*conditions, *(one for model in models for one in model.all_conditions())]
    known: dict[str, Record] = {}
    failed: set[str] = set()
    too_long: set[str] = set()
    noted: set[str] = set()
    todo = make_plan(conditions, stored()).todo
    with sweep.on_demand(dataset, workspace, store, config, names, deadline=deadline) as running:
        while True:
            ended: set[str] = set()
            if todo:
                with closing(running(todo)) as events:  # type: ignore[type-var]
                    for event in events:
                        on_event(event)
                        if isinstance(event, Ended):
                            ended.add(event.condition.id)
                too_long |= {one.id for one in todo} - ended
            for record in make_plan(possible, stored()).done:
                known.setdefault(record.condition.id, replace(record, looks=MOST_LOOKS))
            failed |= ended - known.keys()
            standings = [
                look(model, known, failed, margin, len(dataset.index), dataset.is_withheld) for model in models
            ]
            decisions = Decisions(tuple(standings), False, dataset.groups_text(), len(failed))
            followed = {known[one.id].run_id for one in decisions.conditions() if one.id in known}
            store.plan_looks(followed - noted, MOST_LOOKS)
            for name, started in (names or {}).items():
                others = {known[one.id].run_id for one in conditions if one.id in known}
                store.name((followed | others) - noted, name, started)
            noted |= followed
            following = [one.next for one in standings if one.next is not None]
            in_time = [one for one in following if too_long.isdisjoint(of.id for of in one.todo)]
            if not in_time or time.monotonic() >= deadline:
                keep_flips([*conditions, *decisions.conditions()], dataset, store)
                return replace(decisions, is_out_of_time=bool(following or too_long))
            estimate = Estimate(store.records(dataset.name))
            todo = min(in_time, key=lambda one: one.seconds_each(estimate)).todo


def prospects(dataset: Dataset, conditions: Iterable[Condition], margin: float) -> Iterator[str]:
    """Yield how levels will be looked at until they are decided, and what the images can show, a line each.

    Parameters
    ----------
    dataset : Dataset
        Prepared images.
    conditions : iterable of Condition
        What is run first.
    margin : float
        Smallest loss of accuracy that counts, 0 to 1.
    """
    one_sided = ONE_SIDED / MOST_LOOKS
    yield (
        f"at most {MOST_LOOKS} looks at a level, each with more trainings; each is one-sided at "
        f"{100 * one_sided:g} %, so that all together keep {100 * ONE_SIDED:g} %"
    )
    parts = {"as test images": (dataset.index["split"] == TEST).to_numpy()}
    if any("folds" in registry.find_model(one.model)[0].reads for one in conditions):
        parts["in folds"] = np.full(len(dataset.index), True)
    for where, chosen in parts.items():
        clusters = Clusters.of_groups(int(chosen.sum()), dataset.group_numbers[chosen])
        yield f"{where}, {outlook(clusters, one_sided)}"
        if said := out_of_reach(margin, clusters, one_sided):
            yield f"{where}, {said}"
