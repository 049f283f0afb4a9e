"""Processes of our own: fresh, deaf to Ctrl-C, and never outliving the one that started them; and threads."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import islice
from multiprocessing.process import BaseProcess
from typing import TypeVar

import psutil

AHEAD = 64
"""Tasks that are begun before the results of earlier ones are taken."""

E = TypeVar("E", bound=Executor)
T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Start processes for a while, and drop what they have not begun where the block raises.

    Parameters
    ----------
    workers : int
        How many.

    Yields
    ------
    ProcessPoolExecutor
    """
    with _dropping(start(workers)) as executor:
        yield executor


@contextmanager
def threads(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Start threads for a while, for work that lets go of Python's lock; otherwise as `pool`."""
    with _dropping(ThreadPoolExecutor(workers)) as executor:
        yield executor


def in_order(executor: Executor, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
    """Yield results in the order of tasks, as ``executor.map`` does, holding only a few of them at a time.

    Parameters
    ----------
    executor : Executor
        Pool that runs the tasks.
    function : callable
        Function of a task.
    tasks : iterable
        Taken one by one, `AHEAD` of the results.

    Yields
    ------
    object
        The function's, for each task.

    Examples
    --------
    >>> with threads(2) as pool_of_threads:
    ...     list(in_order(pool_of_threads, str.upper, "abc"))
    ['A', 'B', 'C']
    """
    left = iter(tasks)
    begun: deque[Future[R]] = deque(executor.submit(function, task) for task in islice(left, AHEAD))
    while begun:
        result = begun.popleft().result()
        begun.extend(executor.submit(function, task) for task in islice(left, 1))
        yield result


@contextmanager
def _dropping(executor: E) -> Iterator[E]:
    try:
        yield executor
    except BaseException:
        executor.shutdown(cancel_futures=True)
        raise
    executor.shutdown()


def start(workers: int) -> ProcessPoolExecutor:
    """Start processes.

    They are fresh ones, not copies of this one, where AutoMM may have told Pillow to accept half an image.
    Ctrl-C is left to the process that started them; they end when it does, however it ended.

    Parameters
    ----------
    workers : int
        How many.

    Returns
    -------
    ProcessPoolExecutor
    """
    return ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start,
    )


def _start() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    # The loaders of a training are children of their own, and would wait for work for ever.
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(1)


def outlive() -> None:
    """Kill everything that this process has started by now when it ends, however it ends."""
    me = psutil.Process()
    known = [f"{one.pid}:{one.create_time()}" for one in (me, *me.children(recursive=True))]
    # Not by multiprocessing, which would run the script of whoever calls agbench once more.
    subprocess.Popen(
        [sys.executable, "-m", __name__, *known],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in a terminal is not for it
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def _kill_after(parent: str, *started: str) -> None:
    while one := _alive(parent):
        with suppress(psutil.TimeoutExpired):
            one.wait(1)
    for known in started:
        if one := _alive(known):
            with suppress(psutil.Error):
                one.kill()


def _alive(known: str) -> psutil.Process | None:
    """Return a process that `outlive` saw, if it is there still."""
    pid, created = known.split(":")
    with suppress(psutil.Error):
        process = psutil.Process(int(pid))
        if str(process.create_time()) == created and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


if __name__ == "__main__":
    _kill_after(*sys.argv[1:])
