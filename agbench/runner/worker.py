"""Run one job in a worker: redirect output to a log, sample memory, classify how it ended."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from agbench.core import environment
from agbench.core.codec import teach_pillow
from agbench.core.condition import Budget, Condition
from agbench.core.errors import UserError, in_a_line
from agbench.core.gpu import cuda_in_use, free_gpu
from agbench.models import registry
from agbench.runner import staging
from agbench.runner.events import Began, Measured, Phase, TrialEvent
from agbench.runner.trial import Resources, run_trials
from agbench.store.outcome import Ending, Failure, Result, Usage
from agbench.store.record import LOG

if TYPE_CHECKING:
    from agbench.data.dataset import Dataset

MODEL = "model"
MEMORY_POLL_SECONDS = 0.5
"""Seconds between two looks at a trial's memory."""

LAUNCHERS = ("SLURM_", "TORCHELASTIC_", "PMI_", "OMPI_COMM_", "LSB_", "JSM_")
RANKS = {
    *("RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "NODE_RANK"),
    *("WORLD_SIZE", "LOCAL_WORLD_SIZE", "ROLE_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"),
}
"""Variables by which Lightning takes a process for one of several that train together: a trial is one alone."""

OnEvent = Callable[[TrialEvent], None]


@dataclass(frozen=True)
class Job:
    """Trials that share a fit, as a worker is given them.

    Parameters
    ----------
    number : str
        Of the order; its scratch space is named by it.
    conditions : tuple of Condition
        Equal but for their test images.
    home : DriverPaths
        Folders of the driver.
    software : str
        Digest of the driver's versions.
    resources : Resources
        Cores and GPUs of the trial.
    """

    number: str
    conditions: tuple[Condition, ...]
    home: staging.DriverPaths
    software: str
    resources: Resources


@dataclass(frozen=True)
class JobResult:
    """What came of an order.

    Parameters
    ----------
    outcome : list of Result, or Failure
        The failure is that of all its conditions.
    usage : Usage
        Seconds and memory of the job.
    log : bytes
        The log.
    """

    outcome: list[Result] | Failure
    usage: Usage
    log: bytes


def start() -> None:
    """Redirect a new worker's output to /dev/null until its first trial."""
    with Path(os.devnull).open("w") as nowhere:
        _redirect(nowhere.fileno())


def check_models(models: list[tuple[str, Budget]]) -> str:
    """Return why one of these models, with its budget, can't work on this machine; empty where all can."""
    for model, budget in models:
        family, variant = registry.find_model(model)
        try:
            family.check(variant, budget)
        except UserError as error:
            return str(error)
    return ""


def warm(models: list[tuple[str, Budget]]) -> None:
    """Import what trials of these models need."""
    for model, _ in models:
        registry.find_model(model)[0].warm()


def work(job: Job, dataset: Dataset, node_id: str, on_event: OnEvent) -> JobResult:
    """Run trials that share a fit, in a folder of their own.

    Parameters
    ----------
    job : Job
        Job to run.
    dataset : Dataset
        Data set with the driver's paths.
    node_id : str
        Ray's id of this node.
    on_event : callable
        Told what happens.

    Returns
    -------
    JobResult

    Raises
    ------
    NotHereError
        If the data set is not on this node.
    """
    place = staging.resolve_dataset(job.home, dataset)
    folder = place.scratch / job.number
    folder.mkdir(parents=True)
    resources = job.resources
    surroundings = environment.describe(resources.cpus, resources.gpu_share)
    on_event(Began(node_id, staging.host(), str(folder / LOG), surroundings))
    try:
        with _logged(folder), _monitored(on_event) as monitor:
            for condition in job.conditions:
                print(f"{condition}\ncondition {condition.id}: {condition.budget}", flush=True)
            outcome = _outcome(job, place, folder, surroundings, on_event)
        return JobResult(outcome, monitor.usage(), (folder / LOG).read_bytes())
    finally:
        free_gpu()
        if staging.host() != job.home.host:
            shutil.rmtree(folder, ignore_errors=True)


def _outcome(
    job: Job, place: staging.NodePaths, folder: Path, surroundings: dict[str, dict[str, str]], on_event: OnEvent
) -> list[Result] | Failure:
    installed = environment.digest_of_software(surroundings["software"])
    if installed != job.software:
        return Failure(
            f"{staging.host()} has other versions of the software than the machine that started the sweep"
        )
    try:
        on_event(Phase("start"))
        _prepare_process(job)
        results = run_trials(job.conditions, place.dataset, place.variants, folder, job.resources, on_event)
    except registry.OutOfTimeError as error:
        print(f"timed out: {error}", flush=True)
        return Failure(str(error), Ending.TIMED_OUT)
    except registry.GpuMemoryError as error:
        print(f"out of memory: {error}", flush=True)
        return Failure(in_a_line(error), Ending.OUT_OF_MEMORY, on_gpu=True)
    except (UserError, registry.ModelError) as error:
        print(f"failed: {error}", flush=True)
        return Failure(str(error))
    # AutoGluon's own errors have no common base, and one trial's must not end the sweep.
    except Exception as error:  # noqa: BLE001
        traceback.print_exc()
        return _failure(error)
    for result in results:
        tested = result.condition.test_preprocessing
        print(f"accuracy {result.accuracy:.4f} on {len(result.predictions)} test images ({tested})", flush=True)
    return results


def _failure(error: Exception) -> Failure:
    reason = f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
    on_gpu = registry.lacked_gpu_memory(str(error))
    if on_gpu or isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return Failure(reason, Ending.OUT_OF_MEMORY, on_gpu)
    return Failure(reason)


def _prepare_process(job: Job) -> None:
    """Import what the model and the codec need, and keep threads to the trial's share of the cores."""
    teach_pillow()
    for name in [name for name in os.environ if name.startswith(LAUNCHERS) or name in RANKS]:
        del os.environ[name]
    family, _ = registry.find_model(job.conditions[0].model)
    importlib.import_module(family.module)
    from threadpoolctl import threadpool_limits

    # Loaders are not subtracted: their number must change no result.
    threadpool_limits(job.resources.cpus)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(job.resources.cpus)


@contextmanager
def _logged(folder: Path) -> Iterator[None]:
    """Send what is printed to the folder's log, and work there."""
    before = os.dup(1), os.dup(2), Path.cwd()
    with (folder / LOG).open("w", buffering=1, encoding="utf-8") as log:
        _redirect(log.fileno())
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before[2])
            for old, new in zip(before[:2], (1, 2), strict=True):
                _flush()
                os.dup2(old, new)
                os.close(old)


def _redirect(descriptor: int) -> None:
    # Below Python too: LightGBM and the loaders' processes write to the descriptors themselves.
    _flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


class _MemoryMonitor:
    """Samples the memory of this process and its children from time to time."""

    def __init__(self, on_event: OnEvent) -> None:
        self._on_event = on_event
        self._most = 0
        self._over = threading.Event()
        self._started = time.monotonic()

    def usage(self) -> Usage:
        """Return what it has taken so far."""
        cuda = cuda_in_use()
        gpu = 0 if cuda is None else int(cuda.max_memory_allocated())
        return Usage(time.monotonic() - self._started, self._most, gpu)

    def sample(self) -> None:
        """Sample until told to stop, and report each new maximum."""
        me = psutil.Process()
        reported = 0
        while True:
            now = 0
            for one in (me, *me.children(recursive=True)):
                with suppress(psutil.Error):
                    now += one.memory_info().rss
            self._most = max(self._most, now)
            if self._most > 1.05 * reported:
                reported = self._most
                self._on_event(Measured(self.usage()))
            if self._over.wait(MEMORY_POLL_SECONDS):
                return

    def stop(self) -> None:
        """Stop looking."""
        self._over.set()


@contextmanager
def _monitored(on_event: OnEvent) -> Iterator[_MemoryMonitor]:
    if "torch" in sys.modules and sys.modules["torch"].cuda.is_available():
        sys.modules["torch"].cuda.reset_peak_memory_stats()
    monitor = _MemoryMonitor(on_event)
    thread = threading.Thread(target=monitor.sample, daemon=True)
    thread.start()
    try:
        yield monitor
    finally:
        monitor.stop()
        thread.join()


def keep_model(folder: Path, home: Path) -> None:
    """Move a trial's fitted model out of its scratch space."""
    if (folder / MODEL).exists():
        shutil.rmtree(home, ignore_errors=True)
        home.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / MODEL, home)
