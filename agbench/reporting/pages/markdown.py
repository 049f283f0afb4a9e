"""Pages in Markdown, from the templates beside this file."""

from __future__ import annotations

import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt

from agbench.reporting.tables.table import capitalised, escape_markdown, size


def parser() -> MarkdownIt:
    """Return the parser of Markdown with tables; HTML in it stays text.

    Examples
    --------
    >>> parser().render("*safe*").strip()
    '<p><em>safe</em></p>'
    """
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def anchor(heading: str) -> str:
    """Return a heading's anchor, as code hosts name it.

    Examples
    --------
    >>> anchor("Accuracy by level, in detail")
    'accuracy-by-level-in-detail'
    """
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def render(template: str, **values: Any) -> str:
    """Fill a template of Markdown.

    Parameters
    ----------
    template : str
        Name of a file in ``templates/``.
    **values : object
        What it needs. Texts from outside go through its filter ``md``; tables have been escaped already.

    Returns
    -------
    str
    """
    pages = Environment(
        loader=PackageLoader("agbench.reporting"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        lstrip_blocks=True,
        # Markdown, not HTML: what comes from outside goes through `escape_markdown`.
        autoescape=False,
    )
    pages.filters["md"] = escape_markdown
    pages.filters["size"] = size
    pages.filters["capitalised"] = capitalised
    pages.filters["anchor"] = anchor
    return re.sub(r"\n{3,}", "\n\n", pages.get_template(template).render(**values))
