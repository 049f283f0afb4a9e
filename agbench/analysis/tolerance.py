"""The tolerance: how far down the levels nothing that matters is lost."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from agbench.analysis.intervals import ONE_SIDED, Comparison, Verdict, holm


@dataclass(frozen=True)
class Tolerance:
    """The lowest level such that it and every higher one are not inferior to the original.

    Parameters
    ----------
    level : float
        That level; 1.0 where the first one below the original is not decided, or inferior.
    lowest : float
        The lowest level that the true tolerance may have, among those with a result: the next one above the
        highest level at which a loss of more than the margin is shown. With `level` it makes a 95 % interval.
    stopped_by : float, optional
        The level below, which was not shown to be not inferior; ``None`` where there is none.
    """

    level: float
    lowest: float
    stopped_by: float | None

    @classmethod
    def of(cls, levels: Sequence[float], compared: Mapping[float, Comparison]) -> Tolerance:
        """Find how far down the levels nothing that matters is lost.

        Parameters
        ----------
        levels : sequence of float
            Those below the original that were asked for.
        compared : mapping of float to Comparison
            Those that have a result, against the original.

        Returns
        -------
        Tolerance
            Levels are tested downwards and the first that fails, or has no result, ends it: so no correction for
            their number is needed. That one of them does harm is corrected for their number (Holm).
        """
        ordered = sorted(levels, reverse=True)
        steps = [1.0, *ordered]
        found = reached(levels, {level for level, one in compared.items() if one.verdict is Verdict.NOT_INFERIOR})
        p_inferior = holm([one.p_inferior for one in compared.values()])
        harmful = [level for level, p in zip(compared, p_inferior, strict=True) if p <= ONE_SIDED]
        above = steps[ordered.index(max(harmful))] if harmful else min([1.0, *compared])
        below = steps[steps.index(found) + 1 :]
        return cls(found, min(above, found), below[0] if below else None)


def reached(levels: Iterable[float], shown: Container[float]) -> float:
    """Return the lowest level such that it and every higher one is among those that were shown to be harmless.

    Parameters
    ----------
    levels : iterable of float
        Levels below the original that were asked for.
    shown : container of float
        Those of them that were shown to be harmless.

    Examples
    --------
    >>> reached([0.9, 0.5, 0.3], {0.9, 0.3}), reached([0.9], set())
    (0.9, 1.0)
    """
    passed = [1.0, *takewhile(shown.__contains__, sorted(levels, reverse=True))]
    return passed[-1]
