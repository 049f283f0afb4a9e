"""What a preparation says while it runs, on standard error."""

from __future__ import annotations

import math
import re
import time
from itertools import pairwise

from rich import progress
from rich.console import Console
from rich.markup import escape

from agbench.core.errors import UserError
from agbench.core.step import Step

BETWEEN_LINES = 30.0
"""Seconds between two lines on one step, where there is no terminal to draw a bar on."""

BETWEEN_DRAWINGS = 0.1

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600}


class Progress:
    """A bar a step on a terminal, a line now and then elsewhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar: progress.Progress | None = None
        self._step = ""
        self._said = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self._end_bar()

    def say(self, words: str) -> None:
        """Print a line."""
        self._console.print(escape(words))

    def advance(self, step: Step) -> None:
        """Show the progress of a step: a bar on a terminal, a line now and then elsewhere."""
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
                transient=True,
            )
            self._bar.add_task(escape(step.what))
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=step.done, total=step.total)

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


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
    """Return seconds in words, such as ``"3 min 20 s"``.

    Examples
    --------
    >>> duration(200)
    '3 min 20 s'
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def seconds_of(text: str) -> float:
    """Return the seconds of a duration in words.

    Parameters
    ----------
    text : str
        Numbers with units, the largest first: ``"90s"``, ``"10 min"``, ``"1.5h"``, ``"1h30m"``, or what `duration`
        returns; one number without a unit is seconds.

    Returns
    -------
    float
        Above 0.

    Raises
    ------
    UserError
        If it is not a duration.

    Examples
    --------
    >>> seconds_of("1.5h"), seconds_of("1h30m"), seconds_of("3 min 20 s")
    (5400.0, 5400.0, 200.0)
    """
    part, written = r"(\d+(?:\.\d+)?)\s*([a-z]*)\s*", text.strip().lower()
    found = re.findall(part, written) if re.fullmatch(f"(?:{part})+", written) else []
    if len(found) == 1:
        found = [(number, unit or "s") for number, unit in found]
    units = [_UNITS.get(unit, 0) for _, unit in found]
    seconds = sum(float(number) * unit for (number, _), unit in zip(found, units, strict=True))
    is_falling = all(larger > smaller > 0 for larger, smaller in pairwise([math.inf, *units]))
    if not is_falling or not 0 < seconds < math.inf:
        raise UserError(f"{text!r} is not a duration: use 90s, 10m or 1h30m")
    return seconds
