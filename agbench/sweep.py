"""A sweep: what is left of a plan, handed to workers, and recorded. The only writer of results."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from agbench import environment, files, node, share, trial, worker
from agbench.condition import Budget, Condition
from agbench.data.dataset import Dataset
from agbench.errors import UserError
from agbench.events import (
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
from agbench.outcome import RETRIED, Ending, Failure, Usage
from agbench.record import Record, latest
from agbench.results import Result, Store
from agbench.trial import fit_of
from agbench.workspace import Workspace

if TYPE_CHECKING:
    from agbench.cluster import Cluster
    from agbench.share import Share

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


@dataclass
class _Flight:
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


def run(
    todo: Sequence[Condition],
    dataset: Dataset,
    workspace: Workspace,
    store: Store,
    engine: Engine | None = None,
    names: Mapping[str, int] | None = None,
) -> Iterator[OfSweep]:
    """Run conditions of a data set.

    Killed at any moment, it loses the trials in flight and nothing else.

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
    engine : Engine, optional
        How.
    names : mapping of str to int, optional
        Names that the trials get, and when their sweeps began, in milliseconds since 1970.

    Yields
    ------
    OfSweep
        `Ended` once for each condition.

    Raises
    ------
    UserError
        If a model can't work on this machine, another sweep runs in the workspace, or a disk is full.
    """
    from agbench import cluster

    engine = engine or Engine()
    scratch = store.folder / "scratch"
    with _alone(store.folder):
        store.close_abandoned("the sweep was killed")
        shutil.rmtree(scratch, ignore_errors=True)
        yield Preparing("starting workers")
        with cluster.connected(engine.address) as workers, _stoppable():
            divided = share.divide(workers.machines, engine.workers)
            yield Preparing(str(divided))
            workers.refuse_what_cannot_work(list(dict.fromkeys((one.model, one.budget) for one in todo)))
            yield Preparing(f"compressing {len(dataset.index)} images")
            _make_variants(dataset, todo)
            sweep = _Sweep(todo, dataset, workspace, store, engine, workers, divided, names or {})
            try:
                yield from sweep.run()
            finally:
                sweep.stop()
                shutil.rmtree(scratch, ignore_errors=True)


def divided(engine: Engine) -> Share:
    """Say how a sweep would divide the machines among trials."""
    from agbench import cluster

    with cluster.connected(engine.address) as workers:
        return share.divide(workers.machines, engine.workers)


class _Sweep:
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
    ) -> None:
        self._dataset, self._store, self._engine = dataset, store, engine
        self._cluster, self._share, self._names = cluster, divided, names
        self._home = node.Home(node.host(), workspace.datasets.resolve(), store.folder / "scratch")
        self._software = environment.digest_of_software(environment.software())
        self._total = len(todo)
        self._flights: dict[Any, _Flight] = {}
        first = 1
        for group in _sharing_a_fit(todo):
            self._send(_Flight(group, first, self._order(group, first, 1, 0)))
            first += len(group)

    def run(self) -> Iterator[OfSweep]:
        """Hear and record until all flights have ended."""
        while self._flights:
            done = self._cluster.wait(list(self._flights), BETWEEN_LOOKS)
            yield from self._hear(self._cluster.events())
            for reference in done:
                yield from self._land(reference)
            for reference, flight in self._flights.items():
                if not flight.overdue and (overdue := flight.is_overdue()):
                    flight.overdue = overdue
                    self._cluster.stop([reference])

    def stop(self) -> None:
        """End what is still on its way, and record that it was stopped."""
        if not self._flights:
            return
        self._cluster.stop(list(self._flights))
        for _ in self._hear(self._cluster.last_events()):
            pass
        for flight in self._flights.values():
            if flight.run_ids:
                self._fail(flight, Failure("stopped by the user", Ending.STOPPED), self._log_of(flight))
        self._flights.clear()

    def _order(self, group: tuple[Condition, ...], first: int, attempt: int, halvings: int) -> worker.Order:
        resources = replace(self._share.resources, halvings=halvings)
        number = f"{os.getpid()}-{first}-{attempt}"
        return worker.Order(number, group, self._home, self._software, resources, self._share.workers == 1)

    def _send(self, flight: _Flight) -> None:
        self._flights[self._cluster.submit(flight.order, self._dataset)] = flight

    def _hear(self, events: Iterable[tuple[str, OfTrial]]) -> Iterator[OfSweep]:
        by_number = {flight.order.number: flight for flight in self._flights.values()}
        for number, event in events:
            flight = by_number.get(number)
            if flight is None:
                continue
            flight.hear(event)
            if isinstance(event, Began):
                flight.run_ids = [self._store.begin(one, event.environment, self._names) for one in flight.group]
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
            yield from self._ended(flight, [outcome] * len(flight.group))
            return
        yield Retried(flight.group[0], flight.first, self._total, outcome)
        attempt, halvings = flight.attempt + 1, flight.order.resources.halvings + outcome.on_gpu
        order = self._order(flight.group, flight.first, attempt, halvings)
        self._send(_Flight(flight.group, flight.first, order, attempt))

    def _finish(self, flight: _Flight, results: list[Result], answer: worker.Answer) -> None:
        usage = replace(answer.usage, seconds=flight.taken().seconds)
        for run_id, result in zip(flight.run_ids, results, strict=True):
            self._store.finish(run_id, result, usage, answer.log)
        scratch = self._home.scratch / flight.order.number
        if self._engine.keep_models:
            worker.keep_model(scratch, self._store.folder / "models" / fit_of(flight.group[0]).id)
        shutil.rmtree(scratch, ignore_errors=True)

    def _fail(self, flight: _Flight, failure: Failure, log: bytes) -> None:
        if not flight.run_ids:  # it died before it could say that it began
            surroundings = environment.describe(self._share.resources.cpus, self._share.resources.gpus)
            flight.run_ids = [self._store.begin(one, surroundings, self._names) for one in flight.group]
        for run_id in flight.run_ids:
            self._store.fail(run_id, failure, flight.taken(), log)
        shutil.rmtree(self._home.scratch / flight.order.number, ignore_errors=True)

    def _log_of(self, flight: _Flight) -> bytes:
        if flight.began is None:
            return b""
        if flight.began.host != self._home.host:
            return self._cluster.log_of(Path(flight.began.log), flight.began.node)
        log = Path(flight.began.log)
        return log.read_bytes() if log.is_file() else b""

    def _ended(self, flight: _Flight, outcomes: Sequence[Result | Failure]) -> Iterator[Ended]:
        left = [other.group[0] for other in self._flights.values()]
        seconds = _seconds_left(left, self._store.records(self._dataset.name))
        if seconds is not None:
            seconds /= self._share.workers
        for number, (condition, outcome) in enumerate(zip(flight.group, outcomes, strict=True), flight.first):
            yield Ended(condition, number, self._total, outcome, seconds)


def _make_variants(dataset: Dataset, todo: Sequence[Condition]) -> None:
    try:
        trial.variants(dataset, todo, node.variants_of(dataset), environment.available_cpus())
    except OSError as error:
        place = f" below {dataset.folder}" if error.filename is None else f": {error.filename}"
        raise UserError(
            f"the images can't be compressed: {error.strerror}{place}; the same command goes on"
        ) from error


def _sharing_a_fit(todo: Sequence[Condition]) -> list[tuple[Condition, ...]]:
    """Put conditions together that differ in their test images alone: they are trained once."""
    groups: dict[Condition, list[Condition]] = {}
    for condition in todo:
        groups.setdefault(fit_of(condition), []).append(condition)
    return [tuple(group) for group in groups.values()]


@contextmanager
def _stoppable() -> Iterator[None]:
    """Take a signal to terminate for Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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
