"""The trials of a sweep on their way: handed to workers, heard of, recorded."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from agbench.core import environment
from agbench.core.condition import Budget, Condition
from agbench.core.workspace import Workspace
from agbench.data.dataset import Dataset
from agbench.runner import staging, worker
from agbench.runner.events import (
    Advanced,
    Began,
    Ended,
    Epoch,
    Measured,
    OfSweep,
    OfTrial,
    Phase,
    Preparing,
    Retried,
    Started,
)
from agbench.store.outcome import RETRIED, Ending, Failure, Result, Usage
from agbench.store.record import Record, latest
from agbench.store.store import Store

if TYPE_CHECKING:
    from agbench.runner.executor import Cluster
    from agbench.runner.resources import Share

BETWEEN_LOOKS = 0.3
"""Seconds between two looks at what workers tell."""

GRACE = 10.0
"""Seconds beyond a tenth more than its time limit, after which a phase is ended from outside."""

UNTIMED = ("start", "load")
"""Phases that a time limit does not hold for: importing, and compressing what is missing."""


@dataclass(frozen=True)
class Engine:
    """How trials are run.

    Parameters
    ----------
    workers : int, optional
        Trials at once; by default as many as the machines allow.
    address : str, optional
        Of a Ray cluster; by default this machine alone.
    retries : int
        How often a trial that crashed or ran out of memory is tried again.
    keep_models : bool
        Whether fitted models are kept, in ``results/models``.
    """

    workers: int | None = None
    address: str | None = None
    retries: int = 1
    keep_models: bool = False


@dataclass
class Flight:
    """Trials that share a fit, on their way."""

    group: tuple[Condition, ...]
    first: int
    order: worker.Order
    attempt: int = 1
    run_ids: list[str] = field(default_factory=list)
    began: Began | None = None
    since: float = 0.0
    phase: str = ""
    phase_since: float = 0.0
    usage: Usage = field(default_factory=Usage)
    overdue: str = ""

    def hear(self, event: OfTrial) -> None:
        """Take note of what a worker tells."""
        now = time.monotonic()
        if isinstance(event, Began):
            self.began, self.since = event, now
        elif isinstance(event, Phase):
            self.phase, self.phase_since = event.name, now
        elif isinstance(event, Measured):
            self.usage = event.usage

    def is_overdue(self) -> str:
        """Say how the trial exceeds its time limit; nothing where it does not."""
        limit = self.group[0].budget.time_limit
        if limit is None or not self.phase or self.phase in UNTIMED:
            return ""
        passed = time.monotonic() - self.phase_since
        return f"{self.phase} took more than {limit:g} s" if passed > 1.1 * limit + GRACE else ""

    def taken(self) -> Usage:
        """Give what it has taken by now."""
        return replace(self.usage, seconds=time.monotonic() - self.since if self.began else 0.0)


class Flights:
    """The flights of a sweep, from their order to their record."""

    def __init__(
        self,
        todo: Sequence[Condition],
        dataset: Dataset,
        workspace: Workspace,
        store: Store,
        engine: Engine,
        cluster: Cluster,
        divided: Share,
        names: Mapping[str, int],
        before: Mapping[str, float],
    ) -> None:
        self._dataset, self._store, self._engine = dataset, store, engine
        self._cluster, self._share, self._names = cluster, divided, names
        self._before = before
        self._home = staging.Home(staging.host(), workspace.datasets.resolve(), store.folder / "scratch")
        self._software = environment.digest_of_software(environment.software())
        # Another sweep may have had the same process number, and left its scratch on another node.
        self._token = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._total = len(todo)
        self._flights: dict[Any, Flight] = {}
        self._waiting: deque[Flight] = deque()
        first = 1
        for group in _sharing_a_fit(todo):
            self._waiting.append(Flight(group, first, self._order(group, first, 1, 0)))
            first += len(group)
        self._send_waiting()

    def run(self, look: Callable[[], None] = lambda: None) -> Iterator[OfSweep]:
        """Hear and record until all flights have ended, or `look`, called now and then, raises."""
        while self._flights:
            look()
            done = self._cluster.wait(list(self._flights), BETWEEN_LOOKS)
            yield from self._hear(self._cluster.events())
            for reference in done:
                yield from self._land(reference)
            for reference, flight in self._flights.items():
                if not flight.overdue and (overdue := flight.is_overdue()):
                    flight.overdue = overdue
                    self._cluster.stop([reference])

    def stop(self, reason: str) -> None:
        """End what is still on its way, and record why."""
        self._waiting.clear()
        if not self._flights:
            return
        self._cluster.stop(list(self._flights))
        for _ in self._hear(self._cluster.last_events()):
            pass
        for flight in self._flights.values():
            if flight.run_ids:
                self._fail(flight, Failure(reason, Ending.STOPPED), self._log_of(flight))
        self._flights.clear()

    def _order(self, group: tuple[Condition, ...], first: int, attempt: int, halvings: int) -> worker.Order:
        resources = replace(self._share.resources, halvings=halvings)
        number = f"{self._token}-{first}-{attempt}"
        return worker.Order(number, group, self._home, self._software, resources, self._share.workers == 1)

    def _send_waiting(self, landing: int = 0) -> None:
        """Send no more than the share allows: Ray counts cores and GPUs alone."""
        while self._waiting and len(self._flights) - landing < self._share.workers:
            self._send(self._waiting.popleft())

    def _send(self, flight: Flight) -> None:
        self._flights[self._cluster.submit(flight.order, self._dataset)] = flight

    def _hear(self, events: Iterable[tuple[str, OfTrial]]) -> Iterator[OfSweep]:
        by_number = {flight.order.number: flight for flight in self._flights.values()}
        for number, event in events:
            flight = by_number.get(number)
            if flight is None:
                continue
            flight.hear(event)
            if isinstance(event, Began):
                flight.run_ids = [
                    self._store.begin(one, event.environment, self._names, event.log) for one in flight.group
                ]
                away = "" if event.host == self._home.host else event.host
                yield Started(flight.group[0], flight.first, self._total, flight.attempt, away)
            elif isinstance(event, Phase | Epoch):
                yield Advanced(flight.first, event)

    def _land(self, reference: Any) -> Iterator[OfSweep]:
        flight = self._flights[reference]
        answer = self._cluster.answer(reference)
        if isinstance(answer, str):
            del self._flights[reference]
            if not self._cluster.has(self._dataset, answer):
                yield Preparing(f"sending {len(self._dataset.index)} images to another node")
                self._cluster.bring(self._dataset, answer)
            self._send(flight)
            return
        outcome = answer.outcome
        if not isinstance(outcome, Failure):
            self._send_waiting(landing=1)  # before storing, so that no worker waits for that
            self._finish(flight, outcome, answer)
            del self._flights[reference]
            yield from self._ended(flight, outcome)
            return
        if flight.overdue:
            outcome = Failure(flight.overdue, Ending.TIMED_OUT)
        flight.usage = max(flight.usage, answer.usage, key=lambda usage: usage.memory)
        self._fail(flight, outcome, answer.log or self._log_of(flight))
        del self._flights[reference]
        if outcome.ending not in RETRIED or flight.attempt > self._engine.retries:
            self._send_waiting()
            yield from self._ended(flight, [outcome] * len(flight.group))
            return
        yield Retried(flight.group[0], flight.first, self._total, outcome)
        attempt, halvings = flight.attempt + 1, flight.order.resources.halvings + outcome.on_gpu
        order = self._order(flight.group, flight.first, attempt, halvings)
        self._send(Flight(flight.group, flight.first, order, attempt))

    def _finish(self, flight: Flight, results: list[Result], answer: worker.Answer) -> None:
        self._begin_silent(flight)
        for run_id, result in zip(flight.run_ids, results, strict=True):
            self._store.finish(run_id, result, answer.usage, answer.log, self._before)
        scratch = self._home.scratch / flight.order.number
        if self._engine.keep_models:
            worker.keep_model(scratch, self._store.folder / "models" / flight.group[0].training.id)
        shutil.rmtree(scratch, ignore_errors=True)

    def _fail(self, flight: Flight, failure: Failure, log: bytes) -> None:
        self._begin_silent(flight)
        for run_id in flight.run_ids:
            self._store.fail(run_id, failure, flight.taken(), log)
        shutil.rmtree(self._home.scratch / flight.order.number, ignore_errors=True)

    def _begin_silent(self, flight: Flight) -> None:
        """Begin what has ended before it was heard to begin."""
        if not flight.run_ids:
            surroundings = environment.describe(self._share.resources.cpus, self._share.resources.gpus)
            flight.run_ids = [self._store.begin(one, surroundings, self._names) for one in flight.group]

    def _log_of(self, flight: Flight) -> bytes:
        if flight.began is None:
            return b""
        if flight.began.host != self._home.host:
            return self._cluster.log_of(Path(flight.began.log), flight.began.node)
        log = Path(flight.began.log)
        return log.read_bytes() if log.is_file() else b""

    def _ended(self, flight: Flight, outcomes: Sequence[Result | Failure]) -> Iterator[Ended]:
        left = [other.group[0] for other in (*self._flights.values(), *self._waiting)]
        seconds = _seconds_left(left, self._store.records(self._dataset.name))
        if seconds is not None:
            seconds /= self._share.workers
        for number, (condition, outcome) in enumerate(zip(flight.group, outcomes, strict=True), flight.first):
            yield Ended(condition, number, self._total, outcome, seconds)


def _sharing_a_fit(todo: Sequence[Condition]) -> list[tuple[Condition, ...]]:
    """Put conditions together that differ in their test images alone: they are trained once."""
    groups: dict[Condition, list[Condition]] = {}
    for condition in todo:
        groups.setdefault(condition.training, []).append(condition)
    return [tuple(group) for group in groups.values()]


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
