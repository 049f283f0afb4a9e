"""Charts and example images as PNG and SVG, by matplotlib."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageOps

from agbench.analysis.evidence import Evidence
from agbench.core import images
from agbench.core.errors import UnreadableImageError
from agbench.reporting.figures.charts import COLOURS, STRIP, Chart
from agbench.reporting.tables.table import size
from agbench.store.record import Example

MARKERS = "os^Dv*PX"
LINE_STYLES = ("-", "--", ":")
"""For more lines than there are colours."""

LEGEND = 100
"""Letters that a line of the legend holds."""

SHIFT = 0.006
"""Between lines at the same ticks, of the axis' length, so that their intervals do not cover each other."""

WINDOW = 160
"""Pixels of an example image's middle that are shown, at most: scaled down, what compressing does would vanish."""

EXAMPLES_FIGURE = "examples"
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.right": False,
    "svg.hashsalt": "agbench",
    "svg.fonttype": "path",
    # Names come from outside, and may have dollars in them.
    "text.parse_math": False,
}


def draw(chart: Chart, folder: Path) -> None:
    """Draw a chart.

    Parameters
    ----------
    chart : Chart
        Chart to draw.
    folder : Path
        Where its PNG and SVG go.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 5.8), layout="constrained")
        axes = figure.subplots()
        places = [place for line in chart.lines for place in line.x]
        extent = max(places) - min(places) if places else 1.0
        for place in range(len(chart.lines)):
            shift = (place - (len(chart.lines) - 1) / 2) * SHIFT * extent if chart.ticks else 0.0
            _draw_line(axes, chart, place, shift)
        axes.set_xlabel(chart.x_label)
        axes.set_ylabel(chart.y_label)
        axes.set_ylim(*chart.y_range)
        if chart.ticks:
            axes.set_xticks(list(chart.ticks), list(chart.ticks.values()))
        margin = 0.05 * (extent or 1.0)
        left, right = min(places, default=0) - margin, max(places, default=1) + margin
        axes.set_xlim(*((right, left) if chart.falling else (left, right)))
        axes.grid(alpha=0.3)
        # Outside, where it covers no point.
        longest = max((len(line.name) for line in chart.lines), default=1)
        columns = min(max(LEGEND // longest, 1), 3)
        figure.legend(loc="outside lower center", frameon=False, ncols=columns, fontsize=9)
        axes.set_title(chart.title)
        if chart.above:
            top = axes.secondary_xaxis("top")
            top.set_xticks(list(chart.above), list(chart.above.values()))
            top.set_xlabel(chart.above_label)
        _save(figure, folder / chart.name)


def draw_examples(evidence: Evidence, folder: Path) -> bool:
    """Draw a few images at several levels, each with its bytes.

    Parameters
    ----------
    evidence : Evidence
        Evidence whose trials may have kept images.
    folder : Path
        Where PNG and SVG go.

    Returns
    -------
    bool
        Whether there was anything to draw.
    """
    kept = _examples(evidence)
    ids = list(dict.fromkeys(example.image_id for level in kept.values() for example in level.values()))
    if not ids:
        return False
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.1 * len(kept), 2.45 * len(ids)), layout="constrained")
        grid = figure.subplots(len(ids), len(kept), squeeze=False)
        for row, image_id in zip(grid, ids, strict=True):
            for axes, (level, found) in zip(row, kept.items(), strict=True):
                axes.set_axis_off()
                if image_id in found:
                    example = found[image_id]
                    with suppress(UnreadableImageError):  # in a format that is not known here any more
                        axes.imshow(_middle(example), interpolation="nearest")
                    name = "original" if level == 1 else f"level {level:g}"
                    axes.set_title(f"{name}\n{size(example.size)}", fontsize=9)
        _save(figure, folder / EXAMPLES_FIGURE)
    return True


def _examples(evidence: Evidence) -> dict[float, dict[str, Example]]:
    """Return the kept images by level of JPEG and id."""
    found: dict[float, dict[str, Example]] = {}
    for level in STRIP:
        for series in evidence.jpeg.series:
            cell = series.cells.get(level)
            if cell is not None and level not in found and (kept := cell.records[0].examples):
                found[level] = {example.image_id: example for example in kept}
    return found


def _middle(example: Example) -> Image.Image:
    with images.opened(io.BytesIO(example.file)) as image:
        pixels = ImageOps.exif_transpose(images.faithful(image)).convert("RGB")
    left, top = max((pixels.width - WINDOW) // 2, 0), max((pixels.height - WINDOW) // 2, 0)
    return pixels.crop((left, top, min(left + WINDOW, pixels.width), min(top + WINDOW, pixels.height)))


def _draw_line(axes: Axes, chart: Chart, place: int, shift: float) -> None:
    line = chart.lines[place]
    colour = COLOURS[place % len(COLOURS)]
    if line.published:
        axes.plot(line.x, line.y, "*", color="black", markerfacecolor="white", markersize=13, label=line.name)
        return
    if line.shade is not None:
        shown = "black" if line.shade == 0 else mpl.colormaps["viridis"](line.shade * 0.9)
        width = 2.5 if line.shade == 0 else 1.3
        axes.plot(
            line.x,
            line.y,
            color=shown,
            linewidth=width,
            marker=MARKERS[place % len(MARKERS)],
            markersize=4,
            label=line.name,
            zorder=3 if line.shade == 0 else 2,
        )
        return
    axes.errorbar(
        [value + shift for value in line.x],
        line.y,
        yerr=[
            [value - low for value, low in zip(line.y, line.low, strict=True)],
            [high - value for value, high in zip(line.y, line.high, strict=True)],
        ],
        label=line.name,
        color=colour,
        linestyle=LINE_STYLES[place // len(COLOURS) % len(LINE_STYLES)],
        marker=MARKERS[place % len(MARKERS)],
        capsize=3,
        linewidth=1.5,
        elinewidth=1,
    )


def _save(figure: Figure, path: Path) -> None:
    # Without dates and versions: the same results give the same files.
    figure.savefig(path.with_suffix(".png"), dpi=120, metadata={"Software": None})
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None, "Creator": None})
