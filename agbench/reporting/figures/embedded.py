"""Images for a page in a browser: as its own text and pictures, which it can lay out for any screen."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from io import BytesIO

from agbench.reporting.figures.pictures import Picture, Pictures
from agbench.reporting.tables.table import escape_html

LONGEST_SHOWN = 320
"""Pixels of an image's longer side at most: larger ones are scaled down."""


def figures(shown: Pictures) -> str:
    """Return images as an HTML element, a row for each image with its class first."""
    return "".join(
        f'<div class="pictures" style="--columns: {len(row)}"><p>{escape_html(name)}</p>'
        f"{''.join(_figures(shown, row))}</div>"
        for name, row in shown.rows
    )


def _figures(shown: Pictures, row: tuple[Picture | None, ...]) -> Iterator[str]:
    for one in row:
        pixels = None if one is None else shown.pixels(one)
        if one is not None and pixels is not None:
            pixels.thumbnail((LONGEST_SHOWN, LONGEST_SHOWN))
            memory = BytesIO()
            pixels.save(memory, "PNG")
            content = base64.b64encode(memory.getvalue()).decode()
            yield (
                f'<figure><img src="data:image/png;base64,{content}" alt=""><figcaption>{escape_html(one.caption)}'
                f'<br><b class="{"harmless" if one.is_right else "harmful"}">'
                f"{escape_html(one.judged)}</b></figcaption></figure>"
            )
