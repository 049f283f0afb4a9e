"""A sweep: what is left of a plan, run one after the other, and recorded. The only writer of results."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import ParamSpec, TypeVar

from filelock import FileLock, Timeout

from agbench import environment, files, processes, worker
from agbench.condition import Budget, Condition
from agbench.data.dataset import Dataset
from agbench.errors import UserError
from agbench.record import LOG, Record, latest
from agbench.results import Result, Store
from agbench.trial import Resources, fit_of, variants
from agbench.worker import Failure
from agbench.workspace import Workspace

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """What a sweep has to do.

    Parameters
    ----------
    done : tuple of Record
        Conditions with a result by the software that is installed now.
    outdated : tuple of Record
        Conditions whose result is by other versions; they are run again.
    todo : tuple of Condition
        What is left, outdated ones included.
    """

    done: tuple[Record, ...]
    outdated: tuple[Record, ...]
    todo: tuple[Condition, ...]


@dataclass(frozen=True)
class Preparing:
    """Something that trials need is made first, as `what` says."""

    what: str


@dataclass(frozen=True)
class Started:
    """A trial begins, the `number`-th of `total`."""

    condition: Condition
    number: int
    total: int


@dataclass(frozen=True)
class Ended:
    """A trial has ended.

    Parameters
    ----------
    condition : Condition
        What was run.
    number, total : int
        Its place in the sweep.
    outcome : Result or Failure
        What came of it.
    seconds_left : float or None
        What the rest will take, by the mean of like trials; ``None`` where there were none.
    """

    condition: Condition
    number: int
    total: int
    outcome: Result | Failure
    seconds_left: float | None


def make_plan(conditions: Sequence[Condition], records: list[Record]) -> Plan:
    """Compare conditions with what the store has.

    Parameters
    ----------
    conditions : sequence of Condition
        All that are wanted.
    records : list of Record
        The store's, the oldest first.

    Returns
    -------
    Plan
    """
    now = environment.digest_of_software(environment.software())
    current = latest([record for record in records if record.software == now])
    older = latest([record for record in records if record.software != now])
    todo = tuple(condition for condition in conditions if condition.id not in current)
    return Plan(
        done=tuple(current[condition.id] for condition in conditions if condition.id in current),
        outdated=tuple(older[condition.id] for condition in todo if condition.id in older),
        todo=todo,
    )


def run(
    todo: Sequence[Condition], dataset: Dataset, workspace: Workspace, store: Store, keep_models: bool
) -> Iterator[Preparing | Started | Ended]:
    """Run conditions of a data set one after the other.

    Killed at any moment, it loses the trial in flight and nothing else.

    Parameters
    ----------
    todo : sequence of Condition
        What to run.
    dataset : Dataset
        Theirs.
    workspace : Workspace
        Where everything is.
    store : Store
        Where results go.
    keep_models : bool
        Whether fitted models are kept, in ``results/models``.

    Yields
    ------
    Preparing, Started or Ended
        The last two once for each trial.

    Raises
    ------
    UserError
        If a model can't work on this machine, or another sweep runs in the workspace.
    """
    scratch = _scratch(store)
    with _alone(store.folder):
        store.close_abandoned("the sweep was killed", scratch)
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            with _Worker() as process:
                yield from _run_alone(todo, dataset, workspace, store, keep_models, process)
        except KeyboardInterrupt:
            store.close_abandoned("stopped by the user", scratch)
            raise


def _run_alone(
    todo: Sequence[Condition],
    dataset: Dataset,
    workspace: Workspace,
    store: Store,
    keep_models: bool,
    process: _Worker,
) -> Iterator[Preparing | Started | Ended]:
    cpus = environment.available_cpus()
    yield Preparing("loading AutoGluon")
    gpus = process.call(worker.look_around, list(dict.fromkeys((one.model, one.budget) for one in todo)))
    resources = Resources(cpus=cpus, gpus=min(1, gpus))
    yield Preparing(f"compressing {len(dataset.index)} images")
    variants(dataset, list(todo), cpus)
    surroundings = environment.describe(resources.cpus, resources.gpus)
    groups = _sharing_a_fit(todo)
    number = 1
    for place, group in enumerate(groups):
        yield Started(group[0], number, len(todo))
        run_ids = [store.begin(condition, surroundings) for condition in group]
        folder = _scratch(store) / run_ids[0]
        folder.mkdir(parents=True)
        try:
            outcome = process.call(worker.work, group, workspace.datasets.resolve(), folder, resources)
        except BrokenProcessPool:
            outcome = Failure("the trial's process died; the end of its log may say why")
        outcomes: list[Result | Failure] = [outcome] * len(group) if isinstance(outcome, Failure) else [*outcome]
        for run_id, one in zip(run_ids, outcomes, strict=True):
            if isinstance(one, Failure):
                store.fail(run_id, one.reason, folder / LOG)
            else:
                store.finish(run_id, one, folder / LOG)
        if keep_models and not isinstance(outcome, Failure):
            worker.keep_model(folder, store.folder / "models" / fit_of(group[0]).id)
        shutil.rmtree(folder, ignore_errors=True)
        seconds_left = _seconds_left([later[0] for later in groups[place + 1 :]], store.records())
        for condition, one in zip(group, outcomes, strict=True):
            yield Ended(condition, number, len(todo), one, seconds_left)
            number += 1


def _sharing_a_fit(todo: Sequence[Condition]) -> list[tuple[Condition, ...]]:
    """Put conditions together that differ in their test images alone: they are trained once."""
    groups: dict[Condition, list[Condition]] = {}
    for condition in todo:
        groups.setdefault(fit_of(condition), []).append(condition)
    return [tuple(group) for group in groups.values()]


def _scratch(store: Store) -> Path:
    return store.folder / "scratch"


class _Worker:
    """One warm process; a fresh one after it died."""

    def __enter__(self) -> _Worker:
        self._start()
        return self

    def __exit__(self, *error: object) -> None:
        for child in multiprocessing.active_children():
            child.terminate()
        self._pool.shutdown(cancel_futures=True)

    def call(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Call a function in the process, and wait for what it gives."""
        try:
            return self._pool.submit(function, *arguments, **named).result()
        except BrokenProcessPool:
            self._pool.shutdown()
            self._start()
            raise

    def _start(self) -> None:
        self._pool = processes.start(1, worker.start)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    lock, note = FileLock(folder / ".sweep.lock"), folder / ".sweep.pid"
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        owner = note.read_text().strip() if note.is_file() else "unknown"
        raise UserError(f"another sweep (process {owner}) runs in {folder.parent}: wait for it") from error
    try:
        files.write(note, f"{os.getpid()}\n")
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def _seconds_left(left: Sequence[Condition], records: list[Record]) -> float | None:
    """Estimate by the mean of like trials, or of all where there is none like it."""
    taken: dict[tuple[str, Budget], list[float]] = {}
    for record in latest(records).values():
        like = (record.condition.model, record.condition.budget)
        taken.setdefault(like, []).append(record.metrics["seconds_total"])
    if not taken:
        return None if left else 0.0
    anything = fmean(seconds for one in taken.values() for seconds in one)
    return sum(fmean(taken.get((condition.model, condition.budget), [anything])) for condition in left)
