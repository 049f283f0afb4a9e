"""One measured ratio."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What a benchmark says, each a ratio of two times within one run.

    Parameters
    ----------
    what : str
        What was done.
    ours, theirs : str
        What it took agbench, and what it is compared with.
    ratio : float
        Ours to theirs, as `demand` has it.
    demand : str
        What is asked of the ratio.
    """

    what: str
    ours: str
    theirs: str
    ratio: float
    demand: str


def paired(ways: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Time ways of doing the same, in turn, and give the median seconds of each."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - started)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}
