"""The schema of a result: every metric that the store keeps of a trial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypedDict, cast

from agbench.core.metric import METRICS

if TYPE_CHECKING:
    from agbench.store.outcome import Result, Usage


class Metrics(TypedDict, total=False):
    """Metrics of a trial by name; one that was not measured is missing.

    Phases that a family of another package names on its own are kept too, as ``seconds_PHASE``; and the metrics of
    predictions, `agbench.core.metric.METRICS`, by their names.
    """

    accuracy: float
    """Share of the test images whose class was predicted, 0 to 1."""
    bytes: float
    """Bytes of the files of all the data set's images, under the preprocessing of training."""
    bytes_original: float
    """Bytes of the files of all the data set's images, as they came."""

    seconds_load: float
    """Seconds for checking the images, and compressing what is missing."""
    seconds_features: float
    """Seconds for computing features or embeddings of all images."""
    seconds_fit: float
    """Seconds for training."""
    seconds_predict: float
    """Seconds for predicting the test images."""
    seconds_total: float
    """Sum of the phases."""

    images_classes: float
    """Number of classes."""
    images_train: float
    images_validation: float
    images_test: float
    """Number of images in each part of the split."""
    images_quarantined: float
    """Number of images that can't be read, and are left out."""
    images_predicted: float
    """Number of images that were predicted: the test images, or all of them with folds."""
    images_groups: float
    """Number of groups that these are in; of independent images as many."""

    reading_images: float
    """Number of training images whose files were read and decoded to measure the time."""
    reading_seconds_read: float
    reading_seconds_decode: float
    """Seconds for reading these files, and for decoding them to RGB, in one process."""
    reading_header_share: float
    """Share of their bytes that is not image data, 0 to 1."""
    writing_images: float
    """Number of images that were encoded for the variant."""
    writing_seconds_encode: float
    """Seconds for encoding them, one thread an image, summed over images."""

    wall_seconds: float
    """Seconds from the start of the trial to its end, by its worker's clock."""
    memory_peak: float
    """Largest number of bytes that the trial's process and its children had in memory."""
    gpu_memory_peak: float
    """Largest number of bytes that PyTorch had allocated on the GPU; 0 without one."""
    storing_seconds: float
    """Seconds for storing the result."""
    sweep_seconds_start: float
    sweep_seconds_check: float
    sweep_seconds_variants: float
    """Seconds that the sweep took before its first trial: to start workers, check models, compress images."""

    validation_accuracy: float
    """Validation accuracy after the last epoch; the history of the metric is the curve."""


PHASE = "seconds_"
"""Prefix of the seconds of a phase."""

COUNT = "images_"
"""Prefix of a number of images."""

CURVE = "validation_accuracy"
STORING = "storing_seconds"
SWEEP_PHASES = ("sweep_seconds_start", "sweep_seconds_check", "sweep_seconds_variants")


def check_name(name: str) -> str:
    """Return a metric's name, or raise where the schema has none of that name.

    Raises
    ------
    KeyError
        If there is no such metric: a mistake in the code, not of a user.

    Examples
    --------
    >>> check_name("accuracy")
    'accuracy'
    >>> check_name("acuracy")
    Traceback (most recent call last):
    ...
    KeyError: "no metric is called 'acuracy': see agbench.store.metrics.Metrics"
    """
    if name not in Metrics.__annotations__ and name not in METRICS and not name.startswith(PHASE):
        raise KeyError(f"no metric is called {name!r}: see agbench.store.metrics.Metrics")
    return name


def as_metrics(values: Mapping[str, float]) -> Metrics:
    """Return values by name as metrics.

    Raises
    ------
    KeyError
        If a name is not in the schema.

    Examples
    --------
    >>> as_metrics({"accuracy": 1})
    {'accuracy': 1.0}
    """
    return cast(Metrics, {check_name(name): float(value) for name, value in values.items()})


def of_result(result: Result, usage: Usage, sweep: Mapping[str, float]) -> Metrics:
    """Return the metrics of a trial that finished.

    Parameters
    ----------
    result : Result
        Result of the trial.
    usage : Usage
        Seconds and memory of the trial.
    sweep : mapping of str to float
        What its sweep took before the first trial, by the names of `SWEEP_PHASES`.
    """
    return as_metrics(
        {
            **result.scores,
            "accuracy": result.accuracy,
            "bytes": result.bytes,
            "bytes_original": result.bytes_original,
            **{f"{PHASE}{phase}": value for phase, value in result.seconds.items()},
            **{f"{COUNT}{part}": value for part, value in result.counts.items()},
            **result.reading,
            **result.writing,
            **usage.metrics(),
            **sweep,
        }
    )
