"""Comparisons of one table, corrected for their number."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from agbench.analysis import intervals
from agbench.analysis.evidence import Series
from agbench.analysis.intervals import Comparison, Verdict

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class CorrectedComparison(Generic[K]):
    """A comparison among several, with p-values and verdict corrected for their number (Holm).

    Parameters
    ----------
    key : object
        What is compared, such as a level, or the first cells of a table's row.
    comparison : Comparison
        The comparison alone.
    p_values : tuple of float
        McNemar's p-values, one per seed, corrected.
    p_not_inferior : float
        One-sided p-value of a loss of the margin or more, corrected.
    verdict : Verdict
        Verdict by the corrected p-values.
    """

    key: K
    comparison: Comparison
    p_values: tuple[float, ...]
    p_not_inferior: float
    verdict: Verdict

    def __str__(self) -> str:
        return intervals.in_words(self.verdict, self.comparison)


def correct(compared: Iterable[tuple[K, Comparison]]) -> list[CorrectedComparison[K]]:
    """Return comparisons corrected for their number, in the same order.

    Parameters
    ----------
    compared : iterable of (object, Comparison)
        Comparisons of one table, each with its key.

    Examples
    --------
    >>> import numpy as np
    >>> from agbench.analysis.intervals import compare
    >>> base = np.array([[True] * 900 + [False] * 100])
    >>> worse = np.array([[True] * 700 + [False] * 300])
    >>> compared = [("same", compare(base, base)), ("worse", compare(worse, base))]
    >>> [(one.key, str(one.verdict)) for one in correct(compared)]
    [('same', 'not inferior'), ('worse', 'inferior')]
    """
    rows = list(compared)
    exact = iter(intervals.holm([p for _, one in rows for p in one.p_values]))
    not_inferior = intervals.holm([one.p_not_inferior for _, one in rows])
    inferior = intervals.holm([one.p_inferior for _, one in rows])
    return [
        CorrectedComparison(
            key,
            one,
            tuple(next(exact) for _ in one.p_values),
            not_inferior[row],
            intervals.decide(not_inferior[row], inferior[row], is_withheld=one.is_withheld),
        )
        for row, (key, one) in enumerate(rows)
    ]


def judged_levels(series: Series) -> dict[float, CorrectedComparison[float]]:
    """Return the comparison of each of a model's levels with the original, corrected for their number."""
    return {one.key: one for one in correct(series.compared.items())}
