"""Run the missing trials of a plan. The only writer of results."""

from __future__ import annotations

import io
import math
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from agbench.core import environment, files
from agbench.core.condition import Budget, Condition
from agbench.core.errors import UserError
from agbench.core.workspace import Workspace
from agbench.data.dataset import Dataset
from agbench.runner import resources, staging, trial
from agbench.runner.config import ExecutionConfig
from agbench.runner.estimate import Estimate, GpuMemory
from agbench.runner.events import Noted, Preparing, SweepEvent
from agbench.runner.resources import Allocation
from agbench.runner.scheduler import Scheduler
from agbench.store.metrics import SWEEP_PHASES
from agbench.store.store import Store

if TYPE_CHECKING:
    from agbench.runner.executor import RayExecutor

LITTLE_ROOM = 1_000_000_000
"""Bytes below which a disk may be too small: each checkpoint of a network of 90 million weights takes 350 MB."""

OUT_OF_TIME = "the budget of time ended before it"
"""Why a trial was stopped that was in flight at the deadline."""

Running = Callable[[Sequence[Condition]], Iterator[SweepEvent]]
"""Runs conditions, and tells what happens: `agbench.runner.events.Ended` once for each that ends in time."""


def run(
    todo: Sequence[Condition],
    dataset: Dataset,
    workspace: Workspace,
    store: Store,
    config: ExecutionConfig | None = None,
    names: Mapping[str, int] | None = None,
    deadline: float = math.inf,
) -> Generator[SweepEvent, None, None]:
    """Run conditions of a data set.

    Killed at any moment, it loses the trials in flight and nothing else.

    Parameters
    ----------
    todo : sequence of Condition
        Conditions to run.
    dataset, workspace, store, config, names, deadline
        As in `opened`.

    Yields
    ------
    SweepEvent
        `Ended` once for each condition that ends before the deadline.

    Raises
    ------
    UserError
        As `opened` does.
    """
    with on_demand(dataset, workspace, store, config, names, deadline=deadline) as running:
        yield from running(todo)


@contextmanager
def on_demand(
    dataset: Dataset,
    workspace: Workspace,
    store: Store,
    config: ExecutionConfig | None = None,
    names: Mapping[str, int] | None = None,
    most: int | None = None,
    deadline: float = math.inf,
) -> Iterator[Running]:
    """Yield what `opened` does; workers start with the first round, so that none start for nothing.

    After the deadline a round does nothing.
    """
    with ExitStack() as stack:
        ready: list[Running] = []

        def running(todo: Sequence[Condition]) -> Iterator[SweepEvent]:
            if time.monotonic() >= deadline:
                return
            if not ready:
                yield Preparing("starting workers")
                workers = opened(dataset, workspace, store, config, names, most, deadline)
                ready.append(stack.enter_context(workers))
            yield from ready[0](todo)

        yield running


@contextmanager
def opened(
    dataset: Dataset,
    workspace: Workspace,
    store: Store,
    config: ExecutionConfig | None = None,
    names: Mapping[str, int] | None = None,
    most: int | None = None,
    deadline: float = math.inf,
) -> Iterator[Running]:
    """Start workers for a data set's trials, and keep them warm for as many rounds of these as are wanted.

    Parameters
    ----------
    dataset : Dataset
        Prepared images.
    workspace : Workspace
        Workspace of the data set.
    store : Store
        Store of the results.
    config : ExecutionConfig, optional
        How trials are executed.
    names : mapping of str to int, optional
        Names of sweeps that the trials belong to, with their starts in milliseconds since 1970.
    most : int, optional
        Upper bound on concurrent trials, as `agbench.runner.resources.allocate` takes it.
    deadline : float
        Time on `time.monotonic` when trials in flight are stopped; none begins that would end later.

    Yields
    ------
    callable
        A `Running`. What of its trials is on the way when the block is left is stopped.

    Raises
    ------
    UserError
        If a model can't work on this machine, another sweep runs in the workspace, or a disk is full.
    """
    config = config or ExecutionConfig()
    scratch = store.folder / "scratch"
    with _alone(store.folder):
        store.close_abandoned("the sweep was killed")
        shutil.rmtree(scratch, ignore_errors=True)
        estimate = Estimate(store.records(dataset.name))  # the trials of each round are added to it
        begun = time.monotonic()
        with _workers(config.address) as (workers, check_stop):
            started = iter([time.monotonic() - begun])
            told: Iterator[SweepEvent] = iter(_little_room(store.folder))  # once, for all rounds
            said = ""

            def running(todo: Sequence[Condition]) -> Iterator[SweepEvent]:
                nonlocal said
                allocated = resources.allocate(workers.machines, config, most, estimate.gpu_memory(todo))
                if str(allocated) != said:
                    said = str(allocated)
                    yield Preparing(said)
                yield from told
                times = [time.monotonic()]
                at_once = min(allocated.workers, len(todo))
                workers.check_models(_models(todo), at_once, allocated.resources.cpus)
                times.append(time.monotonic())
                yield Preparing(f"compressing {len(dataset.index)} images")
                _make_variants(dataset, todo)
                times.append(time.monotonic())
                phases = (next(started, 0.0), *(end - begin for begin, end in pairwise(times)))
                before = dict(zip(SWEEP_PHASES, phases, strict=True))
                scheduler = Scheduler(
                    todo,
                    dataset,
                    workspace,
                    store,
                    config,
                    workers,
                    allocated,
                    names or {},
                    before,
                    estimate,
                    deadline=deadline,
                )
                reason = "its sweep ended before it"
                try:
                    yield from scheduler.run(check_stop)
                    reason = OUT_OF_TIME
                except KeyboardInterrupt:
                    reason = "stopped by the user"
                    raise
                except GeneratorExit:
                    reason = "cancelled: the caller stopped iterating the sweep"
                    raise
                finally:
                    scheduler.stop(reason)
                    shutil.rmtree(scratch, ignore_errors=True)

            yield running


def check_models(todo: Sequence[Condition]) -> None:
    """Raise `UserError` if a model of these conditions can't work on this machine, as a sweep does.

    Parameters
    ----------
    todo : sequence of Condition
        Conditions to run.
    """
    from agbench.runner import worker

    # What AutoGluon says when it is imported, a worker sends to nowhere.
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        reason = worker.check_models(_models(todo))
    if reason:
        raise UserError(reason)


def _models(todo: Sequence[Condition]) -> list[tuple[str, Budget]]:
    return list(dict.fromkeys((one.model, one.budget) for one in todo))


def allocation(config: ExecutionConfig, gpu_memory: GpuMemory) -> Allocation:
    """Return how a sweep would allocate the machines to trials; Ray is asked for those of a cluster alone."""
    if config.address is None:
        return resources.allocate([resources.this_machine()], config, gpu_memory=gpu_memory)
    from agbench.runner import executor

    with executor.connected(config.address) as workers:
        return resources.allocate(workers.machines, config, gpu_memory=gpu_memory)


def _make_variants(dataset: Dataset, todo: Sequence[Condition]) -> None:
    try:
        trial.make_variants(dataset, todo, staging.variants_of(dataset), environment.available_cpus())
    except OSError as error:
        place = f" below {dataset.folder}" if error.filename is None else f": {error.filename}"
        raise UserError(
            f"the images can't be compressed: {error.strerror}{place}; the same command goes on"
        ) from error


def _little_room(folder: Path) -> list[Noted]:
    free = shutil.disk_usage(folder).free
    if free >= LITTLE_ROOM:
        return []
    return [Noted(f"only {free / 1e6:.0f} MB are free in {folder}: models are kept there while they are fitted")]


@contextmanager
def _workers(address: str | None) -> Iterator[tuple[RayExecutor, Callable[[], None]]]:
    """Start Ray's workers, and yield them with what raises again where Ctrl-C was lost."""
    with _stoppable() as check_start:
        from agbench.runner import executor

        # Ray takes signals for itself while it starts: hence twice.
        with executor.connected(address) as workers, _stoppable() as check_since:

            def check_stop() -> None:
                check_start()
                check_since()

            check_stop()
            yield workers, check_stop


@contextmanager
def _stoppable() -> Iterator[Callable[[], None]]:
    """Take a signal to terminate for Ctrl-C, and give what raises again where one of them was lost.

    Python loses an exception that a signal raises while an object is finalised, or in a callback from C.
    """
    asked: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        raise KeyboardInterrupt

    def check_stop() -> None:
        if asked:
            raise KeyboardInterrupt

    def tell(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            hook(lost)

    hook, sys.unraisablehook = sys.unraisablehook, tell
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield check_stop
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


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
