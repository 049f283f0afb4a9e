"""What a sweep shows while it runs, and at its end, on standard error."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from agbench.core.progress import duration
from agbench.runner.events import Advanced, Ended, Epoch, Noted, Preparing, Retried, Started, SweepEvent
from agbench.store.outcome import Ending, Failure

SHOWN = 20
"""Failures that the summary names; the report has them all."""


@dataclass(frozen=True)
class _Running:
    """A trial in flight."""

    words: str
    since: float = field(default_factory=time.monotonic)
    phase: str = ""
    epoch: Epoch | None = None

    def __str__(self) -> str:
        said = [duration(time.monotonic() - self.since), self.phase]
        if self.epoch is not None:
            said += [f"epoch {self.epoch.number}", f"validation accuracy {self.epoch.accuracy:.4f}"]
        # What changes comes first: a narrow terminal cuts off the end.
        return ", ".join(filter(None, said)) + f" · {self.words}"


class Display:
    """A bar and a line a running trial on a terminal; a line an event elsewhere.

    Parameters
    ----------
    total : int, optional
        Conditions that are run; ``None`` where that is not known before.
    """

    def __init__(self, total: int | None) -> None:
        self.failures: list[tuple[Ended, Failure]] = []
        self._total = total
        self._begun = self._ended = 0
        self._started = time.monotonic()
        self._running: dict[int, _Running] = {}
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
            console=self._console,
        )
        self._task = self._bar.add_task("trials", total=total, left="")
        self._live = Live(
            get_renderable=self._picture, console=self._console, refresh_per_second=4, transient=True
        )

    def __enter__(self) -> Display:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()
        if self._begun:
            self._summarise()

    def show(self, event: SweepEvent) -> None:
        """Show an event."""
        if isinstance(event, Preparing):
            self._bar.update(self._task, description=escape(event.what))
            if not self._console.is_terminal:
                self._say(event.what)
        elif isinstance(event, Started):
            self._begun += 1
            self._bar.update(self._task, description="trials")
            again = f", try {event.attempt}" if event.attempt > 1 else ""
            place = f" on {event.host}" if event.host else ""
            words = f"[{event.number}/{event.total}] {event.condition}{again}{place}"
            self._running[event.number] = _Running(words)
            if not self._console.is_terminal:
                self._say(f"{words}: begins")
        elif isinstance(event, Advanced):
            self._advance(event)
        elif isinstance(event, Noted):
            self._say(event.what)
        elif isinstance(event, Retried):
            self._running.pop(event.number, None)
            trial = f"[{event.number}/{event.total}] {event.condition}"
            self._say(f"{trial}: {_failed(event.failure)}; it is tried again")
        else:
            self._end(event)

    def _advance(self, event: Advanced) -> None:
        running = self._running.get(event.number)
        if running is None:
            return
        if isinstance(event.step, Epoch):
            running = replace(running, epoch=event.step)
        else:
            running = replace(running, phase=event.step.name)
        self._running[event.number] = running

    def _end(self, event: Ended) -> None:
        self._running.pop(event.number, None)
        self._ended += 1
        outcome = event.outcome
        if isinstance(outcome, Failure):
            self.failures.append((event, outcome))
            said = _failed(outcome)
        else:
            said = f"accuracy {outcome.accuracy:.4f}, {outcome.seconds['total']:.0f} s"
        left = "" if event.seconds_left is None else f"{duration(event.seconds_left)} left"
        self._bar.update(self._task, completed=self._ended, left=left)
        self._say(f"[{event.number}/{event.total}] {event.condition}: {said}" + (f" · {left}" if left else ""))

    def _summarise(self) -> None:
        endings = Counter(failure.ending for _, failure in self.failures)
        counts = {Ending.FINISHED: self._ended - len(self.failures), **endings}
        parts = [f"{count} {ending.value}" for ending, count in counts.items() if count]
        total = self._begun if self._total is None else self._total
        if self._ended < total:
            parts.append(f"{total - self._ended} not run to the end")
        taken = duration(time.monotonic() - self._started)
        noun = "trial" if total == 1 else "trials"
        self._say(f"{total} {noun} in {taken}: {', '.join(parts)}")
        if not self.failures:
            return
        table = Table(box=None, pad_edge=False, show_edge=False)
        for name in ("trial", "ended", "reason"):
            table.add_column(name, overflow="fold")
        for event, failure in self.failures[:SHOWN]:
            table.add_row(*map(escape, (str(event.condition), failure.ending.value, failure.reason)))
        self._console.print(table)
        if len(self.failures) > SHOWN:
            self._say(f"... and {len(self.failures) - SHOWN} more")
        self._say("`agbench report` shows where their logs are")

    def _say(self, words: str) -> None:
        self._console.print(escape(words))

    def _picture(self) -> Group:
        return Group(self._bar, *(Text(f"  {one}", overflow="ellipsis") for one in self._running.values()))


def _failed(failure: Failure) -> str:
    return f"{failure.ending.value.upper()}: {failure.reason}"
