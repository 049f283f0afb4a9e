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
PHASES = "reports/patches/phases.csv"


def rows() -> Iterator[Row]:
    """Take the trials' own phases from the report that it makes, and the rest from outside."""
    with tempfile.TemporaryDirectory() as scratch:
        clone = Path(scratch) / "agbench"
        subprocess.run(["git", "clone", "--quiet", str(PROJECT), str(clone)], check=True)
        command = str(clone / "run.sh")
        installing = _seconds(command, "--version")
        running = _seconds(command)
        reporting = _seconds(command, "--workspace", str(clone), "report", "--dataset", "patches")
        with (clone / PHASES).open(newline="") as stream:
            phases = {row["phase"]: float(row["seconds"]) for row in csv.DictReader(stream)}
    known = {"installing": installing, **phases, "reporting": reporting}
    inside = known.pop("all")
    known["starting commands, preparing the data set, ending"] = running - inside - reporting
    for phase, seconds in known.items():
        yield Row(
            f"`./run.sh` in a fresh clone: {phase}",
            f"{seconds:.1f} s",
            f"all of it: {installing + running:.0f} s",
            seconds / (installing + running),
            "where it goes",
        )


def _seconds(*command: str) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started
