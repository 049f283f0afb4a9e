"""The tolerance: how far down the levels nothing that matters is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
import numpy.typing as npt

from agbench.analysis.intervals import ONE_SIDED, Bools, Comparison, Floats, Verdict

RESAMPLES = 2000


@dataclass(frozen=True)
class Tolerance:
    """The lowest level such that it and every higher one are not inferior to the original.

    Parameters
    ----------
    level : float
        That level; 1.0 where the first one below the original is not decided, or inferior.
    low, high : float
        The 95 % interval of the same rule over resampled test images.
    stopped_by : float, optional
        The level below, which was not shown to be not inferior; ``None`` where there is none.
    """

    level: float
    low: float
    high: float
    stopped_by: float | None

    @classmethod
    def of(
        cls,
        levels: Sequence[float],
        compared: Mapping[float, Comparison],
        differences: Mapping[float, Floats],
        seed: int,
    ) -> Tolerance:
        """Find how far down the levels nothing that matters is lost.

        Parameters
        ----------
        levels : sequence of float
            Those below the original that were asked for.
        compared : mapping of float to Comparison
            Those that have a result, against the original.
        differences : mapping of float to ndarray, shape (images,)
            The same by image, as means over seeds.
        seed : int
            Seed of the resampling.

        Returns
        -------
        Tolerance
            Levels are tested downwards and the first that fails, or has no result, ends it: so no correction for
            their number is needed. In a resample a level passes where its difference exceeds what it had to
            exceed in the data.
        """
        ordered = sorted(levels, reverse=True)
        steps = [1.0, *ordered]
        tested = list(takewhile(lambda level: level in compared, ordered))
        passed = [compared[level].verdict == Verdict.NOT_INFERIOR for level in tested]
        reached = int(_reached(np.array([passed], dtype=bool))[0])
        found, below = steps[reached], (ordered[reached] if reached < len(ordered) else None)
        if not tested:
            return cls(found, found, found, below)
        by_image = np.column_stack([differences[level] for level in tested])
        patterns, counts = np.unique(by_image, axis=0, return_counts=True)
        generator = np.random.default_rng(seed)
        drawn = (
            generator.multinomial(len(by_image), counts / counts.sum(), size=RESAMPLES) @ patterns / len(by_image)
        )
        reach = [compared[level].difference.value - compared[level].difference.low for level in tested]
        passes = drawn > np.array(reach) - [compared[level].margin for level in tested]
        low, high = np.quantile(
            np.array(steps)[_reached(passes)], [ONE_SIDED, 1 - ONE_SIDED], method="inverted_cdf"
        ).tolist()
        return cls(found, low, high, below)


def _reached(passed: Bools) -> npt.NDArray[np.int_]:
    """Count, in each row, how many pass before the first that does not."""
    count: npt.NDArray[np.int_] = np.logical_and.accumulate(passed, axis=1).sum(axis=1)
    return count
