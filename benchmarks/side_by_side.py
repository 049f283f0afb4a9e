"""Trials side by side, each with its share of the cores, against one after the other with all of them."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator

import agbench
from agbench.core.environment import available_cpus
from agbench.data.dataset import Dataset
from agbench.runner.trial import KEPT
from benchmarks.row import Row

DATASET, LEVELS = "patches", (1.0, 0.7, 0.5, 0.3)
MODELS = ("automm:efficientnet_lite0", "tabular:dct", "probe:efficientnet_lite0")


def rows() -> Iterator[Row]:
    """Measure whole sweeps, with the variants made before."""
    cpus = available_cpus()
    with tempfile.TemporaryDirectory() as scratch:
        dataset = agbench.load_dataset(DATASET, workspace=scratch)
        # Before each: variants are made, and the system's caches warm.
        agbench.run(dataset, workspace=scratch, models="tabular:pixels", levels=LEVELS, quick=True)
        for model in MODELS:
            agbench.run(dataset, workspace=scratch, models=model, levels=LEVELS[:1], quick=True)
            # Each way has a seed of its own, so that no result of the other one is used again.
            seconds = {workers: _seconds(dataset, model, workers, scratch) for workers in (1, cpus)}
            yield Row(
                f"{len(LEVELS)} trials of {model} on {DATASET}, {cpus} at a time on {cpus} cores",
                f"{seconds[cpus]:.0f} s",
                f"one at a time with all cores: {seconds[1]:.0f} s",
                seconds[cpus] / seconds[1],
                "what is less is the default",
            )


def _seconds(dataset: Dataset, model: str, workers: int, scratch: str) -> float:
    # What the other way computed of the images must not be found.
    shutil.rmtree(dataset.folder / "variants" / KEPT, ignore_errors=True)
    started = time.perf_counter()
    agbench.run(
        dataset, workspace=scratch, models=model, levels=LEVELS, seeds=workers, workers=workers, quick=True
    )
    return time.perf_counter() - started
