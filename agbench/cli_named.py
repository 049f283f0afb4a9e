"""The commands on named sweeps: list, compare. As thin as those in `agbench.cli`, which has them too."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from agbench.workspace import Workspace

REGRESSED = 1
"""Exit status where something got worse."""

_threshold = click.option(
    "--threshold",
    type=float,
    default=1.5,
    show_default=True,
    metavar="X",
    help="How many times the base's seconds a model may take on the same hardware.",
)


@click.command("list")
@click.pass_obj
def list_names(workspace: Workspace) -> None:
    """List the named sweeps: when they began, what came of them, and by which versions."""
    from agbench.named import names_table
    from agbench.record import read_records

    table = names_table(read_records(workspace.results))
    if table.rows:
        click.echo(table.markdown())
    else:
        click.echo("no sweep has a name yet: `agbench run --name NAME` gives one", err=True)


@click.command()
@click.argument("base")
@click.argument("new")
@_threshold
@click.option(
    "--format",
    "form",
    type=click.Choice(["md", "terminal"]),
    help="Markdown, or drawn for a terminal.  [default: as standard output is one]",
)
@click.pass_context
def compare(ctx: click.Context, base: str, new: str, threshold: float, form: str | None) -> None:
    """Compare the named sweep NEW with the earlier one BASE, condition by condition.

    The exit status is 1 where something got worse: accuracy, bytes, seconds, or a result that is missing now.
    """
    from agbench import compare as comparing
    from agbench.record import read_records
    from agbench.report import comparison

    compared = comparing.compare(read_records(ctx.obj.results), base, new, threshold)
    text = comparison.page(compared)
    if form == "terminal" or (form is None and sys.stdout.isatty()):
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(text))
    else:
        click.echo(text, nl=False)
    if compared.regressions:
        ctx.exit(REGRESSED)
