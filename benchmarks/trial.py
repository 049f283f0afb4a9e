"""A trial in a warm worker, against the bare AutoGluon calls with the same settings and data."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import agbench
from agbench.core.condition import Budget, Preprocessing
from agbench.core.workspace import Workspace
from agbench.runner import sweep
from agbench.runner.config import ExecutionConfig
from agbench.runner.events import Ended
from agbench.store.outcome import Result
from agbench.store.store import Store
from agbench.studies import study
from benchmarks import bare
from benchmarks.row import Row

TRIALS = {64: (6, "at most 0.78"), 224: (4, "at most 0.55")}
"""Seeds by image size, with what is wanted. The first seed warms up, in both ways, and is not counted."""


def rows() -> Iterator[Row]:
    """Measure both in turn, seed by seed, while the worker stays warm."""
    for image_size, (seeds, wanted) in TRIALS.items():
        yield _row(image_size, seeds, wanted)


def _row(image_size: int, seeds: int, wanted: str) -> Row:
    with tempfile.TemporaryDirectory() as scratch:
        workspace = Workspace(Path(scratch))
        dataset = agbench.load_dataset(bare.DATASET, workspace=scratch)
        store = Store(workspace.results)
        budget = Budget(image_size=image_size).over(study.QUICK)
        ours, theirs, differences = [], [], []
        with sweep.opened(dataset, workspace, store, ExecutionConfig(1)) as running:
            for seed in range(seeds):
                condition = bare.condition(dataset, Preprocessing.at(bare.LEVEL), budget, seed)
                started = time.perf_counter()
                outcomes = [event.outcome for event in running([condition]) if isinstance(event, Ended)]
                ours.append(time.perf_counter() - started)  # checking files and storing included
                settings = bare.hyperparameters(Path(scratch), budget)
                seconds, accuracy = bare.called(
                    bare.parts(dataset), settings, seed, Path(scratch) / f"bare-{seed}"
                )
                theirs.append(seconds)
                if not isinstance(outcomes[0], Result):
                    raise RuntimeError(f"a trial failed: {outcomes[0].reason}")
                differences.append(outcomes[0].accuracy - accuracy)
    mine, others = statistics.median(ours[1:]), statistics.median(theirs[1:])
    return Row(
        f"{bare.MODEL} on {bare.DATASET}, {budget.epochs} epochs at {image_size} pixels, in a warm worker; "
        f"accuracies of {seeds} seeds differ by {statistics.mean(differences):+.3f} in the mean",
        f"{mine:.1f} s",
        f"bare AutoGluon calls: {others:.1f} s",
        mine / others,
        wanted,
    )
