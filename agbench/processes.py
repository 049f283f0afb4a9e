"""Processes of our own: fresh, deaf to Ctrl-C, and never outliving the one that started them; and threads."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import TypeVar

import psutil

E = TypeVar("E", bound=Executor)


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
    """Have all that this process has started by now killed when it ends, however it ends."""
    started = [(one.pid, one.create_time()) for one in psutil.Process().children(recursive=True)]
    multiprocessing.get_context("spawn").Process(target=_kill_after_parent, args=(started,), daemon=True).start()


def _kill_after_parent(started: list[tuple[int, float]]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    for pid, created in started:
        try:
            process = psutil.Process(pid)
            if process.create_time() == created:
                process.kill()
        except psutil.Error:  # it is gone already
            continue
