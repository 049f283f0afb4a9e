"""Charts for a page in a browser, by plotly."""

from __future__ import annotations

import base64
import gzip
import math
from textwrap import wrap
from typing import Any

from agbench.reporting.figures.charts import COLOURS, ORIGINAL, Chart, Differences, Line
from agbench.reporting.tables.table import escape_html

NARROW = 44
"""Letters of a title that a telephone is wide enough for."""

DASHES = ("solid", "dash", "dot")
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "star", "cross", "x")


def library() -> str:
    """Return plotly's own JavaScript, so that a page needs no network: as gzip in Base64, a third of its size."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()


def division(chart: Chart) -> str:
    """Return a chart as an HTML element that plotly's JavaScript fills.

    Parameters
    ----------
    chart : Chart
        Chart to draw.

    Returns
    -------
    str
        A ``div``, and the data that the page's script draws in it.
    """
    from plotly import graph_objects as plotly

    figure = plotly.Figure([_trace(plotly, chart, place) for place in range(len(chart.lines))])
    figure.update_layout(
        title=_wrapped(chart.title),
        yaxis={"title": chart.y_label, "range": chart.y_range},
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
        showlegend=not chart.labelled,
        height=470,
    )
    ends = [math.log10(end) for end in chart.x_range] if chart.logarithmic else list(chart.x_range)
    scale = {"range": ends, "type": "log" if chart.logarithmic else "linear"}
    figure.update_xaxes(title=chart.x_label, **scale)
    if chart.ticks:
        figure.update_xaxes(tickvals=list(chart.ticks), ticktext=list(chart.ticks.values()))
    if chart.above:
        # A second axis is drawn for a trace of its own only.
        figure.add_trace(plotly.Scatter(x=[ends[0]], y=[None], xaxis="x2", showlegend=False, hoverinfo="skip"))
        figure.update_layout(
            xaxis2={
                "title": chart.above_label,
                "tickvals": list(chart.above),
                "ticktext": list(chart.above.values()),
                "overlaying": "x",
                "side": "top",
                "showgrid": False,
                **scale,
            },
            margin_t=110,
        )
    if chart.labelled:
        for line, height in zip(chart.lines, chart.label_heights(), strict=True):
            figure.add_annotation(
                text=escape_html(line.name),
                x=line.x[-1],
                y=height,
                xanchor="left",
                xshift=8,
                showarrow=False,
                font={"color": line.shade_colour, "size": 11},
            )
        figure.update_layout(margin_r=90)
    return _element(figure, chart.name)


def differences(chart: Differences) -> str:
    """Return the differences to the original as an HTML element, a panel a model.

    Parameters
    ----------
    chart : Differences
        Chart to draw.
    """
    from plotly import graph_objects as plotly
    from plotly.subplots import make_subplots

    columns = min(len(chart.panels), 2)
    rows = -(-len(chart.panels) // columns)
    titles = [_wrapped(panel.name, NARROW // 2) for panel in chart.panels]
    figure = make_subplots(
        rows, columns, shared_yaxes="all", subplot_titles=titles, vertical_spacing=min(0.22, 0.5 / rows)
    )
    for number, panel in enumerate(chart.panels):
        place = {"row": number // columns + 1, "col": number % columns + 1}
        colours = [panel.colour(one) for one in range(len(panel.values))]
        symbols = ["circle" if panel.is_decided(one) else "circle-open" for one in range(len(panel.values))]
        for one, value in enumerate(panel.values):
            figure.add_trace(
                plotly.Scatter(
                    x=[one],
                    y=[value],
                    error_y={
                        "type": "data",
                        "array": [panel.high[one] - value],
                        "arrayminus": [value - panel.low[one]],
                        "thickness": 1.5,
                    },
                    mode="markers",
                    marker={
                        "color": colours[one],
                        "symbol": symbols[one],
                        "size": 9,
                        "line": {"width": 2, "color": colours[one]},
                    },
                    hovertemplate=f"{_broken(panel.notes[one])}<extra></extra>",
                    showlegend=False,
                ),
                **place,
            )
        figure.update_xaxes(
            tickvals=list(range(len(panel.ticks))),
            ticktext=[_broken(tick) for tick in panel.ticks],
            range=[-0.6, len(panel.ticks) - 0.4],
            showgrid=False,
            **place,
        )
        figure.add_hrect(-chart.margin, chart.y_range[1], fillcolor="#009E73", opacity=0.08, line_width=0, **place)
        figure.add_hline(0, line={"color": "#7a7a7a", "width": 1}, **place)
        figure.add_hline(-chart.margin, line={"color": "#7a7a7a", "width": 1, "dash": "dash"}, **place)
    figure.update_yaxes(range=chart.y_range, title=None)
    figure.update_yaxes(title=chart.y_label, col=1)
    figure.update_layout(title=_wrapped(chart.title), height=140 + 260 * rows, margin_t=90)
    figure.update_annotations(font_size=12)
    return _element(figure, chart.name)


def _element(figure: Any, name: str) -> str:
    """Return a figure as a ``div`` and the data that the page draws in it, with its colours of text and grid."""
    margin = {"l": 60, "r": 20, "t": 60, "b": 60, **figure.layout.margin.to_plotly_json()}
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin=margin,
        hovermode="closest",
        autosize=True,
        title={"x": 0, "xanchor": "left", "y": 1, "yanchor": "top", "pad": {"t": 8}, "font": {"size": 15}},
    )
    # Nothing in it must end the script element.
    content = str(figure.to_json()).replace("<", "\\u003c")
    height = figure.layout.height
    return (
        f'<div id="{name}" class="chart" data-height="{height}" style="height: {height}px"></div>'
        f'<script type="application/json" data-chart="{name}">{content}</script>'
    )


def _wrapped(text: str, width: int = NARROW) -> str:
    """Return a text in lines of so many letters."""
    return _broken("\n".join(wrap(text, width, break_long_words=False)))


def _broken(text: str) -> str:
    return "<br>".join(map(escape_html, text.split("\n")))


def _trace(plotly: Any, chart: Chart, place: int) -> Any:
    line = chart.lines[place]
    colour = COLOURS[place % len(COLOURS)] if line.shade is None else line.shade_colour
    marker = {"symbol": SYMBOLS[place % len(SYMBOLS)], "size": 8}
    if line.published:
        colour, marker = ORIGINAL, {"symbol": "star-open", "size": 14}
    errors = None
    if line.low:
        errors = {
            "type": "data",
            "array": [high - value for value, high in zip(line.y, line.high, strict=True)],
            "arrayminus": [value - low for value, low in zip(line.y, line.low, strict=True)],
            "thickness": 1,
        }
    is_named = chart.logarithmic and bool(line.labels)
    shift = 0.0 if line.published else chart.shift(place)
    return plotly.Scatter(
        # plotly reads markup in names.
        name=escape_html(line.name),
        x=[value + shift for value in line.x],
        y=list(line.y),
        error_y=errors,
        mode=("markers" if line.published else "lines+markers") + ("+text" if is_named else ""),
        text=list(line.labels) if is_named else None,
        textposition="top right",
        textfont={"size": 10},
        hovertext=[_broken(note) for note in line.notes] or None,
        hovertemplate="%{hovertext}<extra>%{fullData.name}</extra>" if line.notes else None,
        line={"color": colour, "width": 4 if line.shade == 0 else 2, "dash": _dash(line, place)},
        marker=marker,
    )


def _dash(line: Line, place: int) -> str:
    return "solid" if line.shade is not None else DASHES[place // len(COLOURS) % len(DASHES)]
