"""A report in one HTML file: its Markdown, with charts that a reader can explore."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it.token import Token

from agbench.analysis.intervals import Verdict
from agbench.reporting.answer import Answer
from agbench.reporting.figures import interactive
from agbench.reporting.pages.markdown import anchor, parser
from agbench.reporting.tables.table import escape_html, escape_latex
from agbench.reporting.tables.tables import VERDICT_SYMBOLS

NUMBERS = re.compile(r"[-+\d][-+\d.,%()/ ]*(to [-+\d.)]+|[kMGT]?B|\(original\))?( ?points?)?")
"""The text of a cell that is not to be wrapped."""


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


FOLDED = re.compile(r"<details><summary>([^<>]*)</summary>")
"""How a template's Markdown begins what is folded; a text from outside has its ``<`` escaped."""

CLAIMS_HEADING = "The paper's claims"
"""Heading of the table that a narrow screen shows as cards."""

CONTENTS = "Contents: "
"""Beginning of the paragraph with the links to all sections, which stays in view."""


def in_html(
    text: str,
    elements: Mapping[str, str],
    figures: str,
    title: str,
    answer: Answer | None,
) -> str:
    """Return a report as one HTML file that needs no network.

    Parameters
    ----------
    text : str
        The report in Markdown.
    elements : mapping of str to str
        The HTML that stands for each of its images, by the name of the image's file without its suffix.
    figures : str
        The folder in which its images lie.
    title : str
        Title of the page.
    answer : Answer, optional
        Answer of the report, whose saving its calculator takes.

    Returns
    -------
    str
    """
    by_file = {f"{figures}/{name}.png": element for name, element in elements.items()}
    markdown = parser()

    def image(renderer: Any, tokens: Sequence[Any], place: int, options: Any, env: Mapping[str, Any]) -> str:
        token = tokens[place]
        words = escape_html(token.content)
        return f'<div role="figure" aria-label="{words}">{by_file[str(token.attrs["src"])]}</div>'

    markdown.add_render_rule("image", image)
    tokens = markdown.parse(text)
    _style(tokens)
    body = str(markdown.renderer.render(tokens, markdown.options, {}))
    # A region that scrolls is reached by the keyboard, too.
    body = body.replace("<table>", '<div class="wide" tabindex="0"><table>').replace("</table>", "</table></div>")
    page = templates().get_template("report.html.j2")
    return page.render(
        title=title,
        body=body,
        library=interactive.library(),
        saved=answer.saved if answer is not None and answer.is_shown else 0.0,
        safe=answer is not None and answer.is_safe,
        claims=anchor(CLAIMS_HEADING),
    )


def _style(tokens: Sequence[Token]) -> None:
    """Name what the page's style sheet refers to, and fold what the template folds."""
    quotes = (token for token in tokens if token.type == "blockquote_open")
    if answer := next(quotes, None):
        answer.attrSet("class", "answer")
    for before, token, after in zip(tokens, tokens[1:], [*tokens[2:], Token("", "", 0)], strict=False):
        if before.type == "heading_open":
            before.attrSet("id", anchor(token.content))
        elif before.type == "td_open":
            if NUMBERS.fullmatch(token.content):
                before.attrJoin("class", "number")
            if (mark := token.content[:1]) in MARKS:
                before.attrJoin("class", MARKS[mark])
        elif before.type == "paragraph_open" and token.content.startswith(CONTENTS):
            before.attrSet("class", "contents")
        elif before.type == "paragraph_open" and (fold := FOLDED.fullmatch(token.content)):
            _replace((before, token, after), f"<details><summary>{escape_html(fold[1])}</summary>")
        elif before.type == "paragraph_open" and token.content == "</details>":
            _replace((before, token, after), "</details>")


def _replace(paragraph: Sequence[Token], element: str) -> None:
    """Make a paragraph's three tokens an element that stands for itself."""
    for token, content in zip(paragraph, (element, "", ""), strict=True):
        token.type, token.tag, token.nesting, token.content, token.children = "html_block", "", 0, content, None


MARKS = {
    VERDICT_SYMBOLS[Verdict.NOT_INFERIOR]: "harmless",
    VERDICT_SYMBOLS[Verdict.INFERIOR]: "harmful",
    VERDICT_SYMBOLS[Verdict.NOT_DECIDED]: "open",
}
"""Classes of the cells with a verdict, by the symbol that they begin with."""
