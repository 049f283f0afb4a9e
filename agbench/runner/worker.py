"""What a worker does with a trial: its chatter goes to a log, its memory is watched, its end is named."""

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
from agbench.core.condition import Budget, Condition
from agbench.core.errors import UserError
from agbench.models import registry
from agbench.runner import staging
from agbench.runner.events import Began, Measured, OfTrial, Phase
from agbench.runner.trial import Resources, run_trials
from agbench.store.outcome import Ending, Failure, Result, Usage
from agbench.store.record import LOG

if TYPE_CHECKING:
    from agbench.data.dataset import Dataset

MODEL = "model"
BETWEEN_LOOKS = 0.5
"""Seconds between two looks at a trial's memory."""

LOADERS = 2
"""AutoMM's own ``env.num_workers``."""

Tell = Callable[[OfTrial], None]


@dataclass(frozen=True)
class Order:
    """What a worker is asked to run.

    Parameters
    ----------
    number : str
        Of the order; its scratch space is named by it.
    conditions : tuple of Condition
        Equal but for their test images.
    home : Home
        Where the driver has things.
    software : str
        Digest of the driver's versions.
    resources : Resources
        What the trial may use.
    alone : bool
        Whether no other trial shares the machine.
    """

    number: str
    conditions: tuple[Condition, ...]
    home: staging.Home
    software: str
    resources: Resources
    alone: bool

    @property
    def threads(self) -> int:
        """How many threads compute; beside other trials the loaders count in."""
        loaders = self.conditions[0].budget.loaders
        counted = 0 if self.alone else LOADERS if loaders is None else loaders
        return max(self.resources.cpus - counted, 1)


@dataclass(frozen=True)
class Answer:
    """What came of an order.

    Parameters
    ----------
    outcome : list of Result, or Failure
        The failure is that of all its conditions.
    usage : Usage
        What it took.
    log : bytes
        The log.
    """

    outcome: list[Result] | Failure
    usage: Usage
    log: bytes


def start() -> None:
    """Silence a fresh process: what it prints between trials is nobody's."""
    with Path(os.devnull).open("w") as nowhere:
        _redirect(nowhere.fileno())


def look_around(models: list[tuple[str, Budget]]) -> str:
    """Say why one of these models, with its budget, can't work on this machine; nothing where all can."""
    for model, budget in models:
        family, variant = registry.find(model)
        try:
            family.check(variant, budget)
        except UserError as error:
            return str(error)
    return ""


def work(order: Order, dataset: Dataset, node_id: str, tell: Tell) -> Answer:
    """Run trials that share a fit, in a folder of their own.

    Parameters
    ----------
    order : Order
        What to run.
    dataset : Dataset
        As the driver has it.
    node_id : str
        Ray's id of this node.
    tell : callable
        Told what happens.

    Returns
    -------
    Answer

    Raises
    ------
    NotHereError
        If the data set is not on this node.
    """
    place = staging.settle(order.home, dataset)
    folder = place.scratch / order.number
    folder.mkdir(parents=True)
    resources = order.resources
    surroundings = environment.describe(resources.cpus, resources.gpus)
    tell(Began(node_id, staging.host(), str(folder / LOG), surroundings))
    try:
        with _logged(folder), _watched(tell) as watch:
            for condition in order.conditions:
                print(f"{condition}\ncondition {condition.id}: {condition.budget}", flush=True)
            outcome = _outcome(order, place, folder, surroundings, tell)
        return Answer(outcome, watch.usage(), (folder / LOG).read_bytes())
    finally:
        if staging.host() != order.home.host:
            shutil.rmtree(folder, ignore_errors=True)


def _outcome(
    order: Order, place: staging.Place, folder: Path, surroundings: dict[str, dict[str, str]], tell: Tell
) -> list[Result] | Failure:
    installed = environment.digest_of_software(surroundings["software"])
    if installed != order.software:
        return Failure(
            f"{staging.host()} has other versions of the software than the machine that started the sweep"
        )
    try:
        tell(Phase("start"))
        _limit_threads(order)
        results = run_trials(order.conditions, place.dataset, place.variants, folder, order.resources, tell)
    except registry.OutOfTimeError as error:
        print(f"timed out: {error}", flush=True)
        return Failure(str(error), Ending.TIMED_OUT)
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
    on_gpu = type(error).__name__ == "OutOfMemoryError" and "CUDA" in str(error)
    if on_gpu or isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return Failure(reason, Ending.OUT_OF_MEMORY, on_gpu)
    return Failure(reason)


def _limit_threads(order: Order) -> None:
    """Import what the model needs, and keep its threads to the trial's share of the cores."""
    family, _ = registry.find(order.conditions[0].model)
    importlib.import_module(family.module)
    from threadpoolctl import threadpool_limits

    threadpool_limits(order.threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(order.threads)


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


class _Watch:
    """Looks at the memory of this process and its children from time to time."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._most = 0
        self._over = threading.Event()
        self._started = time.monotonic()

    def usage(self) -> Usage:
        """Give what it has taken so far."""
        gpu = 0
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
            gpu = int(torch.cuda.max_memory_allocated())
        return Usage(time.monotonic() - self._started, self._most, gpu)

    def look(self) -> None:
        """Look until told to stop, and tell of each new most."""
        me = psutil.Process()
        told = 0
        while True:
            now = 0
            for one in (me, *me.children(recursive=True)):
                with suppress(psutil.Error):
                    now += one.memory_info().rss
            self._most = max(self._most, now)
            if self._most > 1.05 * told:
                told = self._most
                self._tell(Measured(self.usage()))
            if self._over.wait(BETWEEN_LOOKS):
                return

    def stop(self) -> None:
        """Stop looking."""
        self._over.set()


@contextmanager
def _watched(tell: Tell) -> Iterator[_Watch]:
    if "torch" in sys.modules and sys.modules["torch"].cuda.is_available():
        sys.modules["torch"].cuda.reset_peak_memory_stats()
    watch = _Watch(tell)
    thread = threading.Thread(target=watch.look, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch.stop()
        thread.join()


def keep_model(folder: Path, home: Path) -> None:
    """Move a trial's fitted model out of its scratch space."""
    if (folder / MODEL).exists():
        shutil.rmtree(home, ignore_errors=True)
        home.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / MODEL, home)
