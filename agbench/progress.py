"""What a sweep says while it runs, on standard error."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from agbench.sweep import Ended, Preparing, Started
from agbench.worker import Failure


class Progress:
    """One line a trial, and on a terminal a sign of life below them."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._sign = Status("", console=self._console)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self._sign.stop()

    def say(self, words: str) -> None:
        """Print a line."""
        self._console.print(escape(words))

    def show(self, event: Preparing | Started | Ended) -> None:
        """Tell of an event of a sweep."""
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


def duration(seconds: float) -> str:
    """Give seconds in words, such as ``"3 min 20 s"``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
