"""The scheduler with a made-up executor and clock: milliseconds for what takes minutes on real processes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agbench.core.condition import Budget, Condition, Preprocessing
from agbench.core.errors import NotStoredError
from agbench.core.workspace import Workspace
from agbench.data.card import Card
from agbench.data.dataset import Dataset
from agbench.data.source import Source
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
)
from agbench.runner.resources import Allocation
from agbench.runner.scheduler import GRACE, STORING_AGAIN, STORING_PATIENCE, Scheduler
from agbench.runner.trial import Resources
from agbench.runner.worker import JobResult
from agbench.store.outcome import Ending, Failure, Result, Usage

LIMIT = 10.0
ENVIRONMENT = {"software": {}}


@dataclass(frozen=True)
class Attempt:
    """What a job does when it is run: how long it fits, and how it ends (a stopped one crashes)."""

    ends: Ending = Ending.FINISHED
    seconds: float = 1.0
    on_gpu: bool = False
    silent: bool = False
    needs_images: bool = False


@dataclass
class Running:
    attempt: Attempt
    job: Any
    until: float
    stopped: bool = False


@dataclass
class MadeUpExecutor:
    """Runs each model's attempts in turn, the last one for ever, on a clock that only waiting moves."""

    attempts: dict[str, Sequence[Attempt]]
    host: str = field(default_factory=staging.host)
    now: float = 0.0
    most_at_once: int = 0
    jobs: list[Any] = field(default_factory=list)
    brought: list[str] = field(default_factory=list)
    logs_asked: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._running: dict[int, Running] = {}
        self._events: list[Any] = []
        self._tried: Counter[str] = Counter()

    def clock(self) -> float:
        return self.now

    def submit(self, job, dataset):
        model = job.conditions[0].model
        script = self.attempts.get(model, [Attempt()])
        attempt = script[min(self._tried[model], len(script) - 1)]
        self._tried[model] += 1
        self.jobs.append(job)
        reference = len(self.jobs)
        if attempt.needs_images:
            attempt = Attempt(needs_images=True, seconds=0)
        elif not attempt.silent:
            began = Began("node", self.host, f"/nowhere/{reference}", ENVIRONMENT)
            told = (began, Phase("load"), Phase("fit"), Measured(Usage(1, 100 * reference)), Epoch(1, 0.5))
            self._events += [(job.number, event) for event in told]
        self._running[reference] = Running(attempt, job, self.now + attempt.seconds)
        self.most_at_once = max(self.most_at_once, len(self._running))
        return reference

    def wait(self, pending, seconds):
        assert set(pending) == set(self._running), "the scheduler knows what runs"
        done = [one for one in pending if self._is_done(one)]
        if not done:
            self.now += seconds
        return [one for one in pending if self._is_done(one)]

    def _is_done(self, reference):
        run = self._running[reference]
        return run.stopped or run.until <= self.now

    def events(self):
        told, self._events = self._events, []
        return told

    last_events = events

    def result(self, reference):
        run = self._running.pop(reference)
        if run.attempt.needs_images:
            return "elsewhere"
        if run.stopped:
            return JobResult(Failure("worker died", Ending.CRASHED), Usage(), b"")
        usage = Usage(run.attempt.seconds, 5)
        if run.attempt.ends is not Ending.FINISHED:
            failure = Failure("as it was told to", run.attempt.ends, run.attempt.on_gpu)
            return JobResult(failure, usage, b"failed")
        return JobResult([result(one, run.attempt.seconds) for one in run.job.conditions], usage, b"finished")

    def stop(self, references):
        for reference in references:
            if reference in self._running:  # one that has ended is past stopping
                self._running[reference].stopped = True

    def has(self, dataset, node_id):
        return node_id in self.brought

    def bring(self, dataset, node_id):
        self.brought.append(node_id)

    def log_of(self, path, node_id):
        self.logs_asked.append(path)
        return b"from another machine"


def result(condition, seconds):
    nothing = pd.DataFrame()
    return Result(condition, 0.5, nothing, (), {"total": seconds}, {}, 1, 1, {}, {})


@dataclass
class MadeUpStore:
    """Trials in memory: each its condition, and how it ended."""

    folder: Path
    conditions: list[Condition] = field(default_factory=list)
    endings: dict[str, Result | Failure] = field(default_factory=dict)
    usage: dict[str, Usage] = field(default_factory=dict)
    logs: dict[str, bytes] = field(default_factory=dict)
    refusals: Iterator[bool] = field(default_factory=lambda: repeat(False))

    def begin(self, condition, environment, sweeps, log):
        self._refuse()
        self.conditions.append(condition)
        return str(len(self.conditions) - 1)

    def _refuse(self):
        if next(self.refusals, False):
            raise NotStoredError("no space left")

    def finish(self, run_id, result, usage, log, sweep):
        self._refuse()
        self._end(run_id, result, usage, log)

    def fail(self, run_id, failure, usage, log):
        self._refuse()
        self._end(run_id, failure, usage, log)

    def _end(self, run_id, outcome, usage, log):
        assert run_id not in self.endings, "a trial ends once"
        self.endings[run_id], self.usage[run_id], self.logs[run_id] = outcome, usage, log

    def by_model(self) -> dict[str, list[Ending]]:
        found: dict[str, list[Ending]] = {}
        for run_id, outcome in sorted(self.endings.items(), key=lambda item: int(item[0])):
            ending = outcome.ending if isinstance(outcome, Failure) else Ending.FINISHED
            found.setdefault(self.conditions[int(run_id)].model, []).append(ending)
        return found


def condition(model, limit=None, level=1.0, test=None):
    return Condition("birds", "f", Preprocessing.at(level), model, Budget(time_limit=limit), test=test)


def make_scheduler(
    folder, todo, attempts, workers=2, retries=1, refusals=(), per_gpu=1, deadline=math.inf, **executor
):
    """Return a scheduler, and the executor and the store that are made up for it."""
    images = pd.DataFrame({"image_id": ["a", "b"]})
    card = Card(title="Birds", layout="class-folders")
    dataset = Dataset("birds", card, folder, images, pd.DataFrame(), "f", Source("", ""))
    made, store = MadeUpExecutor(attempts, **executor), MadeUpStore(folder / "results", refusals=iter(refusals))
    config, resources = ExecutionConfig(retries=retries), Resources(1, int(per_gpu > 1), per_gpu)
    allocated = Allocation(workers, resources, "")
    workspace, estimate = Workspace(folder), Estimate([])
    known = (allocated, {}, {}, estimate, made.clock, deadline)
    scheduler = Scheduler(todo, dataset, workspace, store, config, made, *known)
    return scheduler, made, store


@pytest.fixture
def schedule(tmp_path):
    """Make a scheduler of conditions with the attempts of their models."""
    return lambda todo, attempts=None, **more: make_scheduler(tmp_path, todo, attempts or {}, **more)


def kinds(events):
    return [type(event) for event in events]


def test_trials_begin_advance_and_end(schedule):
    scheduler, executor, store = schedule([condition("a"), condition("b")], workers=1)
    events = list(scheduler.run())
    each = [Started, Advanced, Advanced, Advanced, Ended]
    assert kinds(events) == each * 2
    assert [event.number for event in events] == [1] * 5 + [2] * 5
    assert store.by_model() == {"a": ["finished"], "b": ["finished"]}
    assert executor.most_at_once == 1
    assert store.logs["0"] == b"finished"


@pytest.mark.parametrize("ending", [Ending.CRASHED, Ending.OUT_OF_MEMORY])
def test_what_another_attempt_can_help_gets_one(schedule, ending):
    scheduler, executor, store = schedule([condition("a")], {"a": [Attempt(ending), Attempt()]})
    events = list(scheduler.run())
    assert kinds(events).count(Retried) == 1
    assert [event.attempt for event in events if isinstance(event, Started)] == [1, 2]
    assert store.by_model() == {"a": [ending, "finished"]}
    assert len({job.number for job in executor.jobs}) == 2, "each attempt has a scratch folder of its own"


def test_a_trials_own_failure_is_not_tried_again(schedule):
    scheduler, _, store = schedule([condition("a")], {"a": [Attempt(Ending.FAILED), Attempt()]})
    events = list(scheduler.run())
    assert Retried not in kinds(events)
    assert store.by_model() == {"a": ["failed"]}


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_attempts_are_counted(schedule, retries):
    scheduler, _, store = schedule([condition("a")], {"a": [Attempt(Ending.CRASHED)]}, retries=retries)
    events = list(scheduler.run())
    assert kinds(events).count(Retried) == retries
    assert store.by_model() == {"a": ["crashed"] * (retries + 1)}
    assert isinstance(events[-1].outcome, Failure)


def test_a_batch_is_halved_only_where_the_gpus_memory_was_too_small(schedule):
    attempts = [
        Attempt(Ending.OUT_OF_MEMORY, on_gpu=True),
        Attempt(Ending.OUT_OF_MEMORY),
        Attempt(Ending.OUT_OF_MEMORY, on_gpu=True),
        Attempt(),
    ]
    scheduler, executor, store = schedule([condition("a")], {"a": attempts}, retries=3)
    list(scheduler.run())
    assert [job.resources.halvings for job in executor.jobs] == [0, 1, 1, 2]
    assert store.by_model()["a"][-1] == "finished"


def test_what_does_not_fit_beside_others_has_the_gpu_for_itself_before_its_batch_is_halved(schedule):
    short = Attempt(Ending.OUT_OF_MEMORY, on_gpu=True)
    todo = [condition(name) for name in "abcdefgh"]
    scheduler, executor, store = schedule(todo, {"a": [short, short, Attempt()]}, workers=4, per_gpu=4)
    events = list(scheduler.run())
    of_a = [job.resources for job in executor.jobs if job.conditions[0].model == "a"]
    assert [(one.per_gpu, one.halvings) for one in of_a] == [(4, 0), (1, 0), (1, 1)]
    assert store.by_model()["a"] == ["out of memory", "out of memory", "finished"]
    assert kinds(events).count(Retried) == 2, "one more than the limit, as the first shared the GPU"
    others = [job.resources.per_gpu for job in executor.jobs if job.conditions[0].model != "a"]
    assert others[:3] == [4, 4, 4]
    assert others[-1] == 2, "those that waited are fewer at once"
    assert len({job.resources.cpus for job in executor.jobs}) == 1, "threads stay the same: they round otherwise"


def test_a_gpu_of_its_own_is_no_retry(schedule):
    attempts = {"a": [Attempt(Ending.OUT_OF_MEMORY, on_gpu=True)]}
    scheduler, executor, store = schedule([condition("a")], attempts, retries=0, per_gpu=4)
    list(scheduler.run())
    assert store.by_model() == {"a": ["out of memory"] * 2}
    assert [job.resources.per_gpu for job in executor.jobs] == [4, 1]


def test_what_crashed_before_still_gets_a_gpu_of_its_own(schedule):
    attempts = {"a": [Attempt(Ending.CRASHED), Attempt(Ending.OUT_OF_MEMORY, on_gpu=True), Attempt()]}
    scheduler, _, store = schedule([condition("a")], attempts, retries=1, per_gpu=4)
    list(scheduler.run())
    assert store.by_model() == {"a": ["crashed", "out of memory", "finished"]}


def test_trials_that_fail_side_by_side_halve_the_share_once(schedule):
    short = [Attempt(Ending.OUT_OF_MEMORY, on_gpu=True), Attempt()]
    todo = [condition(name) for name in "abcdefgh"]
    scheduler, executor, store = schedule(todo, dict.fromkeys("abcd", short), workers=4, per_gpu=4)
    list(scheduler.run())
    others = [job.resources.per_gpu for job in executor.jobs if job.conditions[0].model in "efgh"]
    assert others == [2, 2, 2, 2]
    assert all(endings[-1] == "finished" for endings in store.by_model().values())


def test_nothing_is_sent_to_a_gpu_that_a_trial_waits_to_have_for_itself(schedule):
    short = [Attempt(Ending.OUT_OF_MEMORY, on_gpu=True), Attempt(seconds=50, silent=True)]
    todo = [condition(name) for name in "abcdef"]
    scheduler, executor, store = schedule(todo, {"a": short}, workers=4, per_gpu=4)
    list(scheduler.run())
    sent = [job.conditions[0].model for job in executor.jobs]
    assert sent == ["a", "b", "c", "d", "a", "e", "f"]
    assert executor.now > 50
    assert store.by_model()["a"] == ["out of memory", "finished"]


def test_an_overdue_phase_is_ended_and_not_tried_again(schedule):
    todo = [condition("a", LIMIT), condition("b", LIMIT)]
    scheduler, executor, store = schedule(todo, {"a": [Attempt(seconds=1e6)]})
    events = list(scheduler.run())
    assert store.by_model() == {"a": ["timed out"], "b": ["finished"]}
    (failure,) = [one for one in store.endings.values() if isinstance(one, Failure)]
    assert failure.reason == "fit took more than 10 s"
    assert 1.1 * LIMIT + GRACE < executor.now < 1.1 * LIMIT + GRACE + 2
    assert Retried not in kinds(events)
    assert store.usage["0"].seconds == pytest.approx(executor.now, abs=1)
    assert store.usage["0"].memory == 100, "what it was last seen to take"


@pytest.mark.parametrize("limit", [None, LIMIT])
def test_a_trial_within_its_limit_is_left_alone(schedule, limit):
    seconds = 1000.0 if limit is None else LIMIT
    scheduler, _, store = schedule([condition("a", limit)], {"a": [Attempt(seconds=seconds)]})
    list(scheduler.run())
    assert store.by_model() == {"a": ["finished"]}


@pytest.mark.parametrize("ending", [Ending.CRASHED, Ending.FINISHED])
def test_a_trial_that_ends_before_its_start_was_heard_of_is_stored(schedule, ending):
    scheduler, _, store = schedule([condition("a")], {"a": [Attempt(ending, silent=True)]}, retries=0)
    list(scheduler.run())
    assert store.by_model() == {"a": [ending]}


def test_a_node_without_the_images_is_sent_them_once(schedule):
    attempts = {name: [Attempt(needs_images=True), Attempt()] for name in "abc"}
    scheduler, executor, store = schedule([condition(name) for name in "abc"], attempts)
    events = list(scheduler.run())
    assert kinds(events).count(Preparing) == 1
    assert executor.brought == ["elsewhere"]
    assert executor.most_at_once == 2
    assert store.by_model() == {name: ["finished"] for name in "abc"}


def test_the_log_of_a_trial_that_died_elsewhere_is_fetched(schedule):
    attempts = {"a": [Attempt(seconds=1e6)]}
    scheduler, executor, store = schedule([condition("a", LIMIT)], attempts, host="another")
    events = list(scheduler.run())
    assert executor.logs_asked == [Path("/nowhere/1")]
    assert store.logs["0"] == b"from another machine"
    assert events[0].host == "another"


def test_stopped_trials_are_stored_with_the_reason_and_waiting_ones_are_not(schedule):
    scheduler, _, store = schedule([condition(name) for name in "abc"], {"a": [Attempt(seconds=100)]})
    next(scheduler.run())
    scheduler.stop("stopped by the user")
    assert store.by_model() == {"a": ["stopped"], "b": ["stopped"]}
    assert {one.reason for one in store.endings.values()} == {"stopped by the user"}
    assert list(scheduler.run()) == []


def test_what_check_stop_raises_ends_the_sweep(schedule):
    def check_stop():
        raise KeyboardInterrupt

    scheduler, _, store = schedule([condition("a")])
    with pytest.raises(KeyboardInterrupt):
        list(scheduler.run(check_stop))
    assert store.endings == {}
    scheduler.stop("stopped")
    assert store.by_model() == {"a": ["stopped"]}


def test_a_caller_that_stops_iterating_loses_nothing_that_has_happened(schedule):
    """All events of a poll are stored before the first is passed on."""
    scheduler, _, store = schedule([condition(name) for name in "ab"], {"b": [Attempt(seconds=0)]})
    events = scheduler.run()
    assert isinstance(next(events), Started)
    events.close()
    scheduler.stop("cancelled")
    assert store.by_model() == {"a": ["stopped"], "b": ["finished"]}


def test_conditions_that_share_a_fit_are_one_job_and_end_together(schedule):
    todo = [condition("a"), condition("b"), condition("a", test=Preprocessing.at(0.3))]
    scheduler, executor, store = schedule(todo, {"a": [Attempt(Ending.CRASHED), Attempt()]})
    events = list(scheduler.run())
    assert [len(job.conditions) for job in executor.jobs] == [2, 1, 2]
    assert store.by_model() == {"a": ["crashed", "crashed", "finished", "finished"], "b": ["finished"]}
    assert sorted(event.number for event in events if isinstance(event, Ended)) == [1, 2, 3]


def test_time_left_is_that_of_trials_that_have_not_ended(schedule):
    todo = [condition("a", level=level) for level in (1.0, 0.5, 0.3, 0.1)]
    scheduler, _, _ = schedule(todo, {"a": [Attempt(seconds=6)]})
    left = [event.seconds_left for event in scheduler.run() if isinstance(event, Ended)]
    assert left == pytest.approx([9, 6, 3, 0]), "6 s each, two at once"


def test_what_can_not_be_stored_is_kept_until_it_can(schedule):
    """The start of `a` is stored; then ten tries meet a full disk, and nothing else begins meanwhile."""
    todo = [condition(name) for name in "abc"]
    scheduler, executor, store = schedule(todo, workers=1, refusals=chain([False], repeat(True, 10)))
    submitted = []
    events = []
    for event in scheduler.run():
        events.append(event)
        if isinstance(event, Noted):
            submitted.append((event.what, len(executor.jobs)))
    waits, stored = submitted
    assert waits == ("an ended trial waits to be stored: no space left; no other begins before it is", 2)
    assert stored == ("all that has ended is stored now", 3), "b had ended meanwhile, so that c begins"
    assert store.by_model() == {"a": ["finished"], "b": ["finished"], "c": ["finished"]}
    assert [event.condition.model for event in events if isinstance(event, Ended)] == list("abc")
    assert executor.now > 9 * STORING_AGAIN


def test_conditions_of_one_fit_are_each_stored_once_whatever_was_refused(schedule):
    todo = [condition("a"), condition("a", test=Preprocessing.at(0.3)), condition("a", test=Preprocessing.at(0.1))]
    refusals = [False, True, False, False, False, True, True, False, False]
    scheduler, _, store = schedule(todo, refusals=refusals)
    assert kinds(scheduler.run()).count(Ended) == 3
    assert len(store.conditions) == 3
    assert store.by_model() == {"a": ["finished"] * 3}


def test_a_failure_that_can_not_be_stored_is_tried_again_only_after_it_was(schedule):
    attempts = {"a": [Attempt(Ending.CRASHED), Attempt()]}
    scheduler, _, store = schedule([condition("a")], attempts, refusals=[False, True, True])
    found = kinds(scheduler.run())
    assert found.index(Noted) < found.index(Retried)
    assert store.by_model() == {"a": ["crashed", "finished"]}


def test_a_store_that_refuses_for_too_long_ends_the_sweep_and_says_what_is_lost(schedule):
    scheduler, executor, store = schedule([condition("a"), condition("b")], refusals=repeat(True))
    with pytest.raises(NotStoredError, match="no space left"):
        list(scheduler.run())
    assert executor.now > STORING_PATIENCE
    with pytest.raises(NotStoredError, match="2 finished trials could not be stored"):
        scheduler.stop("its sweep ended before it")
    scheduler.stop("and once more")
    assert store.endings == {}


def test_stopping_stores_what_was_kept(schedule):
    scheduler, _, store = schedule([condition("a"), condition("b")], refusals=chain([False, False], [True]))
    events = scheduler.run()
    assert any(isinstance(event, Noted) for event in events if not isinstance(event, Ended))
    events.close()
    scheduler.stop("stopped by the user")
    assert store.by_model() == {"a": ["finished"], "b": ["finished"]}


ATTEMPTS = st.builds(
    Attempt,
    ends=st.sampled_from([one for one in Ending if one is not Ending.STOPPED]),
    seconds=st.sampled_from([0.0, 0.1, 1.0, 50.0]),
    on_gpu=st.booleans(),
    silent=st.booleans(),
    needs_images=st.booleans(),
)


@settings(deadline=None)  # a trial that was not heard of asks git for the commit
@given(
    scripts=st.lists(st.lists(ATTEMPTS, min_size=1, max_size=4), min_size=1, max_size=6),
    workers=st.integers(1, 4),
    retries=st.integers(0, 3),
    per_gpu=st.sampled_from([1, 4]),
    limit=st.sampled_from([None, LIMIT]),
    polls=st.integers(0, 20) | st.none(),
    refusals=st.lists(st.booleans(), max_size=20),
)
def test_each_condition_ends_once_in_any_case(
    tmp_path_factory, scripts, workers, retries, per_gpu, limit, polls, refusals
):
    """Whatever happens, all started trials are stored once, and no more run at once than may."""
    # A job that never gets its images would be sent for ever.
    attempts = {str(name): [*script, Attempt()] for name, script in enumerate(scripts)}
    todo = [condition(name, limit) for name in attempts]
    scheduler, executor, store = make_scheduler(
        tmp_path_factory.getbasetemp(),
        todo,
        attempts,
        workers=workers,
        retries=retries,
        refusals=refusals,
        per_gpu=per_gpu,
    )
    events = scheduler.run()
    taken = [event for event, _ in zip(events, range(10**6 if polls is None else polls), strict=False)]
    events.close()
    store.refusals = repeat(False)
    scheduler.stop("cancelled")
    assert len(store.endings) == len(store.conditions), "no trial is left running in the store"
    assert executor.most_at_once <= workers
    ended = [event.condition for event in taken if isinstance(event, Ended)]
    assert len(ended) == len(set(ended))
    for event in taken:
        if isinstance(event, Ended):
            last = store.by_model()[event.condition.model][-1]
            assert last == (event.outcome.ending if isinstance(event.outcome, Failure) else "finished")
    if polls is None:
        assert set(ended) == set(todo)
        most = retries + 1 + (per_gpu > 1)
        assert all(len(endings) <= most for endings in store.by_model().values())


def test_at_the_deadline_what_is_in_flight_is_left_to_be_stopped(schedule):
    todo = [condition(name) for name in "abc"]
    attempts = {"a": [Attempt(seconds=5)], "b": [Attempt(seconds=1e6)]}
    scheduler, executor, store = schedule(todo, attempts, workers=1, deadline=20.0)
    events = list(scheduler.run())
    scheduler.stop("out of time")
    assert [event.condition.model for event in events if isinstance(event, Ended)] == ["a"]
    assert 20 <= executor.now < 21
    assert store.by_model() == {"a": ["finished"], "b": ["stopped"]}


def test_no_trial_begins_that_like_ones_took_too_long_for(schedule):
    todo = [condition("a"), condition("a", level=0.5), condition("b"), condition("a", level=0.3)]
    attempts = {"a": [Attempt(seconds=12)], "b": [Attempt(seconds=1)]}
    scheduler, executor, store = schedule(todo, attempts, workers=1, deadline=20.0)
    events = list(scheduler.run())
    ended = [event.condition for event in events if isinstance(event, Ended)]
    assert ended == [todo[0], todo[2]], "a shorter one may begin"
    assert len(executor.jobs) == 2
    assert executor.now < 20
    assert store.by_model() == {"a": ["finished"], "b": ["finished"]}


def test_what_crashed_is_not_tried_again_where_there_is_no_time_for_it(schedule):
    todo = [condition("a"), condition("a", level=0.5)]
    attempts = {"a": [Attempt(seconds=12), Attempt(Ending.CRASHED, seconds=2), Attempt()]}
    scheduler, _, store = schedule(todo, attempts, workers=1, retries=3, deadline=25.0)
    events = list(scheduler.run())
    assert Retried not in kinds(events)
    assert store.by_model() == {"a": ["finished", "crashed"]}
