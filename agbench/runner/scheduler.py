"""Schedule a sweep's trials: submit, follow events, store results, retry."""

from __future__ import annotations

import math
import os
import secrets
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from agbench.core import environment
from agbench.core.condition import Condition
from agbench.core.errors import NotStoredError
from agbench.core.workspace import Workspace
from agbench.data.dataset import Dataset
from agbench.runner import staging
from agbench.runner.config import ExecutionConfig
from agbench.runner.estimate import Estimate
from agbench.runner.events import (
    Advanced,
    Began,
    Ended,
    Epoch,
    Measured,
    Noted,
    Phase,
    Preparing,
    Retried,
    Started,
    SweepEvent,
    TrialEvent,
)
from agbench.runner.resources import Allocation
from agbench.runner.trial import Resources
from agbench.runner.worker import Job, JobResult, keep_model
from agbench.store.outcome import RETRIED, Ending, Failure, Result, Usage

POLL_SECONDS = 0.3
"""Seconds between two polls of the workers' events."""

GRACE = 10.0
"""Seconds beyond a tenth more than its time limit, after which a phase is ended from outside."""

STORING_AGAIN = 5.0
"""Seconds between two tries to store what can't be stored."""

STORING_PATIENCE = 3600.0
"""Seconds for which what can't be stored is kept, before the sweep ends without it."""

UNTIMED = ("start", "load")
"""Phases that a time limit does not hold for: importing, and compressing what is missing."""


class Executor(Protocol):
    """Processes that run jobs, as `agbench.runner.executor.RayExecutor` does. References are hashable."""

    def submit(self, job: Job, dataset: Dataset) -> Any:
        """Submit a job, and return a reference to its result."""

    def wait(self, pending: Sequence[Any], seconds: float) -> list[Any]:
        """Return jobs that have ended, after waiting for one of them at most some seconds."""

    def events(self) -> list[tuple[str, TrialEvent]]:
        """Return the events since the last call, each with the number of its job."""

    def last_events(self) -> list[tuple[str, TrialEvent]]:
        """Return the events at the end of a sweep, as far as workers still answer."""

    def result(self, reference: Any) -> JobResult | str:
        """Return what came of an ended job, or the node that has to be sent the data set's images first."""

    def stop(self, references: Sequence[Any]) -> None:
        """End jobs, their processes included."""

    def has(self, dataset: Dataset, node_id: str) -> bool:
        """Return whether a data set was sent to a node."""

    def bring(self, dataset: Dataset, node_id: str) -> None:
        """Send a data set's images to a node."""

    def log_of(self, path: Path, node_id: str) -> bytes:
        """Return the log of a trial that died on another machine; empty where it can't be had."""


class TrialStore(Protocol):
    """Where trials are stored, as in `agbench.store.store.Store`.

    What can't be written now raises `NotStoredError`, and may be asked for again.
    """

    @property
    def folder(self) -> Path:
        """Folder of the scratch space and the kept models."""

    def begin(
        self, condition: Condition, environment: dict[str, Any], sweeps: Mapping[str, int] | None, log: str
    ) -> str:
        """Note that a trial starts, and return its id."""

    def finish(
        self, run_id: str, result: Result, usage: Usage, log: bytes, sweep: Mapping[str, float] | None
    ) -> None:
        """Keep a trial's result."""

    def fail(self, run_id: str, failure: Failure, usage: Usage, log: bytes) -> None:
        """Keep why a trial has no result."""


@dataclass
class TrialRun:
    """Trials that share a fit, from their submission to their end. Times are seconds of the sweep's clock.

    `tries` counts the attempts that a limit of retries holds for: all but those that lacked a GPU of their own.
    """

    group: tuple[Condition, ...]
    first: int
    job: Job
    attempt: int = 1
    run_ids: list[str] = field(default_factory=list)
    began: Began | None = None
    since: float = 0.0
    phase: str = ""
    phase_since: float = 0.0
    usage: Usage = field(default_factory=Usage)
    overdue: str = ""
    stored: int = 0
    tries: int = 1

    def handle_event(self, event: TrialEvent, now: float) -> None:
        """Update the state by a worker's event."""
        if isinstance(event, Began):
            self.began, self.since = event, now
        elif isinstance(event, Phase):
            self.phase, self.phase_since = event.name, now
        elif isinstance(event, Measured):
            self.usage = event.usage

    def exceeded(self, now: float) -> str:
        """Return how the trial exceeds its time limit; empty where it does not."""
        limit = self.group[0].budget.time_limit
        if limit is None or not self.phase or self.phase in UNTIMED:
            return ""
        passed = now - self.phase_since
        return f"{self.phase} took more than {limit:g} s" if passed > 1.1 * limit + GRACE else ""

    def taken(self, now: float) -> Usage:
        """Return what it has taken by now."""
        return replace(self.usage, seconds=now - self.since if self.began else 0.0)


@dataclass(frozen=True)
class Completed:
    """Trials whose job has ended, with what is to be stored of them."""

    run: TrialRun
    outcome: list[Result] | Failure
    usage: Usage
    log: bytes


class Scheduler:
    """The trials of a sweep, from their job to their record.

    Parameters
    ----------
    todo : sequence of Condition
        Conditions to run; those that share a fit are one job.
    dataset : Dataset
        Data set of the conditions.
    workspace : Workspace
        Workspace of the data set.
    store : TrialStore
        Where trials are stored.
    config : ExecutionConfig
        How often a trial is tried again, and whether its model is kept.
    executor : Executor
        What runs the jobs.
    allocated : Allocation
        Number of concurrent trials, and the resources of each.
    names : mapping of str to int
        Names of sweeps that the trials belong to, with their starts in milliseconds since 1970.
    before : mapping of str to float
        Seconds that the sweep took before its first trial, by phase; stored with each trial.
    estimate : Estimate
        Seconds of trials that were stored before.
    clock : callable
        Seconds, as `time.monotonic` gives them.
    deadline : float
        Time on that clock when the sweep ends: what is in flight is left to `stop`, and no trial begins that by
        the estimate would end later.
    """

    def __init__(
        self,
        todo: Sequence[Condition],
        dataset: Dataset,
        workspace: Workspace,
        store: TrialStore,
        config: ExecutionConfig,
        executor: Executor,
        allocated: Allocation,
        names: Mapping[str, int],
        before: Mapping[str, float],
        estimate: Estimate,
        clock: Callable[[], float] = time.monotonic,
        deadline: float = math.inf,
    ) -> None:
        self._dataset, self._store, self._config = dataset, store, config
        self._executor, self._share, self._names = executor, allocated, names
        self._before, self._estimate, self._clock, self._deadline = before, estimate, clock, deadline
        self._home = staging.DriverPaths(staging.host(), workspace.datasets.resolve(), store.folder / "scratch")
        self._software = environment.digest_of_software(environment.software())
        # Another sweep may have had the same process number, and left its scratch on another node.
        self._token = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._total = len(todo)
        self._running: dict[Any, TrialRun] = {}
        self._completed: deque[Completed] = deque()
        self._waiting: deque[TrialRun] = deque()
        self._refused_since: float | None = None
        self._store_again = 0.0
        first = 1
        for group in _sharing_a_fit(todo):
            self._waiting.append(TrialRun(group, first, self._job(group, first, 1, self._share.resources)))
            first += len(group)
        self._submit_waiting()

    def run(self, check_stop: Callable[[], None] = lambda: None) -> Iterator[SweepEvent]:
        """Run until all trials have ended, or the deadline has come.

        Whatever is yielded is stored before: a caller that stops iterating loses nothing that has happened.

        Parameters
        ----------
        check_stop : callable
            Called at each poll; what it raises ends the sweep.

        Yields
        ------
        SweepEvent
            `Ended` once for each condition that has ended.

        Raises
        ------
        NotStoredError
            If an outcome could not be stored for `STORING_PATIENCE`.
        """
        while (self._running or self._completed) and self._clock() < self._deadline:
            check_stop()
            done = self._executor.wait(list(self._running), POLL_SECONDS)
            happened = self._handle_events(self._executor.events())
            without_images: dict[Any, str] = {}
            for reference in done:
                job_result = self._executor.result(reference)
                if isinstance(job_result, str):
                    without_images[reference] = job_result
                else:
                    self._completed.append(self._complete(self._running.pop(reference), job_result))
            happened += self._store_completed()
            self._stop_overdue()
            yield from happened
            for reference, node_id in without_images.items():
                if not self._executor.has(self._dataset, node_id):
                    yield Preparing(f"sending {len(self._dataset.index)} images to another node")
                    self._executor.bring(self._dataset, node_id)
                self._submit(self._running.pop(reference))

    def stop(self, reason: str) -> None:
        """Stop all running trials, and store the reason.

        Raises
        ------
        NotStoredError
            If trials that had finished can't be stored.
        """
        self._waiting.clear()
        if self._running:
            self._executor.stop(list(self._running))
            self._handle_events(self._executor.last_events())
        try:
            while self._completed:
                self._keep(self._completed[0])
                self._completed.popleft()
            for run in self._running.values():
                if run.run_ids:
                    failure = Failure(reason, Ending.STOPPED)
                    self._keep(Completed(run, failure, run.taken(self._clock()), self._log_of(run)))
        except NotStoredError as error:
            lost = sum(not isinstance(one.outcome, Failure) for one in self._completed)
            self._completed.clear()
            if lost:
                what = "a finished trial" if lost == 1 else f"{lost} finished trials"
                raise NotStoredError(
                    f"{what} could not be stored: {error}; the same command runs what is missing"
                ) from error
        finally:
            self._running.clear()

    def _job(self, group: tuple[Condition, ...], first: int, attempt: int, resources: Resources) -> Job:
        number = f"{self._token}-{first}-{attempt}"
        return Job(number, group, self._home, self._software, resources)

    def _fewer_at_once(self) -> None:
        """Let half as many of the trials that wait share a GPU: one ran out of its memory beside others."""
        share = self._share
        per_gpu = max(share.resources.per_gpu // 2, 1)
        workers = -(-share.workers * per_gpu // share.resources.per_gpu)
        self._share = replace(share, workers=workers, resources=replace(share.resources, per_gpu=per_gpu))
        for run in self._waiting:
            run.job = replace(run.job, resources=replace(run.job.resources, per_gpu=per_gpu))

    def _submit_waiting(self) -> None:
        """Send no more than the share allows: Ray counts cores and GPUs alone.

        A trial that waits for a GPU of its own would wait for ever, if others were sent meanwhile that share it.
        """
        while (
            self._waiting
            and self._refused_since is None
            and len(self._running) < self._share.workers
            and not any(self._waits_for_a_gpu(run) for run in self._running.values())
        ):
            run = self._waiting.popleft()
            if self._ends_in_time(run):
                self._submit(run)

    def _ends_in_time(self, run: TrialRun) -> bool:
        """Return whether a trial would end before the deadline, as far as trials like it have run before."""
        seconds = self._estimate.like(run.group[0].model, run.group[0].budget)
        return self._clock() + (seconds or 0.0) < self._deadline

    def _waits_for_a_gpu(self, run: TrialRun) -> bool:
        return run.began is None and run.job.resources.per_gpu < self._share.resources.per_gpu

    def _submit(self, run: TrialRun) -> None:
        self._running[self._executor.submit(run.job, self._dataset)] = run

    def _stop_overdue(self) -> None:
        now = self._clock()
        for reference, run in self._running.items():
            if not run.overdue and (exceeded := run.exceeded(now)):
                run.overdue = exceeded
                self._executor.stop([reference])

    def _handle_events(self, events: Iterable[tuple[str, TrialEvent]]) -> list[SweepEvent]:
        by_number = {run.job.number: run for run in self._running.values()}
        happened: list[SweepEvent] = []
        now = self._clock()
        for number, event in events:
            run = by_number.get(number)
            if run is None:
                continue
            run.handle_event(event, now)
            if isinstance(event, Began):
                with suppress(NotStoredError):  # tried again when it ends
                    self._begin(run)
                away = "" if event.host == self._home.host else event.host
                happened.append(Started(run.group[0], run.first, self._total, run.attempt, away))
            elif isinstance(event, Phase | Epoch):
                happened.append(Advanced(run.first, event))
        return happened

    def _complete(self, run: TrialRun, job_result: JobResult) -> Completed:
        """Return how a job ended."""
        outcome = job_result.outcome
        if not isinstance(outcome, Failure):
            for result in outcome:
                self._estimate.add(result.condition, job_result.usage.seconds)
            return Completed(run, outcome, job_result.usage, job_result.log)
        if run.overdue:
            outcome = Failure(run.overdue, Ending.TIMED_OUT)
        run.usage = max(run.usage, job_result.usage, key=lambda usage: usage.memory)
        return Completed(run, outcome, run.taken(self._clock()), job_result.log or self._log_of(run))

    def _store_completed(self) -> list[SweepEvent]:
        """Store what has ended, in turn, and go on with what follows from it; wait where it can't be stored."""
        happened: list[SweepEvent] = []
        if self._refused_since is not None and self._clock() < self._store_again:
            return happened
        if not any(isinstance(one.outcome, Failure) for one in self._completed):
            self._submit_waiting()  # before storing, so that no worker waits for that
        try:
            while self._completed:
                self._keep(self._completed[0])
                happened += self._follow(self._completed.popleft())
        except NotStoredError as error:
            return happened + self._wait_for_room(error)
        if self._refused_since is not None:
            self._refused_since = None
            happened.append(Noted("all that has ended is stored now"))
        self._submit_waiting()
        return happened

    def _wait_for_room(self, error: NotStoredError) -> list[SweepEvent]:
        now = self._clock()
        self._store_again = now + STORING_AGAIN
        if self._refused_since is None:
            self._refused_since = now
            waiting = len(self._completed)
            what = "an ended trial waits" if waiting == 1 else f"{waiting} ended trials wait"
            return [Noted(f"{what} to be stored: {error}; no other begins before it is")]
        if now - self._refused_since > STORING_PATIENCE:
            raise error
        return []

    def _follow(self, completed: Completed) -> list[SweepEvent]:
        """Try a stored trial again where that can help; otherwise it has ended."""
        run, outcome = completed.run, completed.outcome
        if not isinstance(outcome, Failure):
            return self._ended(run, outcome)
        # What did not fit beside others may fit alone: that is no retry, and its batch is halved only then.
        is_shared = outcome.on_gpu and run.job.resources.per_gpu > 1
        is_used_up = not is_shared and run.tries > self._config.retries
        if outcome.ending not in RETRIED or is_used_up or not self._ends_in_time(run):
            return self._ended(run, [outcome] * len(run.group))
        # Several that ran side by side may fail by the same lack.
        if is_shared and run.job.resources.per_gpu == self._share.resources.per_gpu:
            self._fewer_at_once()
        resources = replace(
            run.job.resources,
            per_gpu=1 if is_shared else min(run.job.resources.per_gpu, self._share.resources.per_gpu),
            halvings=run.job.resources.halvings + (outcome.on_gpu and not is_shared),
        )
        job = self._job(run.group, run.first, run.attempt + 1, resources)
        self._submit(TrialRun(run.group, run.first, job, run.attempt + 1, tries=run.tries + (not is_shared)))
        return [Retried(run.group[0], run.first, self._total, outcome)]

    def _keep(self, completed: Completed) -> None:
        """Store an outcome; asked again, go on where it was refused."""
        run, outcome = completed.run, completed.outcome
        self._begin(run)
        while run.stored < len(run.group):
            run_id = run.run_ids[run.stored]
            if isinstance(outcome, Failure):
                self._store.fail(run_id, outcome, completed.usage, completed.log)
            else:
                result = outcome[run.stored]
                self._store.finish(run_id, result, completed.usage, completed.log, self._before)
            run.stored += 1
        scratch = self._home.scratch / run.job.number
        if self._config.keep_models and not isinstance(outcome, Failure):
            try:
                keep_model(scratch, self._store.folder / "models" / run.group[0].training.id)
            except OSError as error:
                raise NotStoredError(f"the model can't be kept: {error}") from error
        shutil.rmtree(scratch, ignore_errors=True)

    def _begin(self, run: TrialRun) -> None:
        """Note that trials have begun; of those that ended before that was heard of, with what is known here."""
        if len(run.run_ids) == len(run.group):
            return
        if run.began is not None:
            surroundings, log = run.began.environment, run.began.log
        else:
            surroundings, log = environment.describe(run.job.resources.cpus, run.job.resources.gpu_share), ""
        for condition in run.group[len(run.run_ids) :]:
            run.run_ids.append(self._store.begin(condition, surroundings, self._names, log))

    def _log_of(self, run: TrialRun) -> bytes:
        if run.began is None:
            return b""
        if run.began.host != self._home.host:
            return self._executor.log_of(Path(run.began.log), run.began.node)
        log = Path(run.began.log)
        return log.read_bytes() if log.is_file() else b""

    def _ended(self, run: TrialRun, outcomes: Sequence[Result | Failure]) -> list[SweepEvent]:
        unstored = [one.run for one in self._completed]
        left = [other.group[0] for other in (*self._running.values(), *unstored, *self._waiting)]
        seconds = self._estimate.left(left)
        if seconds is not None:
            seconds /= self._share.workers
        return [
            Ended(condition, number, self._total, outcome, seconds)
            for number, (condition, outcome) in enumerate(zip(run.group, outcomes, strict=True), run.first)
        ]


def _sharing_a_fit(todo: Sequence[Condition]) -> list[tuple[Condition, ...]]:
    """Put conditions together that differ in their test images alone: they are trained once."""
    groups: dict[Condition, list[Condition]] = {}
    for condition in todo:
        groups.setdefault(condition.training, []).append(condition)
    return [tuple(group) for group in groups.values()]
