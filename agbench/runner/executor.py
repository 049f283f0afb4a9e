"""Ray: workers of this machine or of a cluster, warm between trials."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agbench.core import processes
from agbench.core.condition import Budget
from agbench.core.errors import UserError
from agbench.runner import staging, worker
from agbench.runner.events import TrialEvent
from agbench.runner.resources import STORE_BYTES, Machine, this_machine
from agbench.runner.worker import Job, JobResult
from agbench.store.outcome import Ending, Failure, Usage

if TYPE_CHECKING:
    from agbench.data.dataset import Dataset

# All are read when Ray is imported. It prints on standard output that a worker died, which is ours to say.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_worker_niceness", "0")
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")

import ray
from ray.util.queue import Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from agbench.runner import ray_internals

RECYCLED_AFTER = 50
"""Trials after which a worker is replaced by a fresh one, before what AutoGluon leaks adds up."""

_HEAD = "node:__internal_head__"
"""The resource that only a cluster's head node has."""

SOCKET_PATH = 107
"""Bytes that the path of a socket has at most."""

LONGEST_SOCKET = "ray/session_2026-01-31_12-00-00_000000_4194304/sockets/plasma_store"
SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
"""Where Ray's session is where TMPDIR is too long."""

PATIENCE = 5.0
"""Seconds that a job's result is waited for where the other side may be gone."""


class RayExecutor:
    """Runs jobs on the workers of a Ray cluster.

    Parameters
    ----------
    here : Machine, optional
        This machine, where it is the whole cluster.
    """

    def __init__(self, here: Machine | None) -> None:
        self._here = here
        # On the head node, without which there is no cluster: any other may die.
        self._events = Queue(actor_options={"num_cpus": 0, "resources": {_HEAD: 0.001}})
        self._datasets: dict[str, Any] = {}
        self._brought: set[tuple[str, str]] = set()

    @property
    def machines(self) -> list[Machine]:
        """Machines of the cluster."""
        found = [one["Resources"] for one in ray.nodes() if one["Alive"]]
        machines = [Machine(*(int(one.get(name, 0)) for name in ("CPU", "GPU", "memory"))) for one in found]
        # Of other machines, the memory of GPUs is not known.
        return [replace(machines[0], gpu_memory=self._here.gpu_memory)] if self._here else machines

    def check_models(self, models: Sequence[tuple[str, Budget]], workers: int, cpus: int) -> None:
        """Raise `UserError` where a model can't work.

        Parameters
        ----------
        models : sequence of (str, Budget)
            Models with their budgets.
        workers, cpus : int
            Number of concurrent checks and cores per check. Each then imports what the models need.
        """
        look = _check_models.options(num_cpus=cpus)
        for reason in ray.get([look.remote(list(models)) for _ in range(workers)]):
            if reason:
                raise UserError(reason)

    def submit(self, job: Job, dataset: Dataset) -> Any:
        """Submit a job to the first free worker, and return a reference to its result."""
        if dataset.fingerprint not in self._datasets:
            self._datasets[dataset.fingerprint] = ray.put(dataset)
        needs = {"num_cpus": job.resources.cpus, "num_gpus": job.resources.gpu_share}
        # CUDA stays on the device on which a process began, whatever Ray gives to its next trial.
        several = job.resources.gpus and any(one.gpus > 1 for one in self.machines)
        task = (_work_once if several else _work).options(**needs, name=str(job.conditions[0]))
        return task.remote(job, self._datasets[dataset.fingerprint], self._events)

    def wait(self, pending: Sequence[Any], seconds: float) -> list[Any]:
        """Return the jobs that have ended, after waiting for one of them at most some seconds."""
        if not pending:
            time.sleep(seconds)
            return []
        done, _ = ray.wait(list(pending), num_returns=1, timeout=seconds)
        return list(done)

    def events(self, patience: float | None = None) -> list[tuple[str, TrialEvent]]:
        """Return the events since the last call: each with the number of its job."""
        queue = self._events.actor
        count = ray.get(queue.qsize.remote(), timeout=patience)
        return list(ray.get(queue.get_nowait_batch.remote(count), timeout=patience))

    def last_events(self) -> list[tuple[str, TrialEvent]]:
        """Return the events at the end of a sweep, as far as workers still answer."""
        with suppress(ray.exceptions.RayError):
            return self.events(PATIENCE)
        return []

    def result(self, reference: Any) -> JobResult | str:
        """Return a job's result, or the id of the node that lacks its data set."""
        try:
            job_result: JobResult | str = ray.get(reference)
        except ray.exceptions.OutOfMemoryError as error:
            said = str(error).splitlines()[0]
            return _died(f"its node ran out of memory: {said}", Ending.OUT_OF_MEMORY)
        except ray.exceptions.TaskCancelledError:
            return _died("it was stopped", Ending.STOPPED)
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError):
            return _died("its process died: killed by a signal, or it exited", Ending.CRASHED)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            return _died(f"{type(cause).__name__}: {' '.join(str(cause).split())}"[:500], Ending.FAILED)
        except ray.exceptions.RayError as error:
            return _died(f"{type(error).__name__}: {' '.join(str(error).split())}"[:500], Ending.CRASHED)
        return job_result

    def stop(self, references: Sequence[Any]) -> None:
        """End trials, their processes included."""
        for reference in references:
            ray.cancel(reference, force=True)

    def has(self, dataset: Dataset, node_id: str) -> bool:
        """Return whether a data set was sent to a node."""
        return (dataset.fingerprint, node_id) in self._brought

    def bring(self, dataset: Dataset, node_id: str) -> None:
        """Send a data set's images to a node that can't see them."""
        there = NodeAffinitySchedulingStrategy(node_id, soft=False)
        receive = _receive.options(num_cpus=0, scheduling_strategy=there)
        bare = self._datasets[dataset.fingerprint]
        for block in staging.blocks(dataset):
            ray.get(receive.remote(bare, block, False))
        ray.get(receive.remote(bare, [], True))
        self._brought.add((dataset.fingerprint, node_id))

    def log_of(self, path: Path, node_id: str) -> bytes:
        """Fetch the log of a trial that died; empty where its node doesn't answer any more."""
        there = NodeAffinitySchedulingStrategy(node_id, soft=False)
        with suppress(ray.exceptions.RayError):
            found: bytes = ray.get(
                _read.options(num_cpus=0, scheduling_strategy=there).remote(path), timeout=PATIENCE
            )
            return found
        return b""


@contextmanager
def connected(address: str | None) -> Iterator[RayExecutor]:
    """Start workers on this machine, or take those of a cluster.

    Parameters
    ----------
    address : str, optional
        Of a cluster: ``"auto"``, ``"HOST:PORT"`` or ``"ray://HOST:PORT"``.

    Yields
    ------
    RayExecutor

    Raises
    ------
    UserError
        If there is no cluster at that address.
    """
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address == "":
        raise UserError("--address is empty: use auto, HOST:PORT or ray://HOST:PORT, or leave it out")
    if address is not None and ":" in address:
        _check_listens(address)
    with nullcontext() if address is not None else _session_folder() as folder:
        yield from _connected(address, folder, quiet)


def _connected(address: str | None, folder: str | None, quiet: dict[str, Any]) -> Iterator[RayExecutor]:
    here = None
    try:
        if address is None:
            try:
                here = _start_here(folder, quiet)
            finally:  # of what Ray has started, agents would linger for another minute
                processes.outlive()
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what is wrong is said below, in a line
                ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(f"no Ray cluster answers at {address}: {' '.join(str(error).split())[:200]}") from error
    try:
        yield RayExecutor(here)
    except (ray.exceptions.RayError, ConnectionError) as error:
        where = "this machine" if address is None else address
        raise UserError(
            f"lost Ray on {where}: {' '.join(str(error).split())[:200]}; the same command goes on from here"
        ) from error
    finally:
        ray.shutdown()


def _start_here(folder: str | None, quiet: dict[str, Any]) -> Machine:
    """Start Ray on this machine, and return it; once more where a busy machine takes too long for it."""
    _check_loopback()
    here = this_machine()
    for is_last in (False, True):
        try:
            with ray_internals.one_machine():
                ray.init(
                    address="local",
                    num_cpus=here.cpus,
                    # Ray knows the limits of a container, not those of a batch job or a service.
                    _memory=max(here.memory, 1),
                    include_dashboard=False,
                    object_store_memory=STORE_BYTES,
                    _temp_dir=folder,
                    **quiet,
                )
        # Ray raises Exception itself where one of its processes is not up in time.
        except Exception as error:
            ray.shutdown()
            if is_last:
                raise UserError(
                    f"Ray does not start on this machine: {' '.join(str(error).split())[:200]}; "
                    "the same command goes on from here"
                ) from error
        else:
            break
    return here


@contextmanager
def _session_folder() -> Iterator[str | None]:
    """Yield a short folder for Ray's session where TMPDIR is too long for its sockets; otherwise ``None``."""
    usual = tempfile.gettempdir()
    if len(os.fsencode(f"{usual}/{LONGEST_SOCKET}")) <= SOCKET_PATH:
        yield None
        return
    short = next((one for one in SHORT_FOLDERS if os.access(one, os.W_OK | os.X_OK)), None)
    if short is None:
        raise UserError(f"TMPDIR is too long for the sockets of Ray: {usual}; set it to a shorter folder")
    with tempfile.TemporaryDirectory(prefix="ray-", dir=short, ignore_cleanup_errors=True) as folder:
        yield folder


def _check_loopback() -> None:
    """Raise `UserError` where processes of this machine can't reach each other: Ray would try for minutes."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), PATIENCE).close()
    except OSError as error:
        raise UserError(
            f"the loopback interface, over which a sweep's processes talk, does not work: {error}; "
            "`ip link set lo up` brings it up"
        ) from error


def _check_listens(address: str) -> None:
    """Raise `UserError` where nothing listens: Ray would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:
        socket.create_connection((host, int(port)), PATIENCE).close()
    except (OSError, ValueError) as error:
        raise UserError(f"no Ray cluster answers at {address}: {error}") from error


def _died(reason: str, ending: Ending) -> JobResult:
    return JobResult(Failure(reason, ending), Usage(), b"")


def _run(job: Job, dataset: Dataset, events: Queue) -> JobResult | str:
    here: str = ray.get_runtime_context().get_node_id()
    try:
        # Without waiting for it: Ray would give this trial's cores to another one meanwhile.
        return worker.work(job, dataset, here, lambda event: events.actor.put_nowait.remote((job.number, event)))
    except staging.NotHereError:
        return here


def _check(models: list[tuple[str, Budget]]) -> str:
    worker.start()
    reason = worker.check_models(models)
    if not reason:
        worker.warm(models)
    return reason


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


_work: Any = ray.remote(max_retries=0, max_calls=RECYCLED_AFTER)(_run)
_work_once: Any = ray.remote(max_retries=0, max_calls=1)(_run)
_check_models: Any = ray.remote(max_retries=0, max_calls=RECYCLED_AFTER)(_check)
_receive: Any = ray.remote(max_retries=0)(staging.receive)
_read: Any = ray.remote(max_retries=0)(_content)
