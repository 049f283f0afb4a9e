"""How a trial ends, and what it took."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agbench.core.condition import Condition
from agbench.core.enums import StrEnum

if TYPE_CHECKING:
    import pandas as pd


class Status(StrEnum):
    """State of a trial, in MLflow's words."""

    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


class Ending(StrEnum):
    """How a trial ended; each ends in exactly one of these."""

    FINISHED = "finished"
    FAILED = "failed"
    """An exception, or a model that did not do what its condition asks for."""
    CRASHED = "crashed"
    """Its process died: of a signal, or it exited."""
    OUT_OF_MEMORY = "out of memory"
    TIMED_OUT = "timed out"
    STOPPED = "stopped"
    """By the user, or with a sweep that was killed."""


STATUS = {Ending.FINISHED: Status.FINISHED, Ending.STOPPED: Status.KILLED}
"""Status of an ending; ``Status.FAILED`` for all others."""

RETRIED = (Ending.CRASHED, Ending.OUT_OF_MEMORY)
"""What another try can help; a condition's own exception would come again."""


@dataclass(frozen=True)
class Usage:
    """What a trial took.

    Parameters
    ----------
    seconds : float
        From its beginning to its end, by its worker's clock; of one that died, as the sweep saw them.
    memory : int
        The most bytes that its process and that one's children had in memory at a time.
    gpu_memory : int
        The most bytes that PyTorch had allocated on its GPU; 0 without one.
    """

    seconds: float = 0.0
    memory: int = 0
    gpu_memory: int = 0

    def metrics(self) -> dict[str, float]:
        """Return the metrics to store, by name."""
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


@dataclass(frozen=True)
class Result:
    """What a finished trial measured.

    Parameters
    ----------
    condition : Condition
        Condition that was run.
    accuracy : float
        Share of test images whose class was predicted, 0 to 1.
    predictions : DataFrame
        One row a test image: ``image_id``, ``label``, ``predicted``, ``probability`` of the true class, and
        ``group``, the number of its group.
    curve : tuple of float
        Validation accuracy after each epoch; empty for a model without epochs.
    seconds : dict of str to float
        By phase, and ``total``.
    counts : dict of str to int
        Classes; images for ``train``, ``validation`` and ``test``; ``quarantined`` ones.
    bytes, bytes_original : int
        Of all the data set's images, under the preprocessing and as they came.
    notes : dict of str to str
        What the model really used, by name.
    dataset : dict
        Where its images came from, and what is to be known of them, as JSON values.
    reading : dict of str to float
        What reading the training images' files took, as `agbench.preprocess.reading.Reading.metrics` gives it.
    writing : dict of str to float
        What writing the files of the level took, as `agbench.preprocess.variant.Variant.writing` gives it.
    examples : DataFrame, optional
        A few test images' files, as `agbench.runner.examples.examples` gives them.
    probabilities : DataFrame, optional
        Predicted probabilities, one row a test image in the order of `predictions`, one column a class.
    scores : dict of str to float
        Value of each metric of `agbench.core.metric.METRICS`, by name.
    """

    condition: Condition
    accuracy: float
    predictions: pd.DataFrame
    curve: tuple[float, ...]
    seconds: dict[str, float]
    counts: dict[str, int]
    bytes: int
    bytes_original: int
    notes: dict[str, str]
    dataset: dict[str, Any]
    reading: dict[str, float] = field(default_factory=dict)
    writing: dict[str, float] = field(default_factory=dict)
    examples: pd.DataFrame | None = None
    probabilities: pd.DataFrame | None = None
    scores: dict[str, float] = field(default_factory=dict)
