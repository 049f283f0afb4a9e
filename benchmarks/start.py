"""What a user waits for before anything happens: the command line, and a report of many trials."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from agbench.core.workspace import Workspace
from agbench.store.reader import read_records
from benchmarks.row import Row
from tests.reporting import made

DATASETS, SEEDS, IMAGES, REPEATS = 3, 9, 1000, 5


def rows() -> Iterator[Row]:
    """Measure whole processes."""
    bare = _seconds("-c", "import click")
    helped = _seconds("-m", "agbench", "--help")
    yield Row("`agbench --help`", f"{helped:.2f} s", f"importing click: {bare:.2f} s", helped / bare, "0.5 s")
    with tempfile.TemporaryDirectory() as scratch:
        workspace = Workspace(Path(scratch))
        for number in range(DATASETS):
            made.fill(workspace.results, made.all_studies(f"made{number}", range(SEEDS)), IMAGES)
        count = len(read_records(workspace.results))
        report = ("-m", "agbench", "--workspace", scratch, "report", "--format")
        tables = _seconds(*report, "csv,latex")
        figures = _seconds(*report, "md,html,csv")
        what = f"report of {count} made-up trials ({DATASETS} data sets, {IMAGES} test images a trial)"
        yield Row(
            f"{what}: tables",
            f"{tables:.1f} s",
            f"with figures: {figures:.1f} s",
            tables / figures,
            "5 s and figures",
        )


def _seconds(*arguments: str) -> float:
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)
