"""What a preparation or a sweep says while it runs, on standard error."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich import progress
from rich.console import Console
from rich.markup import escape
from rich.status import Status

from agbench.data.step import Step

if TYPE_CHECKING:
    from agbench.sweep import Ended, Preparing, Started

BETWEEN_LINES = 30.0
"""Seconds between two lines on one step, where there is no terminal to draw a bar on."""

BETWEEN_DRAWINGS = 0.1


class Progress:
    """One line a trial, and on a terminal a sign of life below them."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._sign = Status("", console=self._console)
        self._bar: progress.Progress | None = None
        self._step = ""
        self._said = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self._sign.stop()
        self._end_bar()

    def say(self, words: str) -> None:
        """Print a line."""
        self._console.print(escape(words))

    def advance(self, step: Step) -> None:
        """Tell how far a step of preparing is: a bar on a terminal, a line now and then elsewhere."""
        now, whole = time.monotonic(), step.total is not None and step.done >= step.total
        is_new = step.what != self._step
        if not (is_new or whole or now - self._said >= self._pause):
            return
        self._said, self._step = now, step.what
        if self._console.is_terminal:
            self._draw(step, is_new)
        else:
            self.say(step.what if is_new and not whole else f"{step.what}{_share(step)}")

    @property
    def _pause(self) -> float:
        return BETWEEN_DRAWINGS if self._console.is_terminal else BETWEEN_LINES

    def _draw(self, step: Step, is_new: bool) -> None:
        if is_new or self._bar is None:
            self._end_bar()
            amount: list[progress.ProgressColumn] = (
                [progress.DownloadColumn(), progress.TransferSpeedColumn()]
                if step.unit == "bytes"
                else [progress.MofNCompleteColumn()]
            )
            self._bar = progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                *amount,
                progress.TimeRemainingColumn(),
                console=self._console,
            )
            self._bar.add_task(escape(step.what))
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=step.done, total=step.total)

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def show(self, event: Preparing | Started | Ended) -> None:
        """Tell of an event of a sweep."""
        # These import what trials need, which preparing data does not.
        from agbench.sweep import Preparing, Started
        from agbench.worker import Failure

        if isinstance(event, Preparing):
            self._busy(event.what)
            if not self._console.is_terminal:
                self.say(event.what)
            return
        trial = f"[{event.number}/{event.total}] {event.condition}"
        if isinstance(event, Started):
            self._busy(trial)
            return
        self._sign.stop()
        outcome = event.outcome
        if isinstance(outcome, Failure):
            said = f"FAILED: {outcome.reason}"
        else:
            said = f"accuracy {outcome.accuracy:.4f}, {outcome.seconds['total']:.0f} s"
        left = "" if event.seconds_left is None else f" · {duration(event.seconds_left)} left"
        self.say(f"{trial}: {said}{left}")

    def _busy(self, words: str) -> None:
        if self._console.is_terminal:
            self._sign.update(escape(words))
            self._sign.start()


def _share(step: Step) -> str:
    if not step.done:
        return ""
    count = f"{step.done / 1e6:,.1f} MB" if step.unit == "bytes" else f"{step.done:,} images"
    if not step.total:
        return f": {count}"
    return (
        f": {100 * step.done // step.total} % of {step.total / 1e6:,.1f} MB"
        if step.unit == "bytes"
        else (f": {step.done:,} of {step.total:,} images")
    )


def duration(seconds: float) -> str:
    """Give seconds in words, such as ``"3 min 20 s"``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
