"""Time `agbench report` on a store of about a thousand trials: python -m benchmarks.report [WORKSPACE].

A workspace that has results already is used as it is; otherwise results are made up, which takes some minutes.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from agbench.record import read_records
from agbench.workspace import Workspace
from tests.reporting import made

DATASETS, SEEDS, IMAGES, REPEATS = 3, 9, 1000, 5


def main(folder: Path) -> None:
    """Print the median, the least and the most seconds of each set of formats."""
    workspace = Workspace(folder)
    if not workspace.results.exists():
        for number in range(DATASETS):
            made.fill(workspace.results, made.all_studies(f"made{number}", range(SEEDS)), IMAGES)
    print(f"{len(read_records(workspace.results))} trials")
    for formats in ("csv,latex", "md,html,csv"):
        seconds = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            command = [sys.executable, "-m", "agbench", "--workspace", str(folder), "report", "--format", formats]
            subprocess.run(command, check=True, capture_output=True)
            seconds.append(time.perf_counter() - start)
        shown = statistics.median(seconds), min(seconds), max(seconds)
        print("{}: {:.1f} s (median of {}; {:.1f} to {:.1f})".format(formats, shown[0], REPEATS, *shown[1:]))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
