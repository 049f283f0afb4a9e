"""A report in one HTML file: its Markdown, with charts that a reader can explore."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from agbench.reporting.figures import interactive
from agbench.reporting.figures.charts import Chart
from agbench.reporting.pages.markdown import parser
from agbench.reporting.tables.table import escape_html, escape_latex

NUMBERS = re.compile(r"[-+\d][-+\d.,%()/ ]*(to [-+\d.)]+|[kMGT]?B|\(original\))?")
"""The text of a cell that is not to be wrapped."""


def anchor(heading: str) -> str:
    """Return a heading's anchor, as code hosts name it.

    Examples
    --------
    >>> anchor("Accuracy by level, in detail")
    'accuracy-by-level-in-detail'
    """
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def templates() -> Environment:
    """Return the templates of HTML, where everything is escaped, and of LaTeX."""
    made = Environment(
        loader=PackageLoader("agbench.reporting"),
        undefined=StrictUndefined,
        autoescape=lambda name: name is not None and ".html" in name,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["latex"] = escape_latex
    return made


def in_html(text: str, charts: Sequence[Chart], figures: Path, title: str) -> str:
    """Return a report as one HTML file that needs no network.

    Parameters
    ----------
    text : str
        The report in Markdown.
    charts : sequence of Chart
        Those whose images are replaced by what can be explored.
    figures : Path
        Where its images lie; the others are put into the page.
    title : str
        Title of the page.

    Returns
    -------
    str
    """
    by_file = {f"{figures.name}/{chart.name}.png": interactive.division(chart) for chart in charts}
    markdown = parser()

    def image(renderer: Any, tokens: Sequence[Any], place: int, options: Any, env: Mapping[str, Any]) -> str:
        token = tokens[place]
        source, words = str(token.attrs["src"]), escape_html(token.content)
        if source in by_file:
            return by_file[source]
        content = base64.b64encode((figures.parent / source).read_bytes()).decode()
        return f'<img src="data:image/png;base64,{content}" alt="{words}">'

    markdown.add_render_rule("image", image)
    tokens = markdown.parse(text)
    for token, following in pairwise(tokens):
        if token.type == "heading_open":
            token.attrSet("id", anchor(following.content))
        elif token.type == "td_open" and NUMBERS.fullmatch(following.content):
            token.attrJoin("class", "number")
    body = str(markdown.renderer.render(tokens, markdown.options, {}))
    body = body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    return templates().get_template("report.html.j2").render(title=title, body=body, library=interactive.library())
