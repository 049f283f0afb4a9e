"""How a trial ends, and what it took."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Ending(Enum):
    """In exactly one of these a trial ends."""

    FINISHED = "finished"
    FAILED = "failed"
    """An exception, or a model that did not do what its condition asks for."""
    CRASHED = "crashed"
    """Its process died: of a signal, or it exited."""
    OUT_OF_MEMORY = "out of memory"
    TIMED_OUT = "timed out"
    STOPPED = "stopped"
    """By the user, or with a sweep that was killed."""


RETRIED = (Ending.CRASHED, Ending.OUT_OF_MEMORY)
"""What another try can help; a condition's own exception would come again."""


@dataclass(frozen=True)
class Usage:
    """What a trial took.

    Parameters
    ----------
    seconds : float
        From its beginning to its end, as the sweep saw them.
    memory : int
        The most bytes that its process and that one's children had in memory at a time.
    gpu_memory : int
        The most bytes that PyTorch had allocated on its GPU; 0 without one.
    """

    seconds: float = 0.0
    memory: int = 0
    gpu_memory: int = 0

    def metrics(self) -> dict[str, float]:
        """Give what the store keeps, by name."""
        named = {"wall_seconds": self.seconds, "memory_peak": self.memory, "gpu_memory_peak": self.gpu_memory}
        return {name: float(value) for name, value in named.items()}


@dataclass(frozen=True)
class Failure:
    """Why a trial has no result.

    Parameters
    ----------
    reason : str
        One line.
    ending : Ending
        All but ``FINISHED``.
    on_gpu : bool
        Whether it was a GPU's memory that was too small, so that half the batch at a time may help.
    """

    reason: str
    ending: Ending = Ending.FAILED
    on_gpu: bool = False
