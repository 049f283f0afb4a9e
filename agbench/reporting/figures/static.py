"""Charts and example images as PNG and SVG, by matplotlib."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from agbench.reporting.figures.charts import COLOURS, DECIDED, ORIGINAL, Chart, Differences, Panel
from agbench.reporting.figures.pictures import Picture, Pictures

MARKERS = "os^Dv*PX"
LINE_STYLES = ("-", "--", ":")
"""For more lines than there are colours."""

LEGEND = 100
"""Letters that a line of the legend holds."""

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
        if chart.logarithmic:
            axes.set_xscale("log")
        for place in range(len(chart.lines)):
            _draw_line(axes, chart, place)
        axes.set_xlabel(chart.x_label)
        axes.set_ylabel(chart.y_label)
        axes.set_ylim(*chart.y_range)
        axes.set_xlim(*chart.x_range)
        if chart.ticks:
            axes.set_xticks(list(chart.ticks), list(chart.ticks.values()))
            axes.minorticks_off()
        axes.grid(alpha=0.3)
        if chart.y_range[0] < 0:  # differences
            axes.axhline(0, color="#7a7a7a", linewidth=1)
        if chart.labelled:
            _name_ends(axes, chart)
        else:
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


def draw_differences(chart: Differences, folder: Path) -> None:
    """Draw the differences to the original, a panel a model.

    Parameters
    ----------
    chart : Differences
        Chart to draw.
    folder : Path
        Where its PNG and SVG go.
    """
    columns = min(len(chart.panels), 2)
    rows = -(-len(chart.panels) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 1.2 + 2.6 * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
        for axes, panel in zip_longest(grid.flat, chart.panels):
            if panel is None:
                axes.set_axis_off()
                continue
            _draw_panel(axes, chart, panel)
        for axes in grid[:, 0]:
            axes.set_ylabel(chart.y_label)
        figure.supxlabel("level, and achieved size of the original's bytes", fontsize=10)
        figure.suptitle(chart.title)
        _save(figure, folder / chart.name)


def _draw_panel(axes: Axes, chart: Differences, panel: Panel) -> None:
    axes.axhspan(-chart.margin, chart.y_range[1], color="#009E73", alpha=0.08, linewidth=0)
    axes.axhline(0, color="#7a7a7a", linewidth=1)
    axes.axhline(-chart.margin, color="#7a7a7a", linewidth=1, linestyle="--")
    for place, value in enumerate(panel.values):
        axes.errorbar(
            [place],
            [value],
            yerr=[[value - panel.low[place]], [panel.high[place] - value]],
            color=panel.colour(place),
            marker="o",
            markerfacecolor=panel.colour(place) if panel.is_decided(place) else "white",
            capsize=3,
            linewidth=1.5,
        )
    axes.set_xticks(range(len(panel.ticks)), panel.ticks, fontsize=8)
    axes.set_xlim(-0.6, len(panel.ticks) - 0.4)
    axes.set_ylim(*chart.y_range)
    axes.set_title("\n".join(wrap(panel.name, 50)), fontsize=9)
    axes.grid(axis="y", alpha=0.3)


def _name_ends(axes: Axes, chart: Chart) -> None:
    for line, height in zip(chart.lines, chart.label_heights(), strict=True):
        axes.annotate(
            line.name,
            (line.x[-1], line.y[-1]),
            (8, height),
            textcoords=("offset points", "data"),
            color=line.shade_colour,
            fontsize=8,
            va="center",
            annotation_clip=False,
        )


def draw_pictures(shown: Pictures, folder: Path) -> None:
    """Draw images of a data set, a row each, with the class on the left, and what was predicted below.

    Parameters
    ----------
    shown : Pictures
        The images.
    folder : Path
        Where PNG and SVG go.
    """
    columns, width = len(shown.rows[0][1]), 2.1 if shown.is_cropped else 3.2
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width * columns, (width + 0.65) * len(shown.rows)), layout="constrained")
        grid = figure.subplots(len(shown.rows), columns, squeeze=False)
        for row, (name, pictures) in zip(grid, shown.rows, strict=True):
            for axes, picture in zip(row, pictures, strict=True):
                axes.set_axis_off()
                if picture is not None:
                    _draw_picture(axes, picture, shown.pixels(picture))
            words = "\n".join(wrap(name, 24))
            place: dict[str, Any] = {"transform": row[0].transAxes, "rotation": 90, "ha": "right", "va": "center"}
            row[0].text(-0.04, 0.5, words, fontsize=9, **place)
        _save(figure, folder / shown.name)


def _draw_picture(axes: Axes, picture: Picture, pixels: Image.Image | None) -> None:
    if pixels is not None:
        axes.imshow(pixels, interpolation="nearest")
    axes.set_title(picture.caption, fontsize=9)
    words = "\n".join(wrap(picture.judged, 30))
    place: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "va": "top"}
    axes.text(0.5, -0.03, words, color=DECIDED[picture.verdict], fontsize=9, **place)


def _draw_line(axes: Axes, chart: Chart, place: int) -> None:
    line = chart.lines[place]
    colour = COLOURS[place % len(COLOURS)]
    if line.published:
        axes.plot(line.x, line.y, "*", color=ORIGINAL, markerfacecolor="white", markersize=13, label=line.name)
        return
    if line.shade is not None:
        axes.plot(
            line.x,
            line.y,
            color=line.shade_colour,
            linewidth=2.5 if line.shade == 0 else 1.3,
            marker=MARKERS[place % len(MARKERS)],
            markersize=4,
            label=line.name,
            zorder=3 if line.shade == 0 else 2,
        )
        return
    shift = chart.shift(place)
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
    for x, y, label in zip(line.x, line.y, line.labels if chart.logarithmic else (), strict=False):
        axes.annotate(label, (x, y), (4, 4), textcoords="offset points", fontsize=7)


def _save(figure: Figure, path: Path) -> None:
    # Without dates and versions: the same results give the same files.
    figure.savefig(path.with_suffix(".png"), dpi=120, metadata={"Software": None})
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None, "Creator": None})
