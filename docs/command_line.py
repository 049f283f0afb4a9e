"""A hook of MkDocs: writes the page on the command line from the commands' own help."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agbench.cli.main import main

PAGE = "reference/command-line.md"
WIDTH = 100
"""Letters of a line of help."""


def on_page_markdown(markdown: str, *, page: Any, **others: Any) -> str:
    """Return a page's Markdown; to that on the command line, all commands are added."""
    return "\n".join((markdown, *described())) if page.file.src_uri == PAGE else markdown


def described() -> Iterator[str]:
    """Yield Markdown of all commands: a section for each group of them, and the help as a terminal shows it."""
    context = main.context_class(main, info_name="agbench", terminal_width=WIDTH, **main.context_settings)
    yield from fenced(main.get_help(context))
    for section in main.list_sections(context):
        yield f"\n## {section.title}\n"
        for name, command in section.commands.items():
            yield f"\n### agbench {name}\n"
            yield from fenced(command.get_help(command.context_class(command, context, name)))


def fenced(text: str) -> Iterator[str]:
    """Yield a block of text."""
    yield from ("", "```text", text, "```")
