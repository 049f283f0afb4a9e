"""Where the seconds of ./run.sh in a fresh clone go: of what is committed."""

from __future__ import annotations

import csv
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.row import Row

PROJECT = Path(__file__).parent.parent
PHASES = "reports/patches/tables/phases.csv"


def rows() -> Iterator[Row]:
    """Take the trials' own phases from the report that it makes, and the rest from outside.

    Seconds of trials that run side by side are summed up, as the report does.
    """
    with tempfile.TemporaryDirectory() as scratch:
        clone = Path(scratch) / "agbench"
        subprocess.run(["git", "clone", "--quiet", str(PROJECT), str(clone)], check=True)
        command = str(clone / "run.sh")
        installing = _seconds(command, "--version")
        _seconds(command)
        reporting = _seconds(command, "--workspace", str(clone), "report", "--dataset", "patches")
        with (clone / PHASES).open(newline="") as stream:
            phases = {row["phase"]: float(row["seconds"]) for row in csv.DictReader(stream)}
    total = installing + phases.pop("all") + reporting
    known = {"installing": installing, **phases, "reporting": reporting}
    for phase, seconds in known.items():
        yield Row(
            f"`./run.sh` in a fresh clone: {phase}",
            f"{seconds:.1f} s",
            f"all of it: {total:.0f} s",
            seconds / total,
            "where it goes",
        )


def _seconds(*command: str) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started
