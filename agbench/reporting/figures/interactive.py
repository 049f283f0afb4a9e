"""Charts for a page in a browser, by plotly."""

from __future__ import annotations

from typing import Any

from agbench.reporting.figures.charts import COLOURS, Chart, Line
from agbench.reporting.tables.table import escape_html

COLOURED = COLOURS[:-1]
"""All but black, which a dark page hides."""

DASHES = ("solid", "dash", "dot")
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "star", "cross")


def library() -> str:
    """Return plotly's own JavaScript, so that a page needs no network."""
    from plotly.offline import get_plotlyjs

    source: str = get_plotlyjs()
    return source


def division(chart: Chart) -> str:
    """Return a chart as an HTML element that plotly's JavaScript fills.

    Parameters
    ----------
    chart : Chart
        Chart to draw.

    Returns
    -------
    str
        A ``div`` and its script; colours of text and grid are left to the page.
    """
    from plotly import graph_objects as plotly
    from plotly.io import to_html

    figure = plotly.Figure([_trace(plotly, line, place) for place, line in enumerate(chart.lines)])
    figure.update_layout(
        title=escape_html(chart.title),
        xaxis={"title": chart.x_label, "autorange": "reversed" if chart.falling else True},
        yaxis={"title": chart.y_label, "range": chart.y_range},
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 60, "r": 20, "t": 50, "b": 60},
        height=480,
        hovermode="closest",
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": "#888888", "activecolor": "#555555"},
        legend={"orientation": "h", "y": -0.2},
    )
    if chart.ticks:
        figure.update_xaxes(tickvals=list(chart.ticks), ticktext=list(chart.ticks.values()))
    made: str = to_html(
        figure,
        full_html=False,
        include_plotlyjs=False,
        div_id=chart.name,
        config={"responsive": True, "displaylogo": False},
    )
    return made


def _trace(plotly: Any, line: Line, place: int) -> Any:
    colour = COLOURED[place % len(COLOURED)]
    if line.shade is not None:
        colour = "#888888" if line.shade == 0 else _between(line.shade)
    marker = {"symbol": SYMBOLS[place % len(SYMBOLS)], "size": 8}
    if line.published:
        marker = {"symbol": "star-open", "size": 14}
    errors = None
    if line.low:
        errors = {
            "type": "data",
            "array": [high - value for value, high in zip(line.y, line.high, strict=True)],
            "arrayminus": [value - low for value, low in zip(line.y, line.low, strict=True)],
            "thickness": 1,
        }
    return plotly.Scatter(
        # plotly reads markup in names.
        name=escape_html(line.name),
        x=list(line.x),
        y=list(line.y),
        error_y=errors,
        mode="markers" if line.published else "lines+markers",
        text=list(line.notes) or None,
        hovertemplate="%{y:.4f}<br>%{text}<extra>%{fullData.name}</extra>" if line.notes else None,
        line={"color": colour, "width": 4 if line.shade == 0 else 2, "dash": _dash(line, place)},
        marker=marker,
    )


def _dash(line: Line, place: int) -> str:
    return "solid" if line.shade is not None else DASHES[place // len(COLOURED) % len(DASHES)]


def _between(shade: float) -> str:
    """Return a colour between blue and yellow that light and dark pages show."""
    ends = ((0x3B, 0x6F, 0xB6), (0xE0, 0xA0, 0x20))
    parts = (round(first + shade * (last - first)) for first, last in zip(*ends, strict=True))
    return "#" + "".join(f"{part:02x}" for part in parts)
