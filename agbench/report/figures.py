"""The figures of a report."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agbench.report.evidence import Evidence

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's, which colour-blind readers can tell apart."""

MARKERS = "os^Dv*P"
SHIFT = 0.006
"""Between models on the level axis, so that their intervals do not cover each other."""


def accuracy_over_level(evidence: Evidence, path: Path) -> None:
    """Draw figure 2 for every model: accuracy over level, the original on the left, with 95 % intervals.

    Parameters
    ----------
    evidence : Evidence
        What to draw.
    path : Path
        The PNG to write.
    """
    with mpl.rc_context({"font.size": 10, "axes.spines.right": False}):
        figure = Figure(figsize=(8, 5), layout="constrained")
        axes = figure.subplots()
        for place, series in enumerate(evidence.series):
            levels = sorted(series.cells, reverse=True)
            intervals = [series.cells[level].interval for level in levels]
            shift = (place - (len(evidence.series) - 1) / 2) * SHIFT
            axes.errorbar(
                [level + shift for level in levels],
                [interval.value for interval in intervals],
                yerr=[
                    [interval.value - interval.low for interval in intervals],
                    [interval.high - interval.value for interval in intervals],
                ],
                label=series.name,
                color=COLOURS[place % len(COLOURS)],
                marker=MARKERS[place % len(MARKERS)],
                capsize=3,
                linewidth=1.5,
                elinewidth=1,
            )
        axes.set_xlabel("level (the paper's compression ratio r: JPEG quality 100 r; 1.0 is the original)")
        axes.set_ylabel("accuracy on test images")
        axes.set_xticks(evidence.levels, [f"{level:g}" for level in evidence.levels])
        axes.set_xlim(1.04, min(0.1, *evidence.levels) - 0.04)
        axes.set_ylim(0, 1.02)
        axes.grid(alpha=0.3)
        axes.legend(loc="lower left", frameon=False)
        axes.set_title(f"{evidence.dataset}: accuracy over level, with 95 % intervals over test images")
        _bytes_on_top(axes, evidence)
        figure.savefig(path, dpi=120, metadata={"Software": None})


def _bytes_on_top(axes: Axes, evidence: Evidence) -> None:
    relative = {}
    for series in evidence.series:
        for level, cell in series.cells.items():
            relative[level] = cell.bytes / cell.bytes_original
    top = axes.secondary_xaxis("top")
    top.set_xticks(sorted(relative), [f"{relative[level]:.0%}" for level in sorted(relative)])
    top.set_xlabel("achieved size, of the original's bytes")
